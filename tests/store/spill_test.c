// What a build keeps on disk while it is under way: spills, notes of finished shards, rejects that are put in
// order piece by piece. Whatever happens to such a file, reading it must give an error or what was written,
// never a crash; where even the checksums fit, it may give anything but a crash. TT_TEST_MUTATIONS sets how
// often (default 1000), TT_TEST_SEED which ones.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/crc32c.h"
#include "core/file.h"
#include "core/philox.h"
#include "building/blocks.h"
#include "building/note.h"
#include "building/spill.h"

enum { FILES = 7, ENTRIES = 2000, REJECTS = 300, BLOCKS = 40, TAG = 77 };

static char folder[64], path[128];
static uint64_t random_state = 1;
static uint64_t draw(uint64_t n) {
  return tt_mix64(random_state++) % n;
}

static const char *in(const char *name) {
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void assert_ok(tt_status status) {
  if (status != TT_OK) fail_msg("%s", tt_error_message());
}

static long setting(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text ? atol(text) : otherwise;
}

// Entry k: some have coordinates, a few so many that they fill segments alone; keys repeat.
static void add_entry(tt_entry_list *list, uint64_t k) {
  float xyz[3 * 30 * 300];
  char smiles[80];
  uint32_t conformers = k % 3 ? 0 : k % 250 == 0 ? 300 : 1 + (uint32_t)(k % 4), atoms = conformers ? 30 : 0;
  for (uint32_t c = 0; c < 3 * atoms * conformers; c++) xyz[c] = (float)(k * 7 + c);
  snprintf(smiles, sizeof smiles, "%.*sC%llu", (int)(k % 50),
           "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC", (unsigned long long)k);
  assert_ok(tt_entries_add(list, tt_mix64(k / 3), (uint32_t)(k % FILES), k, smiles, conformers ? xyz : NULL,
                           conformers, atoms));
}

static void fill(tt_spill_content *c) {
  memset(c, 0, sizeof *c);
  for (uint64_t k = 0; k < ENTRIES; k++) add_entry(&c->entries, k * 2654435761u % ENTRIES);
  for (uint64_t k = 0; k < REJECTS; k++)
    assert_ok(
        tt_rejects_add(&c->rejects, (uint32_t)(k * 5 % FILES), REJECTS - k, "name", k % 5, "kind: what\n"));
  c->blocks = calloc(BLOCKS, sizeof *c->blocks);
  c->block_count = c->block_room = BLOCKS, c->records = ENTRIES + REJECTS;
  for (uint32_t k = 0; k < BLOCKS; k++) c->blocks[k] = (tt_block){.block = k / FILES, .file = k % FILES};
}

static const tt_shard_plan plan = {{5, 2}, UINT64_C(1) << 51}; // a quarter is for validation

static void write_spill(void) {
  tt_spill_content content;
  fill(&content);
  assert_ok(tt_spill_write(in("spill"), TAG, &plan, &content));
  assert_true(content.entries.count == 0 && content.rejects.count == 0 && content.block_count == 0);
  tt_spill_content_free(&content);
}

// Reads all of a spill that a reader can get at. A hash of it in *sum.
static tt_status read_all(const char *name, uint64_t *sum) {
  tt_spill spill;
  *sum = 0;
  TT_TRY(tt_spill_open(&spill, name, TAG, FILES));
  tt_entry_list list = {0};
  tt_reject_list rejects = {0};
  tt_block *blocks = NULL;
  tt_status status = TT_OK;
  for (uint32_t shard = 0; shard < tt_plan_shards(&plan) && status == TT_OK; shard++) {
    uint64_t first, last;
    tt_plan_keys(&plan, shard, &first, &last);
    status = tt_spill_range(&spill, tt_plan_split_of(&plan, shard), first, last, &list);
  }
  if (status == TT_OK) status = tt_spill_blocks(&spill, &blocks);
  if (status == TT_OK) status = tt_spill_rejects(&spill, &rejects);
  if (status == TT_OK) {
    uint64_t head[] = {spill.records, spill.entries, spill.blocks, spill.rejects};
    *sum = tt_crc32c(tt_crc32c(0, head, sizeof head), list.bytes, list.used);
    *sum = tt_crc32c((uint32_t)*sum, blocks, spill.blocks * sizeof *blocks);
    *sum = tt_crc32c((uint32_t)*sum, rejects.bytes, rejects.used);
  }
  tt_entries_free(&list), tt_rejects_free(&rejects), free(blocks);
  tt_spill_close(&spill);
  return status;
}

// ---- what was written is read
// -----------------------------------------------------------------------------------

static int compare_keys(const void *left, const void *right) {
  uint64_t a, b;
  memcpy(&a, left, sizeof a), memcpy(&b, right, sizeof b);
  return (a > b) - (a < b);
}

// Any range gives just the entries in it; all ranges together give all of them, unchanged.
static void ranges(void **state) {
  (void)state;
  write_spill();
  tt_spill spill;
  tt_entry_list all = {0};
  tt_spill_content truth;
  fill(&truth);
  assert_ok(tt_spill_open(&spill, in("spill"), TAG, FILES));
  assert_true(spill.entries == ENTRIES && spill.records == ENTRIES + REJECTS && spill.segments[0] > 5);
  uint64_t keys[ENTRIES], n = 0;
  for (size_t at = 0; at < truth.entries.used; at += tt_entry_bytes(tt_entry_at(&truth.entries, at)))
    keys[n++] = tt_entry_at(&truth.entries, at)->key;
  qsort(keys, n, sizeof *keys, compare_keys);
  for (int k = 0; k < 200; k++) {
    tt_entry_list part = {0};
    tt_split split = draw(2) ? TT_VALID : TT_TRAIN;
    uint64_t a = draw(4) ? keys[draw(n)] + draw(3) - 1 : tt_mix64(draw(1000)), first = k < 2 ? 0 : a;
    uint64_t last = k < 2 ? UINT64_MAX : draw(4) ? keys[draw(n)] : a, wanted = 0, found = 0;
    assert_ok(tt_spill_range(&spill, split, first, last, &part));
    for (uint64_t i = 0; i < n; i++)
      wanted += keys[i] >= first && keys[i] <= last && tt_plan_split(&plan, keys[i]) == split;
    for (size_t at = 0; at < part.used; at += tt_entry_bytes(tt_entry_at(&part, at)), found++) {
      const tt_entry *e = tt_entry_at(&part, at);
      assert_true(e->key >= first && e->key <= last && tt_plan_split(&plan, e->key) == split);
    }
    assert_int_equal(found, wanted);
    assert_int_equal(part.count, wanted);
    tt_entries_free(&part);
  }
  assert_ok(tt_spill_range(&spill, TT_TRAIN, 0, UINT64_MAX, &all));
  assert_ok(tt_spill_range(&spill, TT_VALID, 0, UINT64_MAX, &all));
  const tt_entry **a, **b;
  assert_ok(tt_entries_sort(&plan, &all, &a));
  assert_ok(tt_entries_sort(&plan, &truth.entries, &b));
  assert_int_equal(all.count, truth.entries.count);
  for (uint64_t k = 0; k < all.count; k++) {
    assert_int_equal(tt_entry_bytes(a[k]), tt_entry_bytes(b[k]));
    assert_memory_equal(a[k], b[k], tt_entry_bytes(b[k]));
  }
  free(a), free(b);
  tt_entries_free(&all);
  tt_spill_content_free(&truth);
  tt_spill_close(&spill);
}

static void nothing_in_it(void **state) { // but blocks of records that cannot be used
  (void)state;
  tt_spill_content content = {.records = 3};
  tt_block block = {.block = 9, .file = 2}, *blocks;
  content.blocks = malloc(sizeof block), content.block_count = content.block_room = 1,
  *content.blocks = block;
  assert_ok(tt_spill_write(in("empty"), TAG, &plan, &content));
  tt_spill_content_free(&content);
  tt_spill spill;
  tt_entry_list list = {0};
  assert_ok(tt_spill_open(&spill, in("empty"), TAG, FILES));
  assert_ok(tt_spill_range(&spill, TT_TRAIN, 0, UINT64_MAX, &list));
  assert_ok(tt_spill_blocks(&spill, &blocks));
  assert_true(list.count == 0 && spill.records == 3 && spill.blocks == 1 && blocks->block == 9 &&
              blocks->file == 2);
  free(blocks);
  tt_spill_close(&spill);
  assert_int_equal(tt_spill_open(&spill, in("empty"), TAG + 1, FILES), TT_ERR_CORRUPT); // of another build
  assert_int_equal(tt_spill_open(&spill, in("missing"), TAG, FILES), TT_ERR_IO);
}

static void sets_of_blocks(void **state) {
  (void)state;
  tt_block_set set;
  uint64_t places[] = {0, 63, 64, 200, 5000, 100001};
  assert_ok(tt_blocks_make(&set, 3));
  for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
    assert_false(tt_blocks_has(&set, 1, places[k]));
    assert_ok(tt_blocks_add(&set, 1, places[k]));
  }
  uint64_t found = 0;
  for (uint64_t k = 0; k < 200000; k++) found += tt_blocks_has(&set, 1, k);
  assert_int_equal(found, sizeof places / sizeof *places);
  for (size_t k = 0; k < sizeof places / sizeof *places; k++)
    assert_true(tt_blocks_has(&set, 1, places[k]) && !tt_blocks_has(&set, 0, places[k]));
  tt_blocks_free(&set);
}

