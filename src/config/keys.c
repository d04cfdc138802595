#include "config/keys.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

static const char *const scaling_lengths[] = {"molecule", "batch", NULL};
static const char *const noises[] = {"normal", "uniform", "truncated_normal", "none", NULL};
static const char *const recomputes[] = {"none", "pair", NULL};
static const char *const precisions[] = {"fp32", "bf16", NULL};
static const char *const devices[] = {"auto", "cpu", "cuda", NULL};
static const char *const exchanges[] = {"auto", "nccl", "mpi", NULL};
static const char *const reductions[] = {"tree", "nccl", NULL};
static const char *const writers[] = {"auto", "direct", "collective", NULL};
static const char *const bad_chunks[] = {"stop", "skip", NULL};
static const char *const non_finites[] = {"stop", "skip", "rollback", NULL};
static const char *const schedules[] = {"linear", "constant", "cooldown", NULL};

#define AT(group, field) #group, #field, .offset = offsetof(tt_config, group.field)
#define INT(low, high) .type = TT_KEY_INT, .minimum = low, .maximum = high
#define INT64(low, high) .type = TT_KEY_INT64, .minimum = low, .maximum = high
#define REAL(low, high) .type = TT_KEY_REAL, .minimum = low, .maximum = high
#define DROPOUT REAL(0, 0.99)
#define CHOICE(words) .type = TT_KEY_CHOICE, .choices = words
#define STEPS 1e12 // far above any run, and safe to add and multiply by a batch size

