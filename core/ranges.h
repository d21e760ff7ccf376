/*
 * Algebra of address ranges (or of any u64 ranges: pages, file offsets).
 *
 *   range := [start, end)     half-open, start < end
 *   list  := range*           normalised: sorted, disjoint, touching ranges joined
 *
 * Inputs of the set operations are sorted and disjoint; touching ranges are fine there (mappings are like that). What they
 * give back is normalised. Everything is one walk over both lists; only sf_ranges_normalise() sorts.
 *
 * Dump: scanned regions split by mapping become page-map entries. Check: a page map less the mappings must be empty.
 */
#ifndef SF_RANGES_H
#define SF_RANGES_H

#include "sf.h"

/* Longest list: one range a page of 128 GiB in the worst case (every second page); 1 GiB of them would not fit the loader. */
#define SF_MAX_RANGES (1u << 25)

struct sf_range {
	uint64_t start, end;
};
_Static_assert(sizeof(struct sf_range) == 16, "the loader reads 16 bytes");

/* A part of a range that lies in one mapping, or in none. */
struct sf_piece {
	uint64_t start, end;
	uint32_t range;   /* index of the range it is a part of */
	uint32_t mapping; /* index of the mapping, or SF_NO_MAPPING */
};
_Static_assert(sizeof(struct sf_piece) == 24, "the loader reads 24 bytes");

#define SF_NO_MAPPING 0xffffffffu

/* Sorts, drops empty ranges, joins what touches or overlaps; in place. A range that ends before it starts is refused. */
SF_MUST_CHECK int sf_ranges_normalise(struct sf_range *ranges, uint32_t count, uint32_t *out_count, struct sf_error *error);

/* Room that a result may need: na + nb ranges. An error's `record` counts through a, then b. */
SF_MUST_CHECK int sf_ranges_union(const struct sf_range *a, uint32_t na, const struct sf_range *b, uint32_t nb,
				  struct sf_range *out, uint32_t *count, struct sf_error *error);
SF_MUST_CHECK int sf_ranges_intersect(const struct sf_range *a, uint32_t na, const struct sf_range *b, uint32_t nb,
				      struct sf_range *out, uint32_t *count, struct sf_error *error);
SF_MUST_CHECK int sf_ranges_subtract(const struct sf_range *a, uint32_t na, const struct sf_range *b, uint32_t nb,
				     struct sf_range *out, uint32_t *count, struct sf_error *error);

/* Cuts ranges at the borders of mappings. Room that it may need: SF_SPLIT_BOUND(ranges, mappings) pieces. Nothing is joined. */
#define SF_SPLIT_BOUND(nranges, nmappings) ((nranges) + 2 * (nmappings))
SF_MUST_CHECK int sf_ranges_split(const struct sf_range *ranges, uint32_t nranges, const struct sf_range *mappings,
				  uint32_t nmappings, struct sf_piece *out, uint32_t *count, struct sf_error *error);

#endif
