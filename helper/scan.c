/* What the page tables of a task say (SCAN). */
#include "helper.h"

#define REGION_BATCH 8192
#define NEEDS_IOCTL (SF_SCAN_PROTECT | SF_SCAN_ABSENT)

/* Kernels before 6.7: /proc/PID/pagemap, bit by bit (Documentation/admin-guide/mm/pagemap.rst). */
#define PM_PRESENT (1ull << 63)
#define PM_SWAP (1ull << 62)
#define PM_FILE (1ull << 61)
#define PM_UFFD_WP (1ull << 57)
#define PM_SOFT_DIRTY (1ull << 55)
#define PM_PFN ((1ull << 55) - 1)

struct scan { const struct sf_scan *q; struct buffer *out; int pagemap; uint64_t zero_pfn; bool old_kernel; struct buffer maps; };

static uint64_t room(const struct scan *s)
{
	uint64_t have = s->out->size / sizeof(struct sf_region);
	uint64_t most = SF_MAX_PAYLOAD / sizeof(struct sf_region);
	uint64_t want = s->q->max_regions != 0 && s->q->max_regions < most ? s->q->max_regions : most;
	return have < want ? want - have : 0;
}

static MUST_CHECK struct fail scan_ioctl(struct scan *s, uint64_t start, uint64_t end)
{
	while (start < end && room(s) > 0) {
		uint64_t absent = (s->q->flags & SF_SCAN_ABSENT) != 0 ? PAGE_IS_PRESENT : 0;
		uint64_t batch = room(s) < REGION_BATCH ? room(s) : REGION_BATCH;
		TRY(buffer_reserve(s->out, s->out->size + batch * sizeof(struct sf_region)));
		struct pm_scan_arg arg = {
			.size = sizeof arg, .start = start, .end = end, .vec = U(s->out->data + s->out->size), .vec_len = batch,
			.flags = ((s->q->flags & SF_SCAN_PROTECT) != 0 ? PM_SCAN_WP_MATCHING : 0) |
				 ((s->q->flags & (SF_SCAN_PROTECT | SF_SCAN_SKIP)) == SF_SCAN_PROTECT ? PM_SCAN_CHECK_WPASYNC : 0),
			.category_inverted = s->q->none_of | absent, .category_mask = s->q->none_of | s->q->all_of,
			.category_anyof_mask = s->q->any_of | absent, .return_mask = s->q->report,
		};
		int64_t n = sys_ioctl(s->pagemap, PAGEMAP_SCAN, &arg);
		if (n == -EINTR) continue;
		TRY(check(SF_AT_SCAN, s->q->pid, n));
		const struct sf_region *found = (const struct sf_region *)(s->out->data + s->out->size);
		if ((s->q->flags & SF_SCAN_QUIET) == 0) s->out->size += (uint64_t)n * sizeof *found;
		/*
		 * The kernel sets walk_end only where its own buffer of 512 filled up, so after the last part it is an earlier
		 * place (6.18, fs/proc/task_mmu.c do_pagemap_scan): fewer regions than there was room for is the end.
		 */
		if ((uint64_t)n < batch || arg.walk_end <= start) break;
		start = found[n - 1].end;
	}
	return OK;
}

static uint64_t categories_of(const struct scan *s, uint64_t entry)
{
	uint64_t c = 0;
	if ((entry & PM_PRESENT) != 0) c |= PAGE_IS_PRESENT;
	if ((entry & PM_SWAP) != 0) c |= PAGE_IS_SWAPPED;
	if ((entry & PM_FILE) != 0) c |= PAGE_IS_FILE;
	if ((entry & PM_SOFT_DIRTY) != 0) c |= PAGE_IS_SOFT_DIRTY;
	if ((entry & PM_UFFD_WP) == 0 && c != 0) c |= PAGE_IS_WRITTEN;
	if ((entry & PM_PRESENT) != 0 && s->zero_pfn != 0 && (entry & PM_PFN) == s->zero_pfn) c |= PAGE_IS_PFNZERO;
	return c;
}

static MUST_CHECK struct fail add_page(struct scan *s, uint64_t start, uint64_t address, uint64_t c)
{
	if ((s->q->any_of != 0 && (c & s->q->any_of) == 0) || (c & s->q->none_of) != 0 || (c & s->q->all_of) != s->q->all_of) return OK;
	struct sf_region r = {address, address + PAGE_SIZE, c & s->q->report};
	struct sf_region *last = (struct sf_region *)(s->out->data + s->out->size) - 1;
	if (s->out->size > 0 && last->end == address && last->start >= start && last->categories == r.categories) {
		last->end = r.end;
		return OK;
	}
	return room(s) > 0 ? buffer_append(s->out, &r, sizeof r) : OK;
}

static MUST_CHECK struct fail scan_entries(struct scan *s, uint64_t start, uint64_t end)
{
	uint64_t entries[512];
	for (uint64_t at = start; at < end && room(s) > 0;) {
		uint64_t pages = (end - at) / PAGE_SIZE < 512 ? (end - at) / PAGE_SIZE : 512;
		int64_t n = sys_pread(s->pagemap, entries, pages * 8, at / PAGE_SIZE * 8);
		if (n == -EINTR) continue;
		TRY(check(SF_AT_SCAN, s->q->pid, n));
		if (n < 8) break;
		for (int64_t i = 0; i < n / 8; i++, at += PAGE_SIZE) TRY(add_page(s, start, at, categories_of(s, entries[i])));
	}
	return OK;
}

