/*
 * The checksums of compressed archives, over bytes that come in pieces.
 *
 *   gzip: CRC-32 (RFC 1952, 8) of a member's contents
 *   zstd: the low 32 bits of XXH64 with seed 0 of a frame's contents (RFC 8878, 3.1.1)
 *
 * Facts: xxHash's doc/xxhash_spec.md, section XXH64.
 */
#ifndef SF_CHECKSUM_H
#define SF_CHECKSUM_H

#include "sf.h"

/* The CRC of what came before (0 at first) and these bytes. */
uint32_t sf_crc32(uint32_t crc, const uint8_t *bytes, uint32_t size);

/* All zeros is the state before any byte. */
struct sf_xxh64 {
	uint64_t lanes[4];
	uint64_t total;
	uint8_t waiting[32];
};
_Static_assert(sizeof(struct sf_xxh64) == 72, "the loader keeps 72 bytes");

void sf_xxh64_update(struct sf_xxh64 *state, const uint8_t *bytes, uint32_t size);
uint64_t sf_xxh64_digest(const struct sf_xxh64 *state);

#endif