const tt_config_key tt_config_keys[] = {
    {AT(model, preset), .type = TT_KEY_PRESET, .help = "name of a set of dimensions, or \"\" for none"},
    {AT(model, layers), INT(1, 1024), .help = "blocks"},
    {AT(model, embed_dim), INT(1, 16384), .help = "width of the atom track"},
    {AT(model, heads), INT(1, 1024), .help = "attention heads"},
    {AT(model, pair_dim), INT(1, 16384), .help = "width of the pair track"},
    {AT(model, pair_hidden), INT(1, 1024), .help = "width inside the outer and triangle products"},
    {AT(model, ffn_dim), INT(1, 65536), .help = "width inside the atom track's FFN"},
    {AT(model, dropout), DROPOUT, .help = "dropout of the attention output, the FFNs and the outer product"},
    {AT(model, attention_dropout), DROPOUT, .help = "dropout of the attention probabilities"},
    {AT(model, activation_dropout), DROPOUT, .help = "dropout inside the FFNs"},
    {AT(model, pair_dropout), DROPOUT, .help = "dropout of the triangle product's output"},
    {AT(model, movement_dropout), DROPOUT, .help = "dropout of the movement head's attention probabilities"},
    {AT(model, scaling_length), CHOICE(scaling_lengths), .help = "whose length scales the pair track"},

    {AT(data, store), .type = TT_KEY_TEXT, .help = "folder of the store"},
    {AT(data, lanes), INT(1, 65536), .help = "data lanes"},
    {AT(data, read_ahead), INT(0, 1024), .help = "chunks read ahead in each lane"},
    {AT(data, bad_chunks), CHOICE(bad_chunks),
     .help = "what becomes of a training chunk that cannot be read"},
    {AT(data, max_atoms), INT(1, 509), .help = "most atoms a molecule may have"},
    {AT(data, mask_probability), REAL(0, 1), .help = "fraction of atoms whose token is masked"},
    {AT(data, noise), CHOICE(noises), .help = "distribution of the coordinate noise"},
    {AT(data, noise_scale), REAL(0, 100),
     .help = "standard deviation or half-width of the noise, in Angstrom"},
    {AT(data, noise_probability), REAL(0, 1), .help = "fraction of atoms whose coordinates get noise"},
    {AT(data, drop_features_probability), REAL(0, 1),
     .help = "chance that a molecule's features are dropped"},
    {AT(data, coordinates_2d_probability), REAL(0, 1),
     .help = "chance of 2-D coordinates where features are kept"},

    {AT(train, seed), INT64(0, INFINITY),
     .help = "seed of the order, masks, noise, dropout and initial values"},
    {AT(train, device), CHOICE(devices), .help = "what computes: the processor or an NVIDIA GPU"},
    {AT(train, precision), CHOICE(precisions),
     .help = "of the operands of dense products, and of activations on a GPU"},
    {AT(train, steps), INT64(1, STEPS), .help = "updates"},
    {AT(train, batch_size), INT(1, 1 << 20), .help = "molecules an update, over all ranks"},
    {AT(train, micro_batches), INT(1, 1 << 16), .help = "leaves of the gradient tree"},
    {AT(train, recompute), CHOICE(recomputes),
     .help = "what the backward computes again instead of keeping it"},
    {AT(train, max_pairs), INT64(4, 0x1p40), .help = "pair rows a piece may have"},
    {AT(train, token_loss_weight), REAL(0, 1e6), .help = "weight of the masked-token loss"},
    {AT(train, position_loss_weight), REAL(0, 1e6), .help = "weight of the position loss"},
    {AT(train, distance_loss_weight), REAL(0, 1e6), .help = "weight of the distance loss"},
    {AT(train, log_every), INT64(1, STEPS), .help = "steps between records of the run log"},
    {AT(train, checkpoint_every), INT64(1, STEPS), .help = "steps between checkpoints"},
    {AT(train, checkpoint_keep), INT(0, 1000000), .help = "newest checkpoints kept; 0: all"},
    {AT(train, checkpoint_writer), CHOICE(writers), .help = "who writes a checkpoint"},
    {AT(train, replica_check_every), INT64(0, STEPS),
     .help = "steps between comparisons of the ranks' parameters; 0: never"},
    {AT(train, hang_limit), REAL(0, 1e6), .help = "seconds without progress that end the job; 0: none"},
    {AT(train, hang_limit_start), REAL(0, 1e6), .help = "the same until the first update is done"},
    {AT(train, silent_check_every), INT64(0, STEPS),
     .help = "steps between leaves that are run twice and compared; 0: never"},
    {AT(train, spike_window), INT(8, 1 << 20), .help = "updates that a loss is compared with to find spikes"},
    {AT(train, spike_z), REAL(0, 1e6),
     .help = "standard deviations above their mean from which it is a spike; 0: none is looked for"},
    {AT(train, non_finite), CHOICE(non_finites),
     .help = "what becomes of an update whose loss or gradient is not finite"},
    {AT(train, skip_batches), .type = TT_KEY_TEXT,
     .help = "batches that are left out, as in \"12, 500-519\", counted from 0"},
    {AT(train, skip_limit), INT(0, 1000000), .help = "batches that a run may leave out by itself"},

    {AT(optimizer, learning_rate), REAL(0, 1), .help = "peak learning rate"},
    {AT(optimizer, beta1), REAL(0, 1), .open_maximum = true, .help = "decay of the first moment"},
    {AT(optimizer, beta2), REAL(0, 1), .open_maximum = true, .help = "decay of the second moment"},
    {AT(optimizer, epsilon), REAL(0, 1), .open_minimum = true,
     .help = "added to the root of the second moment"},
    {AT(optimizer, weight_decay), REAL(0, 1), .help = "decoupled weight decay"},
    {AT(optimizer, clip_norm), REAL(0, 1e6), .help = "largest gradient norm; 0: no clipping"},
    {AT(optimizer, schedule), CHOICE(schedules), .help = "course of the learning rate"},
    {AT(optimizer, warmup_steps), INT64(0, STEPS), .help = "steps of linear warm-up"},
    {AT(optimizer, cooldown_steps), INT64(0, STEPS),
     .help = "last steps, in which schedule \"cooldown\" falls to 0"},

    {AT(validation, every), INT64(1, STEPS), .help = "steps between validations"},
    {AT(validation, molecules), INT64(0, STEPS), .help = "validation molecules used; 0: all"},
    {AT(validation, seed), INT64(0, INFINITY), .help = "seed of the validation masks and noise"},

    {AT(parallel, tensor), INT(1, 1024), .help = "ranks that share a micro-batch"},
    {AT(parallel, share_gpu), .type = TT_KEY_BOOL, .help = "more ranks on a node than GPUs are no error"},
    {AT(parallel, exchange), CHOICE(exchanges), .help = "how arrays go from GPU to GPU"},
    {AT(parallel, reduction), CHOICE(reductions), .help = "who adds the gradients of GPUs, in which order"},
};

