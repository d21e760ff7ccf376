/* Range algebra against sets of 64 numbers, bit by bit, on random lists. */
#include "check.h"
#include "../ranges.h"

#define MAX 48

static uint64_t bits_of(const struct sf_range *list, uint32_t count)
{
	uint64_t bits = 0;
	for (uint32_t i = 0; i < count; i++)
		for (uint64_t n = list[i].start; n < list[i].end; n++)
			bits |= (uint64_t)1 << n;
	return bits;
}

static bool normalised(const struct sf_range *list, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (list[i].start >= list[i].end || (i > 0 && list[i].start <= list[i - 1].end))
			return false;
	return true;
}

/* Sorted and disjoint; neighbours may touch. */
static uint32_t random_list(uint64_t *random, struct sf_range *list)
{
	uint32_t count = 0;
	uint64_t wide = 1 + next_random(random) % 12;
	for (uint64_t at = next_random(random) % wide; at < 63 && next_random(random) % 16 != 0; count++) {
		uint64_t end = at + 1 + next_random(random) % wide;
		list[count] = (struct sf_range){ at, end > 64 ? 64 : end };
		at = end + next_random(random) % wide;
	}
	return count;
}

static void operations(uint64_t *random)
{
	struct sf_range a[64], b[64];
	struct sf_error error;
	uint32_t na = random_list(random, a), nb = random_list(random, b), count;
	/* Room of exactly the promised size. */
	struct sf_range *out = malloc((na + nb + 1) * sizeof(*out));
	struct sf_range *tight = (struct sf_range *)exact(out, (na + nb) * sizeof(*out));
	uint64_t in_a = bits_of(a, na), in_b = bits_of(b, nb);
	CHECK_EQ(sf_ranges_union(a, na, b, nb, tight, &count, &error), SF_E_OK);
	CHECK_EQ(bits_of(tight, count), in_a | in_b);
	CHECK(normalised(tight, count));
	CHECK_EQ(sf_ranges_intersect(a, na, b, nb, tight, &count, &error), SF_E_OK);
	CHECK_EQ(bits_of(tight, count), in_a & in_b);
	CHECK(normalised(tight, count));
	CHECK_EQ(sf_ranges_subtract(a, na, b, nb, tight, &count, &error), SF_E_OK);
	CHECK_EQ(bits_of(tight, count), in_a & ~in_b);
	CHECK(normalised(tight, count));
	free(tight);
	free(out);

	uint32_t bound = SF_SPLIT_BOUND(na, nb);
	struct sf_piece *pieces = malloc((bound + 1) * sizeof(*pieces));
	struct sf_piece *exactly = (struct sf_piece *)exact(pieces, bound * sizeof(*pieces));
	CHECK_EQ(sf_ranges_split(a, na, b, nb, exactly, &count, &error), SF_E_OK);
	uint64_t covered = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct sf_range piece = { exactly[i].start, exactly[i].end };
		uint64_t bits = bits_of(&piece, 1);
		CHECK((covered & bits) == 0 && bits != 0);
		covered |= bits;
		CHECK((bits & ~bits_of(&a[exactly[i].range], 1)) == 0);
		CHECK(exactly[i].mapping == SF_NO_MAPPING ? (bits & in_b) == 0 : (bits & ~bits_of(&b[exactly[i].mapping], 1)) == 0);
	}
	CHECK_EQ(covered, in_a);
	free(exactly);
	free(pieces);
}

static void normalising(uint64_t *random)
{
	struct sf_range list[MAX];
	struct sf_error error;
	uint32_t count = (uint32_t)(next_random(random) % MAX), left;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t start = next_random(random) % 64;
		list[i] = (struct sf_range){ start, start + next_random(random) % (65 - start) % 9 };
	}
	uint64_t bits = bits_of(list, count);
	CHECK_EQ(sf_ranges_normalise(list, count, &left, &error), SF_E_OK);
	CHECK_EQ(bits_of(list, left), bits);
	CHECK(normalised(list, left));
}

static void refused(void)
{
	struct sf_range good[] = { { 1, 2 } }, touching[] = { { 1, 4 }, { 4, 5 } }, overlap[] = { { 1, 4 }, { 3, 5 } }, out[8];
	struct sf_range empty[] = { { 3, 3 } }, back[] = { { 0, 1 }, { 5, 4 } }, top[] = { { UINT64_MAX - 1, UINT64_MAX } };
	struct sf_error error;
	uint32_t count;
	CHECK_EQ(sf_ranges_union(good, 1, overlap, 2, out, &count, &error), SF_E_RANGE_ORDER);
	CHECK_EQ(error.record, 2);
	CHECK_EQ(error.got, 3);
	CHECK_EQ(error.want, 4);
	CHECK_EQ(sf_ranges_intersect(empty, 1, good, 1, out, &count, &error), SF_E_RANGE_BACKWARD);
	CHECK_EQ(sf_ranges_subtract(back, 2, good, 1, out, &count, &error), SF_E_RANGE_BACKWARD);
	CHECK_EQ(error.record, 1);
	CHECK_EQ(sf_ranges_normalise(back, 2, &count, &error), SF_E_RANGE_BACKWARD);
	CHECK_EQ(sf_ranges_union(good, 1, touching, 2, out, &count, &error), SF_E_OK);
	CHECK_EQ(count, 1);
	CHECK_EQ(sf_ranges_union(top, 1, top, 1, out, &count, &error), SF_E_OK);
	CHECK_EQ(count, 1);
	CHECK_EQ(out[0].end, UINT64_MAX);
}

void test_ranges(void)
{
	uint64_t random = 7;
	for (int i = 0; i < 20000; i++) {
		operations(&random);
		normalising(&random);
	}
	refused();
}
