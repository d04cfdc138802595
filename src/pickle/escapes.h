// Texts of the old pickle protocols: lines with escapes, and bytes written as characters.
#ifndef TT_PICKLE_ESCAPES_H
#define TT_PICKLE_ESCAPES_H

#include <stdbool.h>
#include <stddef.h>

// A line of `length` bytes to `text`, which has room for 2 * length + 1; a 0 follows what comes out. False:
// an escape that none writes.
bool tt_unescape_unicode(const unsigned char *line, size_t length, char *text, size_t *text_length);

// Same for Python 2's quoted strings.
bool tt_unescape_string(const unsigned char *line, size_t length, char *text, size_t *text_length);

// UTF-8 to a byte a character, in place. False: a character above 255, or no UTF-8.
bool tt_latin1_of_utf8(char *text, size_t *length);

#endif
