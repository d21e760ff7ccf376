/* Snapshot comparison and deduplication against simple counting, on random snapshots. */
#include "check.h"
#include "../pagediff.h"

#define PAGES 64

static uint32_t random_snapshot(uint64_t *random, struct sf_snapshot_entry *list, uint64_t hashes[PAGES])
{
	uint32_t count = 0;
	for (uint64_t page = 0; page < PAGES; page++) {
		hashes[page] = 0;
		if (next_random(random) % 3 == 0)
			continue;
		hashes[page] = 1 + next_random(random) % 2;
		/* The halves of the hash differ in turn: both must be looked at. */
		struct sf_hash hash = page % 2 ? (struct sf_hash){ hashes[page], 5 } : (struct sf_hash){ 5, hashes[page] };
		list[count++] = (struct sf_snapshot_entry){ page, hash };
	}
	return count;
}

static void diffs(uint64_t *random)
{
	struct sf_snapshot_entry old[PAGES], new[PAGES];
	uint64_t before[PAGES], after[PAGES];
	uint32_t n_old = random_snapshot(random, old, before), n_new = random_snapshot(random, new, after), count, totals[4];
	uint32_t wanted = (uint32_t)(next_random(random) % 16), want_totals[4] = { 0 };
	uint64_t want = 0, got = 0;
	for (uint32_t page = 0; page < PAGES; page++) {
		if (before[page] == 0 && after[page] == 0)
			continue;
		uint32_t kind = after[page] == 0 ? 3 : before[page] == 0 ? 2 : before[page] != after[page];
		want_totals[kind]++;
		want |= (uint64_t)(wanted >> kind & 1) << page;
	}
	struct sf_range out[2 * PAGES];
	struct sf_error error;
	CHECK_EQ(sf_snapshot_diff(old, n_old, new, n_new, wanted, out, &count, totals, &error), SF_E_OK);
	for (uint32_t i = 0; i < count; i++) {
		CHECK(i == 0 || out[i].start > out[i - 1].end);
		for (uint64_t page = out[i].start; page < out[i].end; page++)
			got |= (uint64_t)1 << page;
	}
	CHECK_EQ(got, want);
	CHECK(memcmp(totals, want_totals, sizeof(totals)) == 0);
}

static void refused(void)
{
	struct sf_snapshot_entry twice[] = { { 4, { 1, 1 } }, { 4, { 1, 1 } } }, last[] = { { UINT64_MAX, { 1, 1 } } };
	struct sf_range out[4];
	struct sf_error error;
	uint32_t count, totals[4];
	CHECK_EQ(sf_snapshot_diff(twice, 1, twice, 2, 15, out, &count, totals, &error), SF_E_RANGE_ORDER);
	CHECK_EQ(error.record, 2);
	CHECK_EQ(sf_snapshot_diff(last, 1, twice, 1, 15, out, &count, totals, &error), SF_E_CAPACITY);
}

static void dedup(uint64_t *random)
{
	enum { COUNT = 500, SLOTS = 512 };
	static struct sf_dedup_slot table[SLOTS];
	struct sf_hash hashes[COUNT];
	uint32_t got[COUNT];
	struct sf_error error;
	memset(table, 0, sizeof(table));
	for (int i = 0; i < COUNT; i++) /* the same low words often: long probe sequences */
		hashes[i] = (struct sf_hash){ next_random(random) % 4, next_random(random) % 100 };
	CHECK_EQ(sf_dedup(table, SLOTS, hashes, 200, 0, got, &error), SF_E_OK);
	CHECK_EQ(sf_dedup(table, SLOTS, hashes + 200, COUNT - 200, 200, got + 200, &error), SF_E_OK);
	for (uint32_t i = 0; i < COUNT; i++) {
		uint32_t first = 0;
		while (hashes[first].low != hashes[i].low || hashes[first].high != hashes[i].high)
			first++;
		CHECK_EQ(got[i], first);
	}
	memset(table, 0, sizeof(table));
	for (uint32_t i = 0; i < 9; i++)
		hashes[i] = (struct sf_hash){ i, i };
	CHECK_EQ(sf_dedup(table, 8, hashes, 9, 0, got, &error), SF_E_TABLE_FULL);
	CHECK_EQ(error.record, 8);
	CHECK_EQ(sf_dedup(table, 7, hashes, 1, 0, got, &error), SF_E_CAPACITY);
}

static void bitmaps(uint64_t *random)
{
	uint32_t count = 1 + (uint32_t)(next_random(random) % 64);
	uint64_t bits = next_random(random) & next_random(random), got = 0;
	if (next_random(random) % 4 == 0)
		bits &= 0xff00ff;
	bits &= count == 64 ? UINT64_MAX : ((uint64_t)1 << count) - 1;
	uint8_t *bitmap = exact(&bits, (count + 7) / 8);
	struct sf_range *room = malloc(40 * sizeof(*room));
	struct sf_range *out = (struct sf_range *)exact(room, (count + 1) / 2 * sizeof(*room));
	uint32_t n = sf_bitmap_ranges(bitmap, count, 1000, out);
	for (uint32_t i = 0; i < n; i++) {
		CHECK(out[i].start < out[i].end && (i == 0 || out[i].start > out[i - 1].end));
		for (uint64_t page = out[i].start; page < out[i].end; page++)
			got |= (uint64_t)1 << (page - 1000);
	}
	CHECK_EQ(got, bits);
	free(bitmap);
	free(room);
	free(out);
}

void test_pagediff(void)
{
	uint64_t random = 11;
	for (int i = 0; i < 5000; i++) {
		diffs(&random);
		bitmaps(&random);
	}
	for (int i = 0; i < 50; i++)
		dedup(&random);
	refused();
}
