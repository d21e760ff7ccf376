/* Page hash: published values, one bit decides, structured pages never collide; zero and differing pages, every byte. */
#include "check.h"
#include "../pagediff.h"
#include "../pagehash.h"

/* Pages with the byte (i * factor + add) at i, and what xxhsum -H2 (0.8.1) prints for them. */
static void published(void)
{
	static const struct {
		uint32_t factor, add;
		uint64_t seed, low, high;
	} rows[] = {
#include "pagehash_values.h"
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t page[SF_PAGE];
		struct sf_hash hash;
		for (uint32_t at = 0; at < SF_PAGE; at++)
			page[at] = (uint8_t)(at * rows[i].factor + rows[i].add);
		sf_hash_pages(page, 1, rows[i].seed, &hash);
		CHECK_EQ(hash.low, rows[i].low);
		CHECK_EQ(hash.high, rows[i].high);
	}
}

/* Each flipped bit changes about half of the hash's bits, and each of the hash's bits follows about half of the flips. */
static void avalanche(void)
{
	uint8_t page[SF_PAGE];
	uint64_t random = 3;
	uint32_t flips[128] = { 0 }, least = 128, total = 0, tried = 0;
	for (int kind = 0; kind < 3; kind++) {
		struct sf_hash base, hash;
		for (uint32_t at = 0; at < SF_PAGE; at++)
			page[at] = kind == 0 ? 0 : kind == 1 ? (uint8_t)next_random(&random) : (uint8_t)(at / 8);
		sf_hash_pages(page, 1, 0, &base);
		for (uint32_t bit = 0; bit < 8 * SF_PAGE; bit += 7, tried++) {
			page[bit / 8] ^= (uint8_t)(1 << bit % 8);
			sf_hash_pages(page, 1, 0, &hash);
			page[bit / 8] ^= (uint8_t)(1 << bit % 8);
			uint64_t low = hash.low ^ base.low, high = hash.high ^ base.high;
			uint32_t changed = (uint32_t)(__builtin_popcountll(low) + __builtin_popcountll(high));
			least = changed < least ? changed : least;
			total += changed;
			for (int i = 0; i < 64; i++) {
				flips[i] += low >> i & 1;
				flips[64 + i] += high >> i & 1;
			}
		}
	}
	CHECK(least >= 32);
	CHECK(total > tried * 63 && total < tried * 65);
	for (int i = 0; i < 128; i++)
		CHECK(flips[i] > tried * 0.47 && flips[i] < tried * 0.53);
}

struct seen {
	struct sf_dedup_slot *table;
	uint32_t slots, count;
};

static void must_be_new(struct seen *seen, const uint8_t *page)
{
	struct sf_hash hash;
	struct sf_error error;
	uint32_t first;
	sf_hash_pages(page, 1, 0, &hash);
	/* Half of the hash must do for this few pages: 2^17 pages have an equal 64-bit half with a probability of 2^-31. */
	struct sf_hash halves[2] = { { hash.low, 0 }, { hash.high, 1 } };
	for (int i = 0; i < 2; i++, seen->count++) {
		CHECK_EQ(sf_dedup(seen->table, seen->slots, &halves[i], 1, seen->count, &first, &error), SF_E_OK);
		CHECK_EQ(first, seen->count);
	}
}

/* What memory really looks like: nearly empty pages, counters, repeated words, sparse pointers, moved contents. */
static void structured(void)
{
	struct seen seen = { .slots = 1u << 20 };
	seen.table = calloc(seen.slots, sizeof(*seen.table));
	uint64_t page[SF_PAGE / 8];
	memset(page, 0, sizeof(page));
	must_be_new(&seen, (uint8_t *)page);
	for (uint32_t bit = 0; bit < 8 * SF_PAGE; bit++) { /* a single bit */
		page[bit / 64] = (uint64_t)1 << bit % 64;
		must_be_new(&seen, (uint8_t *)page);
		page[bit / 64] = 0;
	}
	for (uint64_t n = 3; n < 20000; n++) { /* a counter at one place */
		if ((n & (n - 1)) == 0)
			continue;
		page[77] = n;
		must_be_new(&seen, (uint8_t *)page);
	}
	page[77] = 0;
	for (uint64_t n = 1; n < 256; n++) { /* memset */
		memset(page, (int)n, sizeof(page));
		must_be_new(&seen, (uint8_t *)page);
	}
	for (uint64_t n = 0; n < 5000; n++) { /* one pointer all over */
		for (int i = 0; i < 512; i++)
			page[i] = 0x7f0000000000u + n * 64;
		must_be_new(&seen, (uint8_t *)page);
	}
	memset(page, 0, sizeof(page));
	for (uint32_t i = 0; i < 512; i++) { /* two equal words that lie in different places: sums of lanes must not cancel */
		for (uint32_t j = i + 1; j < 512; j += 13) {
			page[i] = page[j] = 0x123456789abcdefu;
			must_be_new(&seen, (uint8_t *)page);
			page[i] = page[j] = 0;
		}
	}
	free(seen.table);
}

static void every_byte(void)
{
	uint8_t *a = calloc(9, SF_PAGE), *b = calloc(9, SF_PAGE), zero[2], differ[2];
	CHECK_EQ(sf_zero_pages(a, 9, zero), 9);
	CHECK(zero[0] == 0xff && zero[1] == 0x01);
	for (uint32_t at = 0; at < 9 * SF_PAGE; at += at % SF_PAGE == 0 || at % 61 == 0 ? 1 : 3) {
		a[at] = 0x80;
		CHECK_EQ(sf_zero_pages(a, 9, zero), 8);
		CHECK_EQ(sf_differing_pages(a, b, 9, differ), 1);
		uint32_t page = at / SF_PAGE;
		CHECK_EQ(differ[page / 8], 1u << page % 8);
		CHECK_EQ((zero[page / 8] >> page % 8) & 1, 0);
		a[at] = 0;
	}
	a[1] = b[5000] = 1;
	CHECK_EQ(sf_differing_bytes(a, b, 9 * SF_PAGE), 2);
	CHECK_EQ(sf_differing_bytes(a, b, 0), 0);
	free(a);
	free(b);
}

/* Where a page lies must not matter: unaligned input. */
static void unaligned(void)
{
	uint8_t *buffer = malloc(SF_PAGE + 15);
	struct sf_hash first = { 0 }, hash;
	for (uint32_t shift = 0; shift < 16; shift++) {
		uint8_t *page = buffer + shift;
		for (uint32_t at = 0; at < SF_PAGE; at++)
			page[at] = (uint8_t)(at * 31);
		sf_hash_pages(page, 1, 9, &hash);
		if (shift == 0)
			first = hash;
		CHECK(hash.low == first.low && hash.high == first.high);
	}
	free(buffer);
}

void test_pagehash(void)
{
	published();
	avalanche();
	structured();
	every_byte();
	unaligned();
}
