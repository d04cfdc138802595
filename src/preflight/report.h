// What a rank finds out about itself, its node and what it sees of the network, to be sent to rank 0.
#ifndef TT_PREFLIGHT_REPORT_H
#define TT_PREFLIGHT_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "preflight/launcher.h"

enum { TT_PREFLIGHT_REMARKS = 8, TT_PREFLIGHT_CPUS = 1024, TT_PREFLIGHT_GPUS = 16 };

typedef struct {
  bool problem; // training will not work; else a note
  char text[400];
} tt_remark;

// Plain data without pointers: ranks send it as bytes.
typedef struct {
  int rank;
  char node[TT_NODE_NAME];
  uint64_t cpus[TT_PREFLIGHT_CPUS / 64]; // bit c: may run on CPU c
  int cpu_count;
  int64_t memory;                  // bytes that are free here, or up to the limit of the job (cgroup)
  char cpu[64];                    // model
  char kernels[48];                // what it computes with: "cpu, AVX-512" ...
  char version[64];                // of the program
  int gpus;                        // that this process may use; -1: no driver
  char gpu[TT_PREFLIGHT_GPUS][16]; // bus addresses of the first of them
  char gpu_name[64];
  char store_digest[33];                    // "" when the store cannot be read
  char store_system[24], folder_system[24]; // kinds of file system; "" when not known
  int64_t folder_free;                      // bytes
  double write_seconds;                     // a small file written, synced, renamed and read back
  bool folder_works, locks_work;
  double rate;  // bytes a second to other nodes, both ways at once, the best that was seen; 0: not measured
  double clock; // seconds by which its clock is ahead of rank 0's
  int remark_count;
  tt_remark remarks[TT_PREFLIGHT_REMARKS];
} tt_report;

// Adds a remark, unless there are too many already.
void tt_report_problem(tt_report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tt_report_note(tt_report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
