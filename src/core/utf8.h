// Text for JSON, which is UTF-8. A path need not be: it is any bytes.
#ifndef TT_CORE_UTF8_H
#define TT_CORE_UTF8_H

#include <jansson.h>
#include <stdbool.h>

bool tt_utf8_valid(const char *text);

// A JSON string of any text: each byte that is no part of UTF-8 becomes "\xHH", four characters. NULL: out of
// memory (json_pack with "o" then gives NULL, too).
json_t *tt_utf8_json(const char *text);

#endif
