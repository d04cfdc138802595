#include "export/message.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum { VARINT, FIXED64, LENGTH, FIXED32 = 5 }; // wire types

void tt_message_clear(tt_message *message) {
  message->length = 0;
  message->failed = false;
}

void tt_message_free(tt_message *message) {
  free(message->bytes);
  *message = (tt_message){0};
}

static void put(tt_message *m, const void *bytes, size_t count) {
  if (!m->failed && tt_reserve(&m->bytes, &m->capacity, m->length + count, 1, "an event") != TT_OK)
    m->failed = true;
  if (m->failed || !count) return;
  memcpy(m->bytes + m->length, bytes, count);
  m->length += count;
}

// Seven bits a byte, lowest first; the eighth says that more follow.
static void put_varint(tt_message *m, uint64_t value) {
  unsigned char bytes[10];
  size_t n = 0;
  for (; value > 127; value >>= 7) bytes[n++] = (unsigned char)(value | 128);
  bytes[n++] = (unsigned char)value;
  put(m, bytes, n);
}

static void put_fixed(tt_message *m, uint64_t bits, size_t count) {
  unsigned char bytes[8];
  for (size_t i = 0; i < count; i++) bytes[i] = (unsigned char)(bits >> 8 * i);
  put(m, bytes, count);
}

static void put_field(tt_message *m, unsigned field, unsigned wire_type) {
  put_varint(m, (uint64_t)field << 3 | wire_type);
}

void tt_message_integer(tt_message *message, unsigned field, int64_t value) {
  put_field(message, field, VARINT);
  put_varint(message, (uint64_t)value);
}

void tt_message_double(tt_message *message, unsigned field, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  put_field(message, field, FIXED64);
  put_fixed(message, bits, sizeof bits);
}

void tt_message_float(tt_message *message, unsigned field, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  put_field(message, field, FIXED32);
  put_fixed(message, bits, sizeof bits);
}

static void put_length(tt_message *m, unsigned field, const void *bytes, size_t count) {
  put_field(m, field, LENGTH);
  put_varint(m, count);
  put(m, bytes, count);
}

void tt_message_text(tt_message *message, unsigned field, const char *text) {
  put_length(message, field, text, strlen(text));
}

void tt_message_part(tt_message *message, unsigned field, const tt_message *part) {
  if (part->failed) message->failed = true;
  put_length(message, field, part->bytes, part->length);
}
