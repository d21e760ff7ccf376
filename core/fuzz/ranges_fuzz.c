/* Fuzzes range algebra with any numbers: what is accepted obeys the laws of sets, what is refused says where. */
#include <stdlib.h>
#include <string.h>
#include "../ranges.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sf_range *room(uint32_t n)
{
	return malloc(n * sizeof(struct sf_range) + 1);
}

static uint64_t total(const struct sf_range *list, uint32_t n)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < n; i++) {
		REQUIRE(list[i].start < list[i].end && (i == 0 || list[i].start > list[i - 1].end));
		sum += list[i].end - list[i].start;
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t n = (uint32_t)(size / sizeof(struct sf_range)), na = n / 2, nb = n - na, ca, cb, u, x, d, e, p;
	struct sf_range *a = room(na), *b = room(nb), *out_u = room(n), *out_x = room(n), *out_d = room(n), *out_e = room(2 * n);
	struct sf_piece *pieces = malloc(SF_SPLIT_BOUND(na, nb) * sizeof(*pieces) + 1);
	struct sf_error error;
	memcpy(a, data, na * sizeof(*a));
	memcpy(b, data + na * sizeof(*a), nb * sizeof(*b));
	int raw = sf_ranges_union(a, na, b, nb, out_u, &u, &error);
	REQUIRE(raw == SF_E_OK || error.record < n);
	if (sf_ranges_normalise(a, na, &ca, &error) == SF_E_OK && sf_ranges_normalise(b, nb, &cb, &error) == SF_E_OK) {
		REQUIRE(sf_ranges_union(a, ca, b, cb, out_u, &u, &error) == SF_E_OK);
		REQUIRE(sf_ranges_intersect(a, ca, b, cb, out_x, &x, &error) == SF_E_OK);
		REQUIRE(sf_ranges_subtract(a, ca, b, cb, out_d, &d, &error) == SF_E_OK);
		REQUIRE(total(out_u, u) == total(a, ca) + total(b, cb) - total(out_x, x));
		REQUIRE(total(out_d, d) == total(a, ca) - total(out_x, x));
		REQUIRE(sf_ranges_union(out_d, d, out_x, x, out_e, &e, &error) == SF_E_OK);
		REQUIRE(e == ca && (ca == 0 || memcmp(out_e, a, ca * sizeof(*a)) == 0));
		REQUIRE(sf_ranges_split(a, ca, b, cb, pieces, &p, &error) == SF_E_OK && p <= SF_SPLIT_BOUND(ca, cb));
		uint64_t inside = 0, all = 0;
		for (uint32_t i = 0; i < p; i++) {
			REQUIRE(pieces[i].start < pieces[i].end && pieces[i].range < ca);
			all += pieces[i].end - pieces[i].start;
			if (pieces[i].mapping != SF_NO_MAPPING)
				inside += pieces[i].end - pieces[i].start;
		}
		REQUIRE(all == total(a, ca) && inside == total(out_x, x));
	}
	free(a);
	free(b);
	free(out_u);
	free(out_x);
	free(out_d);
	free(out_e);
	free(pieces);
	return 0;
}
