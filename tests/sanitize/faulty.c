// What the sanitizers are there for, done on purpose: faulty WHAT. A sanitized build that lets it pass checks
// nothing.
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *(*volatile take)(size_t) = malloc; // so that the compiler knows nothing of what it gives
static int shared;

static void *add(void *unused) {
  for (int k = 0; k < 100000; k++) shared++;
  return unused;
}

static void race(void) {
  pthread_t other;
  if (pthread_create(&other, NULL, add, NULL) != 0) exit(2);
  add(NULL);
  pthread_join(other, NULL);
}

static void past_the_end(void) {
  volatile char *bytes = take(8);
  volatile size_t end = 8;
  bytes[end] = 1;
  free((char *)bytes);
}

static void leak(void) {
  void *volatile lost = take(1000);
  lost = NULL;
  (void)lost;
}

static void overflow(void) {
  volatile int most = INT_MAX;
  most = most + 1;
}

static void unset(void) {
  volatile int *numbers = take(8 * sizeof *numbers);
  if (numbers[3] == 77) puts("seventy-seven");
  free((int *)numbers);
}

int main(int argc, char **argv) {
  const char *what = argc == 2 ? argv[1] : "";
  if (strcmp(what, "race") == 0)
    race();
  else if (strcmp(what, "past-the-end") == 0)
    past_the_end();
  else if (strcmp(what, "leak") == 0)
    leak();
  else if (strcmp(what, "overflow") == 0)
    overflow();
  else if (strcmp(what, "unset") == 0)
    unset();
  else
    return 2;
  return 0;
}
