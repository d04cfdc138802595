#include "pickle/escapes.h"

#include <stdint.h>
#include <string.h>

static size_t put_utf8(char *to, uint32_t c) {
  if (c < 0x80) return to[0] = (char)c, 1;
  size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  for (size_t k = more; k > 0; k--, c >>= 6) to[k] = (char)(0x80 | (c & 0x3f));
  to[0] = (char)((0xff00u >> (more + 1) & 0xff) | c);
  return more + 1;
}

static bool read_hex(const unsigned char *from, const unsigned char *end, int digits, uint32_t *value) {
  *value = 0;
  if (end - from < digits) return false;
  for (int k = 0; k < digits; k++) {
    static const char all[] = "0123456789abcdef";
    const char *digit = from[k] ? strchr(all, from[k] | 32) : NULL;
    if (!digit) return false;
    *value = *value << 4 | (uint32_t)(digit - all);
  }
  return true;
}

// \uXXXX and \UXXXXXXXX stand for what a line cannot hold; a byte is the character of its number (Latin-1).
bool tt_unescape_unicode(const unsigned char *line, size_t length, char *text, size_t *text_length) {
  const unsigned char *end = line + length;
  char *to = text;
  while (line < end) {
    uint32_t c = *line++;
    if (c == '\\' && line < end && (*line == 'u' || *line == 'U')) {
      int digits = *line++ == 'u' ? 4 : 8;
      if (!read_hex(line, end, digits, &c) || c > 0x10ffff) return false;
      line += digits;
    }
    to += put_utf8(to, c);
  }
  *to = 0, *text_length = (size_t)(to - text);
  return true;
}

bool tt_unescape_string(const unsigned char *line, size_t length, char *text, size_t *text_length) {
  if (length < 2 || (*line != '\'' && *line != '"') || line[length - 1] != *line) return false;
  const unsigned char *end = line + length - 1;
  char *to = text;
  for (line++; line < end; line++) {
    static const char codes[] = "nrt\\'\"", values[] = "\n\r\t\\'\"";
    const char *code;
    uint32_t c = *line;
    if (c == '\\') {
      if (++line == end) return false;
      if (*line == 'x') {
        if (!read_hex(line + 1, end, 2, &c)) return false;
        line += 2;
      } else if (*line && (code = strchr(codes, *line)))
        c = (unsigned char)values[code - codes];
      else
        return false;
    }
    *to++ = (char)c;
  }
  *to = 0, *text_length = (size_t)(to - text);
  return true;
}

bool tt_latin1_of_utf8(char *text, size_t *length) {
  char *to = text;
  for (size_t k = 0; k < *length; k++) {
    unsigned char c = (unsigned char)text[k];
    if (c >= 0x80) {
      if ((c & 0xfe) != 0xc2 || k + 1 == *length || (text[k + 1] & 0xc0) != 0x80) return false;
      c = (unsigned char)(c << 6 | (text[++k] & 0x3f));
    }
    *to++ = (char)c;
  }
  *to = 0, *length = (size_t)(to - text);
  return true;
}
