/*
 * Comparing page hashes: what changed since the parent, and which contents exist twice.
 *
 *   snapshot := entry*, sorted by page, no page twice
 *   entry    := page u64 (page number: address / 4096), hash (two u64)
 *
 * Both directions of doubt are harmless: a page that is only in one of two snapshots is reported as added or removed, never as equal.
 */
#ifndef SF_PAGEDIFF_H
#define SF_PAGEDIFF_H

#include "pagehash.h"
#include "ranges.h"

/* Most entries of a snapshot: 64 GiB of memory in 384 MiB of entries. Larger tasks are compared in address order, part by part. */
#define SF_MAX_SNAPSHOT (1u << 24)

struct sf_snapshot_entry {
	uint64_t page;
	struct sf_hash hash;
};
_Static_assert(sizeof(struct sf_snapshot_entry) == 24, "the loader reads 24 bytes");

/* Which pages a diff reports. */
enum sf_diff { SF_DIFF_SAME = 1, SF_DIFF_CHANGED = 2, SF_DIFF_ADDED = 4, SF_DIFF_REMOVED = 8 };

/*
 * Compares two snapshots. `out` gets the page numbers of the kinds in `wanted` as normalised ranges (in pages); it has room for
 * n_old + n_new ranges. `totals` gets the pages of each kind: same, changed, added, removed.
 */
SF_MUST_CHECK int sf_snapshot_diff(const struct sf_snapshot_entry *old, uint32_t n_old, const struct sf_snapshot_entry *new,
				   uint32_t n_new, uint32_t wanted, struct sf_range *out, uint32_t *count, uint32_t totals[4],
				   struct sf_error *error);

/*
 * Finds equal contents: a hash table (open addressing) in the caller's memory.
 * `slots` is a power of two and more than the entries that will be put in; the caller zeroes it.
 */
struct sf_dedup_slot {
	struct sf_hash hash;
	uint32_t used;
	uint32_t value;
};
_Static_assert(sizeof(struct sf_dedup_slot) == 24, "the loader reads 24 bytes");

/*
 * Looks up each hash; puts those that are not there with the value `first + index`. `out[i]` is the value of the first entry
 * that had this hash (its own when it is new). Returns SF_E_TABLE_FULL when the table has no free slot left.
 */
SF_MUST_CHECK int sf_dedup(struct sf_dedup_slot *table, uint32_t slots, const struct sf_hash *hashes, uint32_t count,
			   uint32_t first, uint32_t *out, struct sf_error *error);

/* The set bits of a bitmap as ranges of page numbers, `base` being the number of bit 0. Room: (count + 1) / 2. Returns how many. */
uint32_t sf_bitmap_ranges(const uint8_t *bitmap, uint32_t count, uint64_t base, struct sf_range *out);

#endif
