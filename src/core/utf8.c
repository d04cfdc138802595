#include "core/utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Bytes of the character that begins here, 1 to 4. 0: none does; reads no further than a byte that does not
// fit.
static size_t character(const char *text) {
  const unsigned char *s = (const unsigned char *)text;
  if (s[0] < 0x80) return 1;
  size_t length = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
  for (size_t k = 1; k < length; k++)
    if ((s[k] & 0xc0) != 0x80) return 0;
  // written longer than need be, surrogates, above U+10FFFF
  if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
      (s[0] == 0xf4 && s[1] > 0x8f))
    return 0;
  return length;
}

bool tt_utf8_valid(const char *text) {
  for (size_t n; *text; text += n)
    if ((n = character(text)) == 0) return false;
  return true;
}

char *tt_utf8_text(const char *text) {
  char *plain = malloc(4 * strlen(text) + 1), *to = plain;
  if (!plain) return NULL;
  while (*text) {
    size_t n = character(text);
    if (n == 0) {
      to += snprintf(to, 5, "\\x%02X", (unsigned)(unsigned char)*text++);
      continue;
    }
    memcpy(to, text, n);
    to += n, text += n;
  }
  *to = 0;
  return plain;
}

json_t *tt_utf8_json(const char *text) {
  char *plain = tt_utf8_text(text);
  json_t *json = plain ? json_string(plain) : NULL;
  free(plain);
  return json;
}
