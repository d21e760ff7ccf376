/* Set operations on lists of ranges; see ranges.h. */
#include "ranges.h"

static void swap(struct sf_range *a, struct sf_range *b)
{
	struct sf_range t = *a;
	*a = *b;
	*b = t;
}

static void sift_down(struct sf_range *heap, uint32_t at, uint32_t count)
{
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= count)
			return;
		if (child + 1 < count && heap[child + 1].start > heap[child].start)
			child++;
		if (heap[at].start >= heap[child].start)
			return;
		swap(&heap[at], &heap[child]);
		at = child;
	}
}

/* In place and never quadratic, whatever the order. */
static void heap_sort(struct sf_range *ranges, uint32_t count)
{
	for (uint32_t i = count / 2; i-- > 0;)
		sift_down(ranges, i, count);
	for (uint32_t n = count; n > 1; n--) {
		swap(&ranges[0], &ranges[n - 1]);
		sift_down(ranges, 0, n - 1);
	}
}

static int backward(const struct sf_range *ranges, uint32_t i, struct sf_error *error)
{
	int code = sf_fail(error, SF_E_RANGE_BACKWARD, (uint64_t)i * sizeof(*ranges), ranges[i].start, ranges[i].end);
	error->record = i;
	return code;
}

int sf_ranges_normalise(struct sf_range *ranges, uint32_t count, uint32_t *out_count, struct sf_error *error)
{
	bool sorted = true;
	uint32_t n = 0;
	*out_count = 0;
	if (count > SF_MAX_RANGES)
		return sf_fail(error, SF_E_CAPACITY, 0, count, SF_MAX_RANGES);
	for (uint32_t i = 0; i < count; i++) {
		if (ranges[i].end < ranges[i].start)
			return backward(ranges, i, error);
		if (i > 0 && ranges[i].start < ranges[i - 1].start)
			sorted = false;
	}
	if (!sorted)
		heap_sort(ranges, count);
	for (uint32_t i = 0; i < count; i++) {
		if (ranges[i].start == ranges[i].end)
			continue;
		if (n > 0 && ranges[i].start <= ranges[n - 1].end) {
			if (ranges[i].end > ranges[n - 1].end)
				ranges[n - 1].end = ranges[i].end;
		} else {
			ranges[n++] = ranges[i];
		}
	}
	*out_count = n;
	return SF_E_OK;
}

static int check_list(const struct sf_range *list, uint32_t count, uint32_t first_record, struct sf_error *error)
{
	int code;
	if (count > SF_MAX_RANGES)
		return sf_fail(error, SF_E_CAPACITY, 0, count, SF_MAX_RANGES);
	for (uint32_t i = 0; i < count; i++) {
		if (list[i].start >= list[i].end)
			code = backward(list, i, error);
		else if (i > 0 && list[i].start < list[i - 1].end)
			code = sf_fail(error, SF_E_RANGE_ORDER, (uint64_t)i * sizeof(*list), list[i].start, list[i - 1].end);
		else
			continue;
		error->record = first_record + i;
		return code;
	}
	return SF_E_OK;
}

static int check_lists(const struct sf_range *a, uint32_t na, const struct sf_range *b, uint32_t nb, struct sf_error *error)
{
	int code = check_list(a, na, 0, error);
	return code != SF_E_OK ? code : check_list(b, nb, na, error);
}

/* Appends a range that starts at or behind the last one's end; joins it when it touches or overlaps. */
static void append(struct sf_range *out, uint32_t *count, uint64_t start, uint64_t end)
{
	if (*count > 0 && start <= out[*count - 1].end) {
		if (end > out[*count - 1].end)
			out[*count - 1].end = end;
	} else {
		out[(*count)++] = (struct sf_range){ start, end };
	}
}

int sf_ranges_union(const struct sf_range *a, uint32_t na, const struct sf_range *b, uint32_t nb, struct sf_range *out,
		    uint32_t *count, struct sf_error *error)
{
	uint32_t i = 0, j = 0;
	*count = 0;
	int code = check_lists(a, na, b, nb, error);
	if (code != SF_E_OK)
		return code;
	while (i < na || j < nb) {
		const struct sf_range *next = j >= nb || (i < na && a[i].start <= b[j].start) ? &a[i++] : &b[j++];
		append(out, count, next->start, next->end);
	}
	return SF_E_OK;
}

int sf_ranges_intersect(const struct sf_range *a, uint32_t na, const struct sf_range *b, uint32_t nb, struct sf_range *out,
			uint32_t *count, struct sf_error *error)
{
	*count = 0;
	int code = check_lists(a, na, b, nb, error);
	if (code != SF_E_OK)
		return code;
	for (uint32_t i = 0, j = 0; i < na && j < nb;) {
		uint64_t start = a[i].start > b[j].start ? a[i].start : b[j].start;
		uint64_t end = a[i].end < b[j].end ? a[i].end : b[j].end;
		if (start < end)
			append(out, count, start, end);
		if (a[i].end <= b[j].end)
			i++;
		else
			j++;
	}
	return SF_E_OK;
}

int sf_ranges_subtract(const struct sf_range *a, uint32_t na, const struct sf_range *b, uint32_t nb, struct sf_range *out,
		       uint32_t *count, struct sf_error *error)
{
	*count = 0;
	int code = check_lists(a, na, b, nb, error);
	if (code != SF_E_OK)
		return code;
	for (uint32_t i = 0, j = 0; i < na; i++) {
		uint64_t at = a[i].start;
		while (j < nb && b[j].end <= at)
			j++;
		for (uint32_t k = j; at < a[i].end; k++) {
			uint64_t end = k < nb && b[k].start < a[i].end ? b[k].start : a[i].end;
			if (at < end)
				append(out, count, at, end);
			if (end == a[i].end || k >= nb)
				break;
			at = b[k].end;
			j = k;
		}
	}
	return SF_E_OK;
}

int sf_ranges_split(const struct sf_range *ranges, uint32_t nranges, const struct sf_range *mappings, uint32_t nmappings,
		    struct sf_piece *out, uint32_t *count, struct sf_error *error)
{
	uint32_t n = 0, j = 0;
	*count = 0;
	int code = check_lists(ranges, nranges, mappings, nmappings, error);
	if (code != SF_E_OK)
		return code;
	for (uint32_t i = 0; i < nranges; i++) {
		for (uint64_t at = ranges[i].start; at < ranges[i].end;) {
			while (j < nmappings && mappings[j].end <= at)
				j++;
			bool inside = j < nmappings && mappings[j].start <= at;
			uint64_t end = j >= nmappings ? ranges[i].end : inside ? mappings[j].end : mappings[j].start;
			if (end > ranges[i].end)
				end = ranges[i].end;
			out[n++] = (struct sf_piece){ at, end, i, inside ? j : SF_NO_MAPPING };
			at = end;
		}
	}
	*count = n;
	return SF_E_OK;
}
