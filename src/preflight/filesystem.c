#include "preflight/filesystem.h"

#include <stdio.h>
#include <sys/vfs.h>

// From linux/magic.h and, for those that come from elsewhere, from their own sources' documentation.
static const struct {
  uint32_t number;
  const char *name;
} kinds[] = {
    {0x0BD00BD0, "Lustre"},   {0x47504653, "GPFS"},  {0x6969, "NFS"},          {0x19830326, "BeeGFS"},
    {0x00C36400, "Ceph"},     {0xAAD7AAEA, "PanFS"}, {0xFF534D42, "CIFS"},     {0xFE534D42, "SMB"},
    {0x65735546, "FUSE"},     {0x01021997, "9p"},    {0x6A656A63, "virtiofs"}, {0x5346414F, "AFS"},
    {0xEF53, "ext4"},         {0x58465342, "XFS"},   {0x9123683E, "Btrfs"},    {0x2FC12FC1, "ZFS"},
    {0xF2F52010, "F2FS"},     {0x01021994, "tmpfs"}, {0x858458F6, "ramfs"},    {0x794C7630, "overlay"},
    {0x73717368, "squashfs"},
};

void tt_filesystem_kind(const char *path, char *kind, size_t size, int64_t *free_bytes) {
  struct statfs s;
  *kind = 0;
  if (free_bytes) *free_bytes = 0;
  if (statfs(path, &s) != 0) return;
  if (free_bytes) *free_bytes = (int64_t)s.f_bavail * (int64_t)s.f_bsize;
  uint32_t number = (uint32_t)s.f_type;
  snprintf(kind, size, "type 0x%x", number);
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    if (kinds[k].number == number) snprintf(kind, size, "%s", kinds[k].name);
}
