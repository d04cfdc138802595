// Text for JSON and figures, which is UTF-8. A path, or a column of somebody's table, need not be: it is any
// bytes.
#ifndef TT_CORE_UTF8_H
#define TT_CORE_UTF8_H

#include <jansson.h>
#include <stdbool.h>

bool tt_utf8_valid(const char *text);

// Any text as UTF-8: each byte that is no part of it becomes "\xHH", four characters. free() it. NULL: out of
// memory.
char *tt_utf8_text(const char *text);

// The same as a JSON string. NULL: out of memory (json_pack with "o" then gives NULL, too).
json_t *tt_utf8_json(const char *text);

#endif
