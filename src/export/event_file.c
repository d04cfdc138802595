#include "export/event_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crc32c.h"
#include "core/file.h"
#include "export/message.h"

// Field numbers of TensorBoard's messages (event.proto, summary.proto, the plugin hparams, and
// google.protobuf.Value).
enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_FILE_VERSION = 3, EVENT_SUMMARY = 5 };
enum { SUMMARY_VALUE = 1 };
enum { VALUE_TAG = 1, VALUE_SIMPLE = 2, VALUE_METADATA = 9 };
enum { METADATA_PLUGIN = 1, METADATA_DESCRIPTION = 3, METADATA_CLASS = 4 };
enum { PLUGIN_NAME = 1, PLUGIN_CONTENT = 2 };
enum { CLASS_UNKNOWN = 0, CLASS_SCALAR = 1 };
enum { HPARAMS_SESSION_START = 3, SESSION_HPARAMS = 1, SESSION_START_TIME = 5 };
enum { MAP_KEY = 1, MAP_VALUE = 2, ANY_NUMBER = 2, ANY_TEXT = 3 };

struct tt_event_file {
  FILE *stream;
  char path[PATH_MAX], temporary[PATH_MAX];
  tt_message event, summary, value, metadata, plugin; // one inside the other
  tt_message content, session, entry, any;            // inside a plugin's
};

// The CRC of data that may itself hold CRCs is rotated and shifted by a constant (TFRecord's definition).
static void put_masked_crc(unsigned char *to, const void *data, size_t bytes) {
  uint32_t crc = tt_crc32c(0, data, bytes), masked = (crc >> 15 | crc << 17) + 0xa282ead8u;
  for (int i = 0; i < 4; i++) to[i] = (unsigned char)(masked >> 8 * i);
}

static tt_status write_event(tt_event_file *f) {
  const tt_message *e = &f->event;
  if (e->failed) return tt_fail(TT_ERR_MEMORY, "out of memory writing %s", f->path);
  unsigned char head[12], tail[4];
  for (int i = 0; i < 8; i++) head[i] = (unsigned char)((uint64_t)e->length >> 8 * i);
  put_masked_crc(head + 8, head, 8);
  put_masked_crc(tail, e->bytes, e->length);
  if (fwrite(head, sizeof head, 1, f->stream) == 1 && fwrite(e->bytes, e->length, 1, f->stream) == 1 &&
      fwrite(tail, sizeof tail, 1, f->stream) == 1)
    return TT_OK;
  return tt_fail(TT_ERR_IO, "cannot write %s: %s", f->path, strerror(errno));
}

static void begin_event(tt_event_file *f, double wall_time) {
  tt_message_clear(&f->event);
  tt_message_double(&f->event, EVENT_WALL_TIME, wall_time);
}

tt_status tt_event_file_create(tt_event_file **file, const char *path, double wall_time) {
  *file = NULL;
  tt_event_file *f = calloc(1, sizeof *f);
  if (!f) return tt_fail(TT_ERR_MEMORY, "out of memory writing %s", path);
  char plain[PATH_MAX]; // beside it, with another name
  const char *slash = strrchr(path, '/');
  int folder = slash ? (int)(slash - path) + 1 : 0;
  bool fits = snprintf(f->path, sizeof f->path, "%s", path) < PATH_MAX - 32 &&
              snprintf(plain, sizeof plain, "%.*sevents", folder, path) < PATH_MAX - 32;
  tt_status status = fits ? TT_OK : tt_fail(TT_ERR_IO, "the path %.60s... is too long", path);
  if (status == TT_OK) {
    tt_file_temporary(plain, f->temporary, sizeof f->temporary);
    f->stream = fopen(f->temporary, "wb");
    if (!f->stream) status = tt_fail(TT_ERR_IO, "cannot create %s: %s", f->temporary, strerror(errno));
  }
  if (status == TT_OK) {
    begin_event(f, wall_time);
    tt_message_text(&f->event, EVENT_FILE_VERSION, "brain.Event:2");
    status = write_event(f);
  }
  if (status != TT_OK) return (void)tt_event_file_close(f, false), status;
  *file = f;
  return TT_OK;
}

