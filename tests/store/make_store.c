// make_store FOLDER [TRAIN [VALID]]: a store of made-up molecules, for tests of the programs that read one.
#include "core/file.h"
#include "synthetic.h"

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  uint64_t train = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000,
           valid = argc > 3 ? strtoull(argv[3], NULL, 10) : 100;
  const synthetic_shard shards[] = {{TT_TRAIN, train - train / 3}, {TT_VALID, valid}, {TT_TRAIN, train / 3}};
  if (tt_make_directories(argv[1]) == TT_OK && synthetic_store(argv[1], 7, true, shards, 3) == TT_OK)
    return 0;
  fprintf(stderr, "make_store: %s\n", tt_error_message());
  return 1;
}
