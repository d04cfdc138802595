// The one table of keys that drives loading, overrides, checking and printing; for the config room, and for
// rooms that read other files of the same syntax (sweep).
#ifndef TT_CONFIG_KEYS_H
#define TT_CONFIG_KEYS_H

#include "config/config.h"

typedef enum {
  TT_KEY_TEXT,   // char *, owned by the config
  TT_KEY_PRESET, // char [16], a preset's name or ""
  TT_KEY_CHOICE, // an enum, written as one of `choices`
  TT_KEY_INT,    // int
  TT_KEY_INT64,  // int64_t; uint64_t fields too, limited to what an int64_t holds
  TT_KEY_REAL,   // double
  TT_KEY_BOOL,   // bool
} tt_key_type;

typedef struct {
  const char *group, *name;
  tt_key_type type;
  size_t offset;           // of the field in tt_config
  double minimum, maximum; // both allowed, unless `open`
  bool open_minimum, open_maximum;
  const char *const *choices; // in the enum's order; ends with NULL
  const char *help;           // meaning and unit, a few words
} tt_config_key;

enum { TT_CONFIG_KEYS = 64 };
extern const tt_config_key tt_config_keys[TT_CONFIG_KEYS]; // group by group, in the order of printing

// Places in the table; -1 if there is no such key or group. `group` or `name` may have any length and bytes.
int tt_config_find(const char *group, const char *name);
bool tt_config_is_group(const char *group);

// The valid key (group) that somebody who wrote this probably meant; never NULL. `group` may be "".
const tt_config_key *tt_config_nearest_key(const char *group, const char *name);
const char *tt_config_nearest_group(const char *group);
// The nearest of a NULL-ended list of words.
const char *tt_config_nearest_word(const char *word, const char *const *words);

// A value as it was written, before it is known to fit its key.
typedef struct {
  enum { TT_VALUE_INTEGER, TT_VALUE_REAL, TT_VALUE_TEXT, TT_VALUE_BOOL, TT_VALUE_OTHER } kind;
  int64_t integer; // TT_VALUE_BOOL: 0 or 1
  double real;
  const char *text; // TT_VALUE_OTHER: what it is, in words ("a list")
} tt_config_value;

// Reads the text of an override as this key's type wants it; what does not fit becomes TT_VALUE_TEXT.
// `text` is kept by reference.
tt_config_value tt_config_parse(const tt_config_key *key, const char *text);

struct config_t;
struct config_setting_t;

// A setting as libconfig read it; a text is kept by reference.
tt_config_value tt_config_value_of(const struct config_setting_t *setting);

// Reads a file into *parsed, strictly (tt_config_scan). TT_ERR_IO; TT_ERR_CONFIG with file and line. On
// success the caller calls config_destroy.
tt_status tt_config_read(const char *path, struct config_t *parsed);

// One "group.key=value", checked for itself and stored; *key (may be NULL) becomes its place in the table.
// The value of a string may be in quotes, as in a file. TT_ERR_CONFIG with "where: " in front of the message.
tt_status tt_config_override(tt_config *config, const char *override, const char *where, int *key);

// TT_ERR_CONFIG: there is no such key; names the nearest one. `group` may be "".
tt_status tt_config_unknown_key(const char *where, const char *group, const char *name);

// The start of a string, in quotes and safe in a one-line message; 64 bytes are enough.
void tt_config_quote(char *shown, size_t size, const char *text);

// Checks type and range and stores; TT_ERR_CONFIG with "where: " in front of the message.
tt_status tt_config_set(tt_config *config, const tt_config_key *key, tt_config_value value,
                        const char *where);

// The field's value as libconfig text; free() it. NULL when out of memory.
char *tt_config_format(const tt_config *config, const tt_config_key *key);

// libconfig's blind spots, looked for before it reads the text: TT_ERR_CONFIG with file and line for a zero
// byte, an
// @include, an unterminated comment or string, and an integer that libconfig would silently cut.
tt_status tt_config_scan(const char *path, const char *text, size_t bytes);

// Where each key's value was written: an override, a line of the file, or (neither) nowhere.
typedef struct {
  const char *path;
  struct {
    int line;             // 0: not in the file
    const char *override; // NULL: not overridden
  } of[TT_CONFIG_KEYS];
} tt_config_source;

// The relations between keys. TT_ERR_CONFIG.
tt_status tt_config_check(const tt_config *config, const tt_config_source *source);

// Gives every key that `name` stands for its value in `config`: the dimensions and, for CPU presets, a short
// run.
tt_status tt_config_use_preset(tt_config *config, const char *name);

#endif