static bool hex(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
	const uint8_t *p = *at;
	for (*value = 0; p < end; p++) {
		int digit = *p >= '0' && *p <= '9' ? *p - '0' : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 : -1;
		if (digit < 0) break;
		*value = *value << 4 | (uint64_t)digit;
	}
	bool some = p > *at;
	*at = p;
	return some;
}

/* Only where something is mapped: an address space has more empty pages than anybody can look at. */
static MUST_CHECK struct fail scan_mapped(struct scan *s, uint64_t start, uint64_t end)
{
	const uint8_t *p = s->maps.data, *stop = p + s->maps.size;
	for (uint64_t from, to; p < stop; p++) {
		if (!hex(&p, stop, &from) || p++ >= stop || !hex(&p, stop, &to)) return failed(SF_AT_SCAN, s->q->pid, -EBADMSG);
		uint64_t low = from > start ? from : start, high = to < end ? to : end;
		if (low < high) TRY(scan_entries(s, low, high));
		while (p < stop && *p != '\n') p++;
	}
	return OK;
}

static MUST_CHECK struct fail read_maps(uint32_t pid, struct buffer *maps)
{
	autofd fd = -1;
	TRY(proc_open(pid, "maps", O_RDONLY, &fd));
	for (;;) {
		TRY(buffer_reserve(maps, maps->size + 65536));
		int64_t n = sys_read(fd, maps->data + maps->size, 65536);
		if (n == -EINTR) continue;
		TRY(check(SF_AT_SCAN, pid, n));
		if (n == 0) return OK;
		maps->size += (uint64_t)n;
	}
}

/* The frame number of the zero page, as seen in a page of our own that was only read; 0 when frame numbers are hidden. */
static uint64_t find_zero_pfn(void)
{
	autofd own = (int)sys_open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int64_t page = sys_mmap(0, PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t entry = 0;
	if (page > 0) {
		(void)*(volatile uint8_t *)page;
		if (sys_pread(own, &entry, 8, U(page) / PAGE_SIZE * 8) != 8) entry = 0;
		(void)sys_munmap((void *)page, PAGE_SIZE);
	}
	return entry & PM_PFN;
}

static MUST_CHECK struct fail prepare_old(struct scan *s)
{
	s->old_kernel = true;
	s->zero_pfn = find_zero_pfn();
	return read_maps(s->q->pid, &s->maps);
}

static MUST_CHECK struct fail scan_range(struct scan *s, uint64_t start, uint64_t end)
{
	if (s->old_kernel) return scan_mapped(s, start, end);
	struct fail f = scan_ioctl(s, start, end);
	if (f.error != -ENOTTY || (s->q->flags & NEEDS_IOCTL) != 0) return f;
	TRY(prepare_old(s));
	return scan_mapped(s, start, end);
}

static void scan_cleanup(struct scan *s) { buffer_free(&s->maps); }

/* struct sf_scan, then struct sf_range[] (none: start..end) */
struct fail req_scan(struct request *rq, struct reply *rp)
{
	struct sf_scan q;
	if (rq->size < sizeof q || (rq->size - sizeof q) % sizeof(struct sf_range) != 0) return failed(SF_AT_DECODE, 0, -EBADMSG);
	memcpy(&q, rq->payload, sizeof q);
	if (((q.any_of | q.all_of) & q.none_of) != 0 || (q.flags & ~(SF_SCAN_OLD_KERNEL | SF_SCAN_PROTECT | SF_SCAN_SKIP | SF_SCAN_QUIET | SF_SCAN_ABSENT)) != 0) return failed(SF_AT_DECODE, q.pid, -EINVAL);
	if ((q.flags & SF_SCAN_ABSENT) != 0 && ((q.any_of | q.all_of | q.none_of) & PAGE_IS_PRESENT) != 0) return failed(SF_AT_DECODE, q.pid, -EINVAL);
	if ((q.flags & SF_SCAN_OLD_KERNEL) != 0 && (q.flags & NEEDS_IOCTL) != 0) return failed(SF_AT_DECODE, q.pid, -ENOTTY);
	uint32_t n = (uint32_t)((rq->size - sizeof q) / sizeof(struct sf_range));
	struct sf_range whole = {q.start, q.end - q.start};
	const struct sf_range *ranges = n > 0 ? (const struct sf_range *)(rq->payload + sizeof q) : &whole;
	autofd pagemap = -1;
	TRY(proc_open(q.pid, "pagemap", O_RDONLY, &pagemap));
	__attribute__((cleanup(scan_cleanup))) struct scan s = {&q, &rp->out, pagemap, 0, false, {0, 0, 0}};
	if ((q.flags & SF_SCAN_OLD_KERNEL) != 0) TRY(prepare_old(&s));
	for (uint32_t i = 0; i < (n > 0 ? n : 1); i++) {
		uint64_t start = ranges[i].address, end = start + ranges[i].size;
		if (((start | end) & (PAGE_SIZE - 1)) != 0 || end < start) return failed(SF_AT_DECODE, i, -EINVAL);
		POINT(SF_AT_SCAN, q.pid);
		TRY(scan_range(&s, start, end));
	}
	return OK;
}
