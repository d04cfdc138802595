#include "core/crc32c.h"

#include <pthread.h>
#include <string.h>

static uint32_t table[256];
static int has_sse42;

static void prepare(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = c & 1 ? (c >> 1) ^ 0x82F63B78u : c >> 1;
    table[i] = c;
  }
#ifdef __x86_64__
  has_sse42 = __builtin_cpu_supports("sse4.2");
#endif
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t update_sse42(uint32_t crc, const unsigned char *p,
                                                               size_t n) {
  uint64_t c = crc;
  for (; n >= 8; n -= 8, p += 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    c = __builtin_ia32_crc32di(c, word);
  }
  for (; n; n--) c = __builtin_ia32_crc32qi((uint32_t)c, *p++);
  return (uint32_t)c;
}
#endif

uint32_t tt_crc32c(uint32_t crc, const void *data, size_t bytes) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, prepare);
  const unsigned char *p = data;
  crc = ~crc;
#ifdef __x86_64__
  if (has_sse42) return ~update_sse42(crc, p, bytes);
#endif
  for (; bytes; bytes--) crc = (crc >> 8) ^ table[(crc ^ *p++) & 255];
  return ~crc;
}
