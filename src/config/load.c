// A file and overrides -> a checked configuration; and back to text.
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"
#include "core/file.h"

tt_config_value tt_config_value_of(const config_setting_t *setting) {
  tt_config_value v = {.kind = TT_VALUE_OTHER};
  switch (config_setting_type(setting)) {
  case CONFIG_TYPE_INT:
  case CONFIG_TYPE_INT64:
    v.kind = TT_VALUE_INTEGER, v.integer = config_setting_get_int64(setting);
    break;
  case CONFIG_TYPE_FLOAT:
    v.kind = TT_VALUE_REAL, v.real = config_setting_get_float(setting);
    break;
  case CONFIG_TYPE_STRING:
    v.kind = TT_VALUE_TEXT, v.text = config_setting_get_string(setting);
    break;
  case CONFIG_TYPE_BOOL:
    v.kind = TT_VALUE_BOOL, v.integer = config_setting_get_bool(setting) != 0;
    break;
  case CONFIG_TYPE_GROUP:
    v.text = "a group";
    break;
  case CONFIG_TYPE_ARRAY:
    v.text = "an array";
    break;
  default:
    v.text = "a list";
    break;
  }
  if (v.kind == TT_VALUE_TEXT && !v.text) v.text = ""; // libconfig's way to keep ""
  return v;
}

tt_status tt_config_unknown_key(const char *where, const char *group, const char *name) {
  const tt_config_key *nearest = tt_config_nearest_key(group, name);
  return tt_fail(TT_ERR_CONFIG, "%s: unknown key %.60s%s%.60s; the nearest valid key is %s.%s (%s)", where,
                 group, *group ? "." : "", name, nearest->group, nearest->name, nearest->help);
}

static tt_status apply_group(tt_config *config, tt_config_source *source, config_setting_t *settings) {
  const char *group = config_setting_name(settings);
  for (int i = 0; i < config_setting_length(settings); i++) {
    config_setting_t *setting = config_setting_get_elem(settings, (unsigned)i);
    const char *name = config_setting_name(setting);
    char where[512];
    int line = config_setting_source_line(setting);
    snprintf(where, sizeof where, "%s:%d", source->path, line);
    int key = tt_config_find(group, name);
    if (key < 0) return tt_config_unknown_key(where, group, name);
    TT_TRY(tt_config_set(config, &tt_config_keys[key], tt_config_value_of(setting), where));
    source->of[key].line = line;
  }
  return TT_OK;
}

static tt_status apply_settings(tt_config *config, tt_config_source *source, config_setting_t *root) {
  for (int i = 0; i < config_setting_length(root); i++) {
    config_setting_t *setting = config_setting_get_elem(root, (unsigned)i);
    const char *name = config_setting_name(setting);
    char where[512];
    snprintf(where, sizeof where, "%s:%d", source->path, config_setting_source_line(setting));
    bool is_group = config_setting_is_group(setting);
    if (!tt_config_is_group(name)) {
      if (!is_group) return tt_config_unknown_key(where, "", name);
      return tt_fail(TT_ERR_CONFIG, "%s: unknown group %.60s; the nearest valid group is %s", where, name,
                     tt_config_nearest_group(name));
    }
    if (!is_group)
      return tt_fail(TT_ERR_CONFIG, "%s: %s must be a group: write %s = { key = value; }", where, name, name);
    TT_TRY(apply_group(config, source, setting));
  }
  return TT_OK;
}

// On success the caller calls config_destroy.
static tt_status parse(const char *name, const char *text, size_t bytes, config_t *parsed) {
  TT_TRY(tt_config_scan(name, text, bytes));
  config_init(parsed);
  if (config_read_string(parsed, text)) return TT_OK;
  tt_status status =
      tt_fail(TT_ERR_CONFIG, "%s:%d: %s", name, config_error_line(parsed), config_error_text(parsed));
  config_destroy(parsed);
  return status;
}

tt_status tt_config_read(const char *path, config_t *parsed) {
  char *text;
  size_t bytes;
  TT_TRY(tt_file_read(path, &text, &bytes));
  tt_status status = parse(path, text, bytes, parsed);
  free(text);
  return status;
}

static tt_status apply_text(tt_config *config, tt_config_source *source, const char *text, size_t bytes) {
  config_t parsed;
  TT_TRY(parse(source->path, text, bytes, &parsed));
  tt_status status = apply_settings(config, source, config_root_setting(&parsed));
  config_destroy(&parsed);
  return status;
}

static tt_status apply_file(tt_config *config, tt_config_source *source) {
  char *text;
  size_t bytes;
  TT_TRY(tt_file_read(source->path, &text, &bytes));
  tt_status status = apply_text(config, source, text, bytes);
  free(text);
  return status;
}

