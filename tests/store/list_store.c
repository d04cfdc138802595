// list_store FOLDER: a line a molecule: split, key, scaffold, SMILES, conformers, and a digest of each
// conformer in order, by chunks as training reads them.
#include <inttypes.h>
#include <stdio.h>

#include "core/digest.h"
#include "store/store.h"

static void print(tt_split split, const tt_molecule *m) {
  printf("%s %016" PRIx64 " %016" PRIx64 " %.*s %u", split ? "valid" : "train", m->key, m->scaffold,
         (int)m->smiles_length, m->smiles, m->conformers);
  for (uint32_t c = 0; c < m->conformers; c++)
    printf(" %.8s",
           tt_digest_of(m->coordinates + (size_t)c * m->atoms * 3, m->atoms * 3 * sizeof(float)).text);
  printf("\n");
}

int main(int argc, char **argv) {
  tt_store *store;
  tt_chunk chunk = {0};
  tt_status status = argc == 2 ? tt_store_open(&store, argv[1]) : TT_ERR_ARGUMENT;
  for (int split = 0; split < 2 && status == TT_OK; split++)
    for (uint64_t c = 0; c < tt_store_chunks(store, (tt_split)split) && status == TT_OK; c++) {
      status = tt_store_read_chunk(store, (tt_split)split, c, &chunk);
      for (uint32_t k = 0; k < chunk.count; k++) print((tt_split)split, &chunk.molecules[k]);
    }
  if (status == TT_OK) tt_chunk_free(&chunk), tt_store_close(store);
  if (status != TT_OK) fprintf(stderr, "list_store: %s\n", tt_error_message());
  return status != TT_OK;
}
