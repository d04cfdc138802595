// Which twotrack this is: release and commit ("+" when the tree had changes), taken at each build.
#ifndef TT_CORE_VERSION_H
#define TT_CORE_VERSION_H

const char *tt_version(void); // "0.1.0 (abcdef123456)"

#endif