static void put_metadata(tt_event_file *f, const char *plugin, const tt_message *content, int class,
                         const char *description) {
  tt_message_clear(&f->plugin);
  tt_message_text(&f->plugin, PLUGIN_NAME, plugin);
  if (content) tt_message_part(&f->plugin, PLUGIN_CONTENT, content);
  tt_message_clear(&f->metadata);
  tt_message_part(&f->metadata, METADATA_PLUGIN, &f->plugin);
  if (description) tt_message_text(&f->metadata, METADATA_DESCRIPTION, description);
  if (class != CLASS_UNKNOWN) tt_message_integer(&f->metadata, METADATA_CLASS, class);
  tt_message_part(&f->value, VALUE_METADATA, &f->metadata);
}

tt_status tt_event_file_scalars(tt_event_file *f, double wall_time, int64_t step,
                                const tt_event_scalar *scalars, int count) {
  tt_message_clear(&f->summary);
  for (const tt_event_scalar *s = scalars; s < scalars + count; s++) {
    tt_message_clear(&f->value);
    tt_message_text(&f->value, VALUE_TAG, s->tag);
    tt_message_float(&f->value, VALUE_SIMPLE, (float)s->value);
    if (s->description) put_metadata(f, "scalars", NULL, CLASS_SCALAR, s->description);
    tt_message_part(&f->summary, SUMMARY_VALUE, &f->value);
  }
  begin_event(f, wall_time);
  tt_message_integer(&f->event, EVENT_STEP, step);
  tt_message_part(&f->event, EVENT_SUMMARY, &f->summary);
  return write_event(f);
}

tt_status tt_event_file_hparams(tt_event_file *f, double wall_time, const tt_event_hparam *hparams,
                                int count) {
  tt_message_clear(&f->session);
  for (const tt_event_hparam *h = hparams; h < hparams + count; h++) {
    tt_message_clear(&f->any);
    if (h->text)
      tt_message_text(&f->any, ANY_TEXT, h->text);
    else
      tt_message_double(&f->any, ANY_NUMBER, h->number);
    tt_message_clear(&f->entry); // a map is a list of pairs
    tt_message_text(&f->entry, MAP_KEY, h->name);
    tt_message_part(&f->entry, MAP_VALUE, &f->any);
    tt_message_part(&f->session, SESSION_HPARAMS, &f->entry);
  }
  tt_message_double(&f->session, SESSION_START_TIME, wall_time);
  tt_message_clear(&f->content);
  tt_message_part(&f->content, HPARAMS_SESSION_START, &f->session);
  tt_message_clear(&f->value);
  tt_message_text(&f->value, VALUE_TAG, "_hparams_/session_start_info");
  // of a known class it would need a tensor, which TensorBoard adds where the class is not known
  put_metadata(f, "hparams", &f->content, CLASS_UNKNOWN, NULL);
  tt_message_clear(&f->summary);
  tt_message_part(&f->summary, SUMMARY_VALUE, &f->value);
  begin_event(f, wall_time);
  tt_message_part(&f->event, EVENT_SUMMARY, &f->summary);
  return write_event(f);
}

static void release(tt_event_file *f) {
  tt_message *const messages[] = {&f->event,   &f->summary, &f->value, &f->metadata, &f->plugin,
                                  &f->content, &f->session, &f->entry, &f->any};
  for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) tt_message_free(messages[i]);
  free(f);
}

tt_status tt_event_file_close(tt_event_file *f, bool keep) {
  if (!f) return TT_OK;
  tt_status status = TT_OK;
  errno = 0;
  if (f->stream && fclose(f->stream) != 0 && keep)
    status = tt_fail(TT_ERR_IO, "cannot write %s: %s", f->path, strerror(errno));
  if (keep && status == TT_OK)
    status = tt_file_commit(f->temporary, f->path);
  else if (f->stream)
    tt_file_abandon(f->temporary);
  release(f);
  return status;
}
