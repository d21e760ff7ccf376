/*
 * Pages as contents: a 128-bit hash a page, zero pages, differing pages.
 *
 *   pages  := page*        4096 bytes each, one behind the other
 *   hash   := low high     u64 little-endian each
 *   bitmap := one bit a page, page i in bit i % 8 of byte i / 8
 *
 * The hash is XXH3_128bits_withSeed() of the page's 4096 bytes (`xxhsum -H2` prints it with seed 0, high half first): public, fast
 * with SIMD, and tested widely. What it is good for: n different pages that nobody chose to collide have two equal hashes
 * with a probability of about n*n / 2^129, for 2^40 pages (4 PiB) 2^-49. What it is not: cryptographic. Whoever knows the seed and can
 * choose page contents can make two pages with the same hash, so take a random seed for each chain of images, and compare the
 * bytes before two tasks' pages are shared.
 *
 * Pages of 16 or 64 KiB on other architectures are handled as several of these.
 *
 * Facts: xxHash's doc/xxhash_spec.md, section XXH3 (long inputs).
 */
#ifndef SF_PAGEHASH_H
#define SF_PAGEHASH_H

#include "sf.h"

#define SF_PAGE 4096u

struct sf_hash {
	uint64_t low, high;
};
_Static_assert(sizeof(struct sf_hash) == 16, "the loader reads 16 bytes");

/* Hashes `count` pages. */
void sf_hash_pages(const uint8_t *pages, uint32_t count, uint64_t seed, struct sf_hash *out);

/* Which pages are all zeros; returns how many. */
uint32_t sf_zero_pages(const uint8_t *pages, uint32_t count, uint8_t *bitmap);

/* Which pages differ between two buffers; returns how many. */
uint32_t sf_differing_pages(const uint8_t *a, const uint8_t *b, uint32_t count, uint8_t *bitmap);

/* How many bytes differ. */
uint32_t sf_differing_bytes(const uint8_t *a, const uint8_t *b, uint32_t size);

#endif