tt_status tt_config_override(tt_config *config, const char *override, const char *where, int *found) {
  char *copy = strdup(override);
  if (!copy) return tt_fail(TT_ERR_MEMORY, "%s: out of memory", where);
  tt_status status;
  char *value = strchr(copy, '='), *name = copy;
  if (value) *value++ = 0;
  char *dot = strchr(copy, '.');
  if (!value || !*name || (!dot && tt_config_is_group(name))) {
    status = tt_fail(TT_ERR_CONFIG, "%s: it must read --set group.key=value", where);
    goto done;
  }
  const char *group = "";
  if (dot) *dot = 0, group = copy, name = dot + 1;
  int key = tt_config_find(group, name);
  if (key < 0) {
    status = tt_config_unknown_key(where, group, name);
    goto done;
  }
  size_t n = strlen(value);
  if (n >= 2 && value[0] == '"' && value[n - 1] == '"') value[n - 1] = 0, value++;
  status = tt_config_set(config, &tt_config_keys[key], tt_config_parse(&tt_config_keys[key], value), where);
  if (found) *found = key;
done:
  free(copy);
  return status;
}

static tt_status apply_override(tt_config *config, tt_config_source *source, const char *override) {
  char where[300];
  int key = 0;
  snprintf(where, sizeof where, "--set %.200s", override);
  TT_TRY(tt_config_override(config, override, where, &key));
  source->of[key].override = override;
  return TT_OK;
}

// The preset's values for every key that nobody wrote.
static tt_status apply_preset(tt_config *config, const tt_config_source *source) {
  if (!*config->model.preset) return TT_OK;
  tt_config preset;
  tt_status status = tt_config_defaults(&preset);
  if (status == TT_OK) status = tt_config_use_preset(&preset, config->model.preset);
  for (int i = 0; i < TT_CONFIG_KEYS && status == TT_OK; i++) {
    const tt_config_key *key = &tt_config_keys[i];
    static const size_t sizes[] = {[TT_KEY_TEXT] = 0, // owned; no preset names a store
                                   [TT_KEY_PRESET] = sizeof preset.model.preset,
                                   [TT_KEY_CHOICE] = sizeof(tt_noise),
                                   [TT_KEY_INT] = sizeof(int),
                                   [TT_KEY_INT64] = sizeof(int64_t),
                                   [TT_KEY_REAL] = sizeof(double),
                                   [TT_KEY_BOOL] = sizeof(bool)};
    if (source->of[i].line || source->of[i].override) continue;
    memcpy((char *)config + key->offset, (char *)&preset + key->offset, sizes[key->type]);
  }
  tt_config_free(&preset);
  return status;
}

// The defaults, then the file that `source` names, or `text`, then the overrides.
static tt_status load(tt_config *config, tt_config_source *source, bool file, const char *text,
                      const char *const *overrides, int count) {
  tt_status status;
  TT_TRY_GOTO(status, tt_config_defaults(config), failed);
  if (file) TT_TRY_GOTO(status, apply_file(config, source), failed);
  if (text) TT_TRY_GOTO(status, apply_text(config, source, text, strlen(text)), failed);
  for (int i = 0; i < count; i++) TT_TRY_GOTO(status, apply_override(config, source, overrides[i]), failed);
  TT_TRY_GOTO(status, apply_preset(config, source), failed);
  TT_TRY_GOTO(status, tt_config_check(config, source), failed);
  return TT_OK;
failed:
  tt_config_free(config);
  return status;
}

tt_status tt_config_load(tt_config *config, const char *path, const char *const *overrides, int count) {
  tt_config_source source = {.path = path ? path : "the configuration"};
  return load(config, &source, path != NULL, NULL, overrides, count);
}

tt_status tt_config_load_text(tt_config *config, const char *name, const char *text) {
  tt_config_source source = {.path = name};
  return load(config, &source, false, text, NULL, 0);
}

tt_status tt_config_print(const tt_config *config, char **text) {
  size_t bytes;
  const char *group = "";
  *text = NULL;
  FILE *out = open_memstream(text, &bytes);
  if (!out) return tt_fail(TT_ERR_MEMORY, "out of memory: the text of a configuration");
  bool failed = false;
  for (int i = 0; i < TT_CONFIG_KEYS; i++) {
    const tt_config_key *key = &tt_config_keys[i];
    char *value = tt_config_format(config, key);
    if (strcmp(group, key->group) != 0) fprintf(out, "%s%s = {\n", i ? "};\n" : "", key->group);
    group = key->group;
    fprintf(out, "  %s = %s;\n", key->name, value ? value : "");
    failed |= !value;
    free(value);
  }
  fprintf(out, "};\n");
  if (fclose(out) == 0 && !failed) return TT_OK;
  free(*text);
  *text = NULL;
  return tt_fail(TT_ERR_MEMORY, "out of memory: the text of a configuration");
}

// Keys of several groups have one name ("seed"), so a line by itself would not say which it is.
void tt_config_line(const char *text, size_t at, char *line, size_t size) {
  while (at && text[at - 1] != '\n') at--;
  size_t group = at;
  while (group && text[group] == ' ') { // back to a line without indentation: "train = {"
    group--;
    while (group && text[group - 1] != '\n') group--;
  }
  bool key = group != at;
  const char *start = text + at + strspn(text + at, " ");
  int length = (int)strcspn(start, "\n");
  if (key && length && start[length - 1] == ';') length--;
  snprintf(line, size, "%.*s%s%.*s", key ? (int)strcspn(text + group, " \n") : 0, text + group,
           key ? "." : "", length, start);
}
