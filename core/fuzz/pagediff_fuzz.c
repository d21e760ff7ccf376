/* Fuzzes snapshot comparison, deduplication and bitmaps: totals add up, every page lands in one kind, first is first. */
#include <stdlib.h>
#include <string.h>
#include "../pagediff.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void diff(const uint8_t *data, uint32_t n)
{
	uint32_t n_old = n / 2, n_new = n - n_old, count, totals[4], seen[4] = { 0 };
	struct sf_snapshot_entry *old = malloc(n_old * sizeof(*old) + 1), *new = malloc(n_new * sizeof(*new) + 1);
	struct sf_range *out = malloc(n * sizeof(*out) + 1);
	struct sf_error error;
	memcpy(old, data, n_old * sizeof(*old));
	memcpy(new, data + n_old * sizeof(*old), n_new * sizeof(*new));
	/* Make most inputs ascending: the page numbers are taken as steps. */
	for (uint32_t i = 1; i < n_old && !(data[0] & 1); i++)
		old[i].page = old[i - 1].page + 1 + old[i].page % 4;
	for (uint32_t i = 1; i < n_new && !(data[0] & 1); i++)
		new[i].page = new[i - 1].page + 1 + new[i].page % 4;
	for (uint32_t kind = 0; kind < 4; kind++) {
		int code = sf_snapshot_diff(old, n_old, new, n_new, 1u << kind, out, &count, totals, &error);
		if (code != SF_E_OK) {
			REQUIRE(error.record < n);
			break;
		}
		for (uint32_t i = 0; i < count; i++) {
			REQUIRE(out[i].start < out[i].end && (i == 0 || out[i].start > out[i - 1].end));
			seen[kind] += (uint32_t)(out[i].end - out[i].start);
		}
		REQUIRE(seen[kind] == totals[kind]);
		REQUIRE(totals[0] + totals[1] + totals[3] == n_old && totals[0] + totals[1] + totals[2] == n_new);
	}
	free(old);
	free(new);
	free(out);
}

static void dedup(const uint8_t *data, uint32_t n)
{
	uint32_t slots = 1;
	while (slots < n && slots < 64)
		slots *= 2;
	struct sf_hash *hashes = malloc(n * sizeof(*hashes) + 1);
	struct sf_dedup_slot *table = calloc(slots, sizeof(*table));
	uint32_t *out = malloc(n * sizeof(*out) + 1);
	struct sf_error error;
	memcpy(hashes, data, n * sizeof(*hashes));
	int code = sf_dedup(table, slots, hashes, n, 0, out, &error);
	uint32_t good = code == SF_E_OK ? n : error.record;
	for (uint32_t i = 0; i < good; i++)
		REQUIRE(out[i] <= i && out[out[i]] == out[i] && memcmp(&hashes[i], &hashes[out[i]], sizeof(*hashes)) == 0);
	free(hashes);
	free(table);
	free(out);
}

static void bitmap(const uint8_t *data, uint32_t size)
{
	uint32_t count = size * 8 - (size > 0 ? data[0] % 8 : 0), n, bits = 0, covered = 0;
	uint8_t *bytes = malloc(size + 1);
	struct sf_range *out = malloc((count + 1) / 2 * sizeof(*out) + 1);
	memcpy(bytes, data, size);
	n = sf_bitmap_ranges(bytes, count, 0, out);
	for (uint32_t i = 0; i < count; i++)
		bits += bytes[i / 8] >> i % 8 & 1;
	for (uint32_t i = 0; i < n; i++)
		covered += (uint32_t)(out[i].end - out[i].start);
	REQUIRE(covered == bits && n <= (count + 1) / 2);
	free(bytes);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	diff(data, (uint32_t)(size / sizeof(struct sf_snapshot_entry)));
	dedup(data, (uint32_t)(size / sizeof(struct sf_hash)));
	bitmap(data, (uint32_t)size);
	return 0;
}
