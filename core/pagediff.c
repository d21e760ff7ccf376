/* Compares snapshots of page hashes and finds equal pages; see pagediff.h. */
#include "pagediff.h"

static inline bool same_hash(const struct sf_hash *a, const struct sf_hash *b)
{
	return a->low == b->low && a->high == b->high;
}

static void append_page(struct sf_range *out, uint32_t *count, uint64_t page)
{
	if (*count > 0 && out[*count - 1].end == page)
		out[*count - 1].end = page + 1;
	else
		out[(*count)++] = (struct sf_range){ page, page + 1 };
}

static int check_order(const struct sf_snapshot_entry *list, uint32_t count, uint32_t first_record, struct sf_error *error)
{
	if (count > SF_MAX_SNAPSHOT)
		return sf_fail(error, SF_E_CAPACITY, 0, count, SF_MAX_SNAPSHOT);
	for (uint32_t i = 1; i < count; i++) {
		if (list[i].page <= list[i - 1].page) {
			int code = sf_fail(error, SF_E_RANGE_ORDER, (uint64_t)i * sizeof(*list), list[i].page, list[i - 1].page + 1);
			error->record = first_record + i;
			return code;
		}
	}
	/* The last page number has no end. */
	if (count > 0 && list[count - 1].page == UINT64_MAX)
		return sf_fail(error, SF_E_CAPACITY, (uint64_t)(count - 1) * sizeof(*list), UINT64_MAX, UINT64_MAX - 1);
	return SF_E_OK;
}

int sf_snapshot_diff(const struct sf_snapshot_entry *old, uint32_t n_old, const struct sf_snapshot_entry *new, uint32_t n_new,
		     uint32_t wanted, struct sf_range *out, uint32_t *count, uint32_t totals[4], struct sf_error *error)
{
	*count = 0;
	for (int i = 0; i < 4; i++)
		totals[i] = 0;
	int code = check_order(old, n_old, 0, error);
	if (code == SF_E_OK)
		code = check_order(new, n_new, n_old, error);
	if (code != SF_E_OK)
		return code;
	for (uint32_t i = 0, j = 0; i < n_old || j < n_new;) {
		uint32_t kind;
		uint64_t page;
		if (j >= n_new || (i < n_old && old[i].page < new[j].page)) {
			kind = 3;
			page = old[i++].page;
		} else if (i >= n_old || new[j].page < old[i].page) {
			kind = 2;
			page = new[j++].page;
		} else {
			kind = same_hash(&old[i].hash, &new[j].hash) ? 0 : 1;
			page = new[j++].page;
			i++;
		}
		totals[kind]++;
		if (wanted >> kind & 1)
			append_page(out, count, page);
	}
	return SF_E_OK;
}

int sf_dedup(struct sf_dedup_slot *table, uint32_t slots, const struct sf_hash *hashes, uint32_t count, uint32_t first,
	     uint32_t *out, struct sf_error *error)
{
	if (slots == 0 || (slots & (slots - 1)) != 0)
		return sf_fail(error, SF_E_CAPACITY, 0, slots, 0);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = (uint32_t)hashes[i].low & (slots - 1), tried = 0;
		while (table[at].used && !same_hash(&table[at].hash, &hashes[i])) {
			if (++tried == slots) {
				int code = sf_fail(error, SF_E_TABLE_FULL, 0, i, slots);
				error->record = i;
				return code;
			}
			at = (at + 1) & (slots - 1);
		}
		if (!table[at].used)
			table[at] = (struct sf_dedup_slot){ .hash = hashes[i], .used = 1, .value = first + i };
		out[i] = table[at].value;
	}
	return SF_E_OK;
}

uint32_t sf_bitmap_ranges(const uint8_t *bitmap, uint32_t count, uint64_t base, struct sf_range *out)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (i % 8 == 0 && bitmap[i / 8] == 0) {
			i += 7;
			continue;
		}
		if (bitmap[i / 8] >> i % 8 & 1)
			append_page(out, &n, base + i);
	}
	return n;
}