// Pieces of any size, put together, are the whole in order.
static void rejects_in_pieces(void **state) {
  (void)state;
  static const char *const files[FILES] = {"a", "b", "c", "d", "e", "f", "g"};
  tt_spill_content one, two = {0};
  fill(&one);
  for (uint64_t k = 0; k < 50; k++)
    assert_ok(tt_rejects_add(&two.rejects, (uint32_t)(k % FILES), 1000 - k, "other", 5, "more: of it"));
  char *texts[4];
  static const size_t bounds[] = {1 << 20, 4000, 400, 10};
  for (int t = 0; t < 4; t++) {
    size_t bytes;
    FILE *out = open_memstream(&texts[t], &bytes);
    tt_reject_place after = {0}, end;
    bool heading = true, more = true;
    for (int pieces = 0; more; pieces++, heading = false) {
      tt_reject_list list = {0};
      end = TT_REJECTS_END;
      assert_ok(tt_rejects_take(&list, &one.rejects, heading ? NULL : &after, &end, bounds[t]));
      assert_ok(tt_rejects_take(&list, &two.rejects, heading ? NULL : &after, &end, bounds[t]));
      assert_ok(tt_rejects_sort(&list));
      tt_rejects_print(out, &list, files, heading);
      more = end.file != TT_REJECTS_END.file;
      assert_true(list.count > 0 && list.used <= bounds[t] + 64 && pieces <= REJECTS + 50);
      after = tt_rejects_last(&list);
      tt_rejects_free(&list);
    }
    fclose(out);
    assert_string_equal(texts[t], texts[0]);
  }
  int lines = 0;
  for (const char *p = texts[0]; *p; p++) lines += *p == '\n';
  assert_int_equal(lines, 1 + REJECTS + 50);
  for (int t = 0; t < 4; t++) free(texts[t]);
  tt_spill_content_free(&one), tt_spill_content_free(&two);
}

