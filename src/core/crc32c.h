// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78, RFC 3720): the checksum of store chunks.
#ifndef TT_CORE_CRC32C_H
#define TT_CORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

// The CRC of `bytes` at `data` appended to data whose CRC is `crc` (0 for none).
uint32_t tt_crc32c(uint32_t crc, const void *data, size_t bytes);

#endif
