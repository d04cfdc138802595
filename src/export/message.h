// A protocol-buffers message under construction: the few lines of the wire format that event files need.
// (https://protobuf.dev/programming-guides/encoding: a field is its number and wire type, then its value.)
#ifndef TT_EXPORT_MESSAGE_H
#define TT_EXPORT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Zeros are an empty message. Once memory is short, `failed` is set and what is put is dropped, so that only
// the one who sends the message has to look.
typedef struct {
  unsigned char *bytes;
  size_t length, capacity;
  bool failed;
} tt_message;

void tt_message_clear(tt_message *message); // empty again; keeps its memory
void tt_message_free(tt_message *message);

void tt_message_integer(tt_message *message, unsigned field, int64_t value); // int32, int64, enum
void tt_message_double(tt_message *message, unsigned field, double value);
void tt_message_float(tt_message *message, unsigned field, float value);
void tt_message_text(tt_message *message, unsigned field, const char *text); // UTF-8
void tt_message_part(tt_message *message, unsigned field, const tt_message *part);

#endif
