#include "batch/record.h"

#include <string.h>

enum { PARTS = 6 };

static void part_bytes(const tt_record_head *h, size_t bytes[PARTS]) {
  size_t atoms = h->atoms;
  bytes[0] = h->conformers * atoms * 3 * sizeof(float);
  bytes[1] = h->flat * atoms * 3 * sizeof(float);
  bytes[2] = (size_t)h->bonds * 2 * sizeof(uint16_t);
  bytes[3] = atoms * TT_ATOM_FEATURES;
  bytes[4] = (size_t)h->bonds * TT_BOND_FEATURES;
  bytes[5] = h->smiles_length;
}

static size_t total_bytes(const tt_record_head *h) {
  size_t bytes[PARTS], total = sizeof *h;
  part_bytes(h, bytes);
  for (int k = 0; k < PARTS; k++) total += bytes[k];
  return (total + 7) / 8 * 8;
}

static tt_record_head head_of(const tt_molecule *m) {
  return (tt_record_head){.atoms = m->atoms,
                          .bonds = m->bonds,
                          .conformers = m->conformers,
                          .smiles_length = m->smiles ? m->smiles_length : 0,
                          .flat = m->coordinates_2d != NULL};
}

size_t tt_record_bytes(const tt_molecule *molecule) {
  tt_record_head head = head_of(molecule);
  return total_bytes(&head);
}

void tt_record_write(void *to, const tt_molecule *m, uint64_t record, uint64_t epoch, int32_t index) {
  tt_record_head head = head_of(m);
  head.record = record, head.epoch = epoch, head.index = index;
  size_t bytes[PARTS];
  part_bytes(&head, bytes);
  const void *parts[PARTS] = {m->coordinates,   m->coordinates_2d, m->bond_atoms,
                              m->atom_features, m->bond_features,  m->smiles};
  unsigned char *at = to, *end = at + total_bytes(&head);
  memcpy(at, &head, sizeof head);
  at += sizeof head;
  for (int k = 0; k < PARTS; k++) {
    if (bytes[k]) memcpy(at, parts[k], bytes[k]);
    at += bytes[k];
  }
  memset(at, 0, (size_t)(end - at));
}

tt_status tt_record_read(const void *from, size_t room, tt_record_head *head, tt_molecule *m, size_t *bytes) {
  if (room >= sizeof *head) memcpy(head, from, sizeof *head);
  if (room < sizeof *head || total_bytes(head) > room)
    return tt_fail(TT_ERR_MPI, "a record from another rank is cut short (%zu bytes)", room);
  *bytes = total_bytes(head);
  size_t part[PARTS];
  part_bytes(head, part);
  const unsigned char *at = (const unsigned char *)from + sizeof *head, *parts[PARTS];
  for (int k = 0; k < PARTS; k++) parts[k] = at, at += part[k];
  *m = (tt_molecule){.atoms = head->atoms,
                     .bonds = head->bonds,
                     .conformers = head->conformers,
                     .coordinates = (const float *)(const void *)parts[0],
                     .coordinates_2d = head->flat ? (const float *)(const void *)parts[1] : NULL,
                     .bond_atoms = (const uint16_t *)(const void *)parts[2],
                     .atom_features = parts[3],
                     .bond_features = parts[4],
                     .smiles = (const char *)parts[5],
                     .smiles_length = head->smiles_length};
  return TT_OK;
}