const char *tt_precision_name(tt_precision precision) {
  return precisions[precision];
}

int tt_config_find(const char *group, const char *name) {
  for (int i = 0; i < TT_CONFIG_KEYS; i++)
    if (strcmp(tt_config_keys[i].group, group) == 0 && strcmp(tt_config_keys[i].name, name) == 0) return i;
  return -1;
}

bool tt_config_is_group(const char *group) {
  for (int i = 0; i < TT_CONFIG_KEYS; i++)
    if (strcmp(tt_config_keys[i].group, group) == 0) return true;
  return false;
}

static int least(int a, int b) {
  return a < b ? a : b;
}

// Edits (insert, delete, replace, swap neighbours) that turn a into b, upper and lower case alike. Only the
// first WIDTH letters count: valid words are shorter, and what is wrong may be anything.
static int distance(const char *a, const char *b) {
  enum { WIDTH = 63 };
  int rows[3][WIDTH + 1]; // of the table of prefixes: the current one and the two before
  const int n = (int)strnlen(a, WIDTH), m = (int)strnlen(b, WIDTH);
  for (int j = 0; j <= m; j++) rows[0][j] = j;
  for (int i = 1; i <= n; i++) {
    int *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
    const int x = tolower((unsigned char)a[i - 1]);
    row[0] = i;
    for (int j = 1; j <= m; j++) {
      const int y = tolower((unsigned char)b[j - 1]);
      row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (x != y));
      if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) && y == tolower((unsigned char)a[i - 2]))
        row[j] = least(row[j], two_above[j - 2] + 1);
    }
  }
  return rows[n % 3][m];
}

// "lr" for learning_rate.
static bool are_initials(const char *letters, const char *name) {
  for (; *letters && *letters == *name; letters++) {
    name += strcspn(name, "_");
    name += *name == '_';
  }
  return !*letters && !*name;
}

const tt_config_key *tt_config_nearest_key(const char *group, const char *name) {
  const tt_config_key *best = tt_config_keys;
  int fewest = 1 << 20;
  const int far = 1 << 10; // more than the edits between any two names
  for (int i = 0; i < TT_CONFIG_KEYS; i++) {
    const tt_config_key *key = &tt_config_keys[i];
    const bool elsewhere = distance(group, key->group) > 1;
    int edits = distance(name, key->name);
    if (edits > 1 && strlen(name) > 1 &&
        (are_initials(name, key->name) || (strlen(name) > 2 && strncmp(name, key->name, strlen(name)) == 0)))
      edits = 1; // its beginning
    // another group's key only when the name is nearly right: few letters are near to any short name
    if (elsewhere && edits > 2 && tt_config_is_group(group)) edits += far;
    // twice: a right name in a wrong group (1) beats a mistyped one in the right group (2)
    edits = 2 * edits + (elsewhere ? 1 : 0);
    if (edits < fewest) fewest = edits, best = key;
  }
  return best;
}

const char *tt_config_nearest_group(const char *group) {
  const char *best = NULL;
  int fewest = 1 << 20;
  for (int i = 0; i < TT_CONFIG_KEYS; i++) {
    int edits = distance(group, tt_config_keys[i].group);
    if (edits < fewest) fewest = edits, best = tt_config_keys[i].group;
  }
  return best;
}

const char *tt_config_nearest_word(const char *word, const char *const *words) {
  const char *best = *words;
  for (; *words; words++)
    if (distance(word, *words) < distance(word, best)) best = *words;
  return best;
}