// ---- damage
// -----------------------------------------------------------------------------------------------------

static void write_plain(const char *name, const void *data, size_t bytes) {
  FILE *f = fopen(in(name), "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(data, 1, bytes, f), bytes);
  assert_int_equal(fclose(f), 0);
}

// Changes bits, or cuts off or adds an end; *bytes may become longer by 16.
static void damage(char *data, size_t *bytes) {
  if (draw(8) == 0)
    *bytes = draw(*bytes);
  else if (draw(16) == 0)
    memset(data + *bytes, 0, 16), *bytes += 1 + draw(16);
  else
    data[draw(*bytes)] ^= (char)(1 << draw(8));
}

static void damaged_spills(void **state) {
  (void)state;
  char *data;
  size_t bytes;
  uint64_t truth, sum, seen = 0;
  write_spill();
  assert_ok(tt_file_read(in("spill"), &data, &bytes));
  assert_ok(read_all(in("spill"), &truth));
  char *copy = malloc(bytes + 16);
  for (long k = setting("TT_TEST_MUTATIONS", 1000); k > 0; k--) {
    size_t n = bytes;
    memcpy(copy, data, bytes);
    damage(copy, &n);
    write_plain("bent", copy, n);
    tt_status status = read_all(in("bent"), &sum);
    if (status == TT_OK && (n != bytes || memcmp(copy, data, n) != 0))
      fail_msg("damage was not seen: seed %ld", k);
    seen += status == TT_ERR_CORRUPT;
    if (status != TT_OK && (status != TT_ERR_CORRUPT || !strstr(tt_error_message(), "bent")))
      fail_msg("%s", tt_error_message());
  }
  assert_true(seen > 0 && truth != 0);
  free(copy), free(data);
}

// The same with all checksums made to fit: the places of the three parts are in the header (spill.c).
static void refit(char *data, size_t bytes) {
  uint64_t head[12];
  if (bytes < sizeof head) return;
  memcpy(head, data, sizeof head);
  uint64_t segments = head[8] + head[9], at = sizeof head + head[7];
  if (at > bytes || segments > (bytes - at) / 24) return;
  for (uint64_t k = 0; k < segments; k++) { // (key, at, bytes, crc) each
    uint64_t place;
    uint32_t size, crc;
    memcpy(&place, data + at + k * 24 + 8, 8), memcpy(&size, data + at + k * 24 + 16, 4);
    if (place > bytes || size > bytes - place) continue;
    crc = tt_crc32c(0, data + place, size);
    memcpy(data + at + k * 24 + 20, &crc, 4);
  }
  uint64_t sizes[3] = {segments * 24, head[4] * 16, head[6]};
  uint32_t crcs[4] = {0};
  for (int p = 0; p < 3; at += sizes[p++]) {
    if (at > bytes || sizes[p] > bytes - at) return;
    crcs[p] = tt_crc32c(0, data + at, sizes[p]);
  }
  memcpy(data + 80, crcs, 12);
  crcs[3] = tt_crc32c(0, data, 92);
  memcpy(data + 92, &crcs[3], 4);
}

static void forged_spills(void **state) {
  (void)state;
  char *data;
  size_t bytes;
  uint64_t sum, accepted = 0, refused = 0;
  write_spill();
  assert_ok(tt_file_read(in("spill"), &data, &bytes));
  char *copy = malloc(bytes + 16);
  uint64_t parts;
  memcpy(&parts, data + 56, 8); // what lies after the segments
  parts += 96;
  for (long k = setting("TT_TEST_MUTATIONS", 1000); k > 0; k--) {
    memcpy(copy, data, bytes);
    for (uint64_t flips = 1 + draw(4); flips; flips--) {
      uint64_t at = draw(3) == 0 ? 8 + draw(88)
                    : draw(2)    ? parts + draw(bytes - parts)
                                 : 96 + draw(parts - 96);
      copy[at] ^= (char)(draw(2) ? 1 << draw(8) : (int)draw(256));
    }
    refit(copy, bytes);
    write_plain("bent", copy, bytes);
    if (read_all(in("bent"), &sum) == TT_OK)
      accepted++;
    else
      refused++;
  }
  assert_true(accepted > 0 && refused > 0); // both ways were gone
  free(copy), free(data);
}

static void damaged_notes(void **state) {
  (void)state;
  tt_spill_content content;
  fill(&content);
  tt_shard_note note = {.entries = 100, .merged = 7, .geometry = {1, 2, 3, 4, 5}}, back;
  snprintf(note.shard.file, sizeof note.shard.file, "shard-00003.h5");
  note.shard.records = 93, note.shard.split = TT_VALID;
  assert_ok(tt_note_write(in("note"), TAG, &note, &content.rejects));
  tt_reject_list rejects = {0};
  assert_ok(tt_note_read(in("note"), TAG, FILES, &back, &rejects));
  assert_true(back.entries == 100 && back.merged == 7 && back.geometry[4] == 5 && back.shard.records == 93 &&
              back.shard.split == TT_VALID && strcmp(back.shard.file, "shard-00003.h5") == 0);
  assert_int_equal(rejects.count, REJECTS);
  assert_memory_equal(rejects.bytes, content.rejects.bytes, rejects.used);
  assert_int_equal(tt_note_read(in("note"), TAG + 1, FILES, &back, NULL), TT_ERR_CORRUPT);
  assert_int_equal(tt_note_read(in("note"), TAG, 2, &back, NULL), TT_ERR_CORRUPT); // a file that is not there
  char *data;
  size_t bytes;
  assert_ok(tt_file_read(in("note"), &data, &bytes));
  char *copy = malloc(bytes + 16);
  for (long k = setting("TT_TEST_MUTATIONS", 1000); k > 0; k--) {
    size_t n = bytes;
    memcpy(copy, data, bytes);
    damage(copy, &n);
    write_plain("bent", copy, n);
    tt_status status = tt_note_read(in("bent"), TAG, FILES, &back, &rejects);
    if (status != TT_ERR_CORRUPT) fail_msg("damage was not seen (%ld): %s", k, tt_error_message());
  }
  free(copy), free(data);
  tt_rejects_free(&rejects);
  tt_spill_content_free(&content);
}

static int make_folder(void **state) {
  (void)state;
  random_state = tt_mix64((uint64_t)setting("TT_TEST_SEED", 1));
  snprintf(folder, sizeof folder, "/tmp/twotrack-spill-XXXXXX");
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  static const char *const names[] = {"spill", "empty", "bent", "note"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) unlink(in(names[k]));
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ranges),         cmocka_unit_test(nothing_in_it),
      cmocka_unit_test(sets_of_blocks), cmocka_unit_test(rejects_in_pieces),
      cmocka_unit_test(damaged_spills), cmocka_unit_test(forged_spills),
      cmocka_unit_test(damaged_notes),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
