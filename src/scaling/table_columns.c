#include "scaling/table_columns.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "scaling/choose_parts.h"

static const char *const keys[] = {"size", "samples", "steps", "flops", "loss", "loss_se", "run"};
enum { KEYS = sizeof keys / sizeof *keys, NAMES = 16 };

// Usual names, in lower case without blanks and signs; what stands first wins.
static const char *const usual[TT_ROLES][NAMES] = {
    [TT_ROLE_SIZE] = {"sizetotal", "size", "n", "modelsize", "parameters", "params", "nparams", "numparams",
                      "nparameters", "numparameters"},
    [TT_ROLE_SAMPLES] = {"samples", "d", "tokens", "ntokens", "numtokens", "trainingtokens", "datasetsize",
                         "examples", "conformations"},
    [TT_ROLE_STEPS] = {"step", "steps", "s", "updates", "iterations", "iteration"},
    [TT_ROLE_FLOPS] = {"flopsexecuted", "flops", "flop", "c", "compute", "trainingflop", "trainingflops",
                       "totalflops"},
    [TT_ROLE_LOSS] = {"loss", "l", "validloss", "valloss", "validationloss", "evalloss", "testloss",
                      "finalloss"},
    [TT_ROLE_LOSS_SE] = {"lossse", "losserror"},
    [TT_ROLE_RUN] = {"run", "runid", "runname"},
    [TT_ROLE_KIND] = {"kind"},
};

// The names of one part of the loss, and of sizes counted otherwise, as our own tables have them.
static const char *const of_term[TT_TERMS][2] = {{NULL},
                                                 {"losstoken", "losstokense"},
                                                 {"lossposition", "losspositionse"},
                                                 {"lossdistance", "lossdistancese"}};

static bool matches(const char *header, const char *name) {
  for (;; header++, name++) {
    while (*header && !isalnum((unsigned char)*header) && !(*header & 0x80)) header++;
    while (*name && !isalnum((unsigned char)*name) && !(*name & 0x80)) name++;
    if (tolower((unsigned char)*header) != tolower((unsigned char)*name)) return false;
    if (!*header) return true;
  }
}

// -1: there is none. Two ("loss" and "Loss") are an error: which one counts is not for us to guess.
static tt_status find_usual(const tt_csv *csv, const char *name, int *column) {
  *column = -1;
  for (int i = 0; name && i < csv->columns; i++) {
    if (!*csv->header[i] || !matches(csv->header[i], name)) continue;
    if (*column >= 0)
      return tt_fail(TT_ERR_FORMAT,
                     "%s, line %d: the columns '%.60s' and '%.60s' have one name: rename one of them",
                     csv->file, csv->header_line, csv->header[*column], csv->header[i]);
    *column = i;
  }
  return TT_OK;
}

static void list_columns(const tt_csv *csv, char *text, size_t size) {
  *text = 0;
  for (int i = 0; i < csv->columns && i < 20; i++)
    tt_append(text, size, "%s%.40s", i ? ", " : "", csv->header[i]);
  if (csv->columns > 20) tt_append(text, size, " and %d more", csv->columns - 20);
}

static tt_status missing(const tt_csv *csv, const char *name, const char *advice) {
  char columns[900];
  list_columns(csv, columns, sizeof columns);
  return tt_fail(TT_ERR_ARGUMENT, "%s has no column %.100s%s; its columns are: %s", csv->file, name, advice,
                 columns);
}

static int key_at(const char *text, size_t *length) {
  for (int k = 0; k < KEYS; k++) {
    *length = strlen(keys[k]);
    if (strncmp(text, keys[k], *length) == 0 && text[*length] == '=') return k;
  }
  return -1;
}

// "size=Model Size,loss=L": a comma ends a name only where a key follows.
static tt_status take_named(tt_table_columns *columns, const tt_csv *csv, const char *named) {
  for (const char *at = named; *at;) {
    size_t length, next;
    int key = key_at(at, &length);
    if (key < 0)
      return tt_fail(
          TT_ERR_ARGUMENT,
          "--columns %.100s: '%.40s' must read KEY=NAME with a key of size, samples, steps, flops, "
          "loss, loss_se, run",
          named, at);
    char name[256];
    if (columns->of[key] >= 0)
      return tt_fail(TT_ERR_ARGUMENT, "--columns %.100s: %s is there twice", named, keys[key]);
    const char *end = at += length + 1;
    while (*end && !(*end == ',' && key_at(end + 1, &next) >= 0)) end++;
    snprintf(name, sizeof name, "%.*s", (int)(end - at < 255 ? end - at : 255), at);
    TT_TRY(tt_csv_column(csv, name, &columns->of[key]));
    if (columns->of[key] < 0 && *name) TT_TRY(find_usual(csv, name, &columns->of[key]));
    if (columns->of[key] < 0) {
      char quoted[260];
      snprintf(quoted, sizeof quoted, "'%s'", name);
      return missing(csv, quoted, "");
    }
    at = end + (*end == ',');
  }
  return TT_OK;
}

static tt_status find_role(const tt_csv *csv, tt_role role, const tt_choice *choice, int *column) {
  *column = -1;
  if (role == TT_ROLE_SIZE && choice->size == TT_SIZE_WITHOUT_EMBEDDINGS)
    return find_usual(csv, "sizewithoutembeddings", column);
  if (role == TT_ROLE_SIZE && choice->size == TT_SIZE_FLOPS) return TT_OK; // has no usual name
  if (choice->term != TT_TERM_TOTAL && (role == TT_ROLE_LOSS || role == TT_ROLE_LOSS_SE))
    return find_usual(csv, of_term[choice->term][role == TT_ROLE_LOSS_SE], column);
  for (int k = 0; k < NAMES && usual[role][k] && *column < 0; k++)
    TT_TRY(find_usual(csv, usual[role][k], column));
  return TT_OK;
}

tt_status tt_table_columns_find(tt_table_columns *columns, const tt_csv *csv, const tt_choice *choice) {
  for (int role = 0; role < TT_ROLES; role++) columns->of[role] = -1;
  if (choice->columns) TT_TRY(take_named(columns, csv, choice->columns));
  bool loss_named = columns->of[TT_ROLE_LOSS] >= 0; // then the usual standard error may be another loss's
  for (int role = 0; role < TT_ROLES; role++)
    if (columns->of[role] < 0 && !(role == TT_ROLE_LOSS_SE && loss_named))
      TT_TRY(find_role(csv, (tt_role)role, choice, &columns->of[role]));
  if (columns->of[TT_ROLE_SIZE] < 0) return missing(csv, "of sizes", ": name it with --columns size=NAME");
  if (columns->of[TT_ROLE_LOSS] < 0) return missing(csv, "of losses", ": name it with --columns loss=NAME");
  return TT_OK;
}
