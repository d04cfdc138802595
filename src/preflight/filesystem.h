// Which kind of file system a path is on.
#ifndef TT_PREFLIGHT_FILESYSTEM_H
#define TT_PREFLIGHT_FILESYSTEM_H

#include <stddef.h>
#include <stdint.h>

// "Lustre", "NFS", "tmpfs", ... or its number, "type 0x1234"; "" when the path cannot be asked about.
// *free_bytes (may be NULL): what may still be written there.
void tt_filesystem_kind(const char *path, char *kind, size_t size, int64_t *free_bytes);

#endif
