/* Bytes of memory: what the page tables say (SCAN), task memory to a file (PAGES), file to file (FILE_PAGES). */
#include "helper.h"

#define REGION_BATCH 8192
#define CHUNK (256u << 10) /* stays in the second-level cache between read and write */
#define MAX_WORKERS 4

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
		uint64_t batch = room(s) < REGION_BATCH ? room(s) : REGION_BATCH;
		TRY(buffer_reserve(s->out, s->out->size + batch * sizeof(struct sf_region)));
		struct pm_scan_arg arg = {
			.size = sizeof arg, .start = start, .end = end, .vec = U(s->out->data + s->out->size), .vec_len = batch,
			.flags = ((s->q->flags & SF_SCAN_PROTECT) != 0 ? PM_SCAN_WP_MATCHING : 0) |
				 ((s->q->flags & (SF_SCAN_PROTECT | SF_SCAN_SKIP)) == SF_SCAN_PROTECT ? PM_SCAN_CHECK_WPASYNC : 0),
			.category_inverted = s->q->none_of, .category_mask = s->q->none_of | s->q->all_of,
			.category_anyof_mask = s->q->any_of, .return_mask = s->q->report,
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
	if (f.error != -ENOTTY || (s->q->flags & SF_SCAN_PROTECT) != 0) return f;
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
	if (((q.any_of | q.all_of) & q.none_of) != 0 || (q.flags & ~(SF_SCAN_OLD_KERNEL | SF_SCAN_PROTECT | SF_SCAN_SKIP | SF_SCAN_QUIET)) != 0) return failed(SF_AT_DECODE, q.pid, -EINVAL);
	if ((q.flags & SF_SCAN_OLD_KERNEL) != 0 && (q.flags & SF_SCAN_PROTECT) != 0) return failed(SF_AT_DECODE, q.pid, -ENOTTY);
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

static MUST_CHECK struct fail write_all(int fd, const uint8_t *from, uint64_t size, uint64_t off)
{
	while (size > 0) {
		int64_t n = sys_pwrite(fd, from, size, off);
		if (n == -EINTR) continue;
		if (n <= 0) return failed(SF_AT_WRITE, (uint32_t)fd, n < 0 ? n : -EIO);
		from += n;
		off += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return OK;
}

/* Most pages that hold something show it in their first word. */
static bool is_zero_page(const uint8_t *page)
{
	const uint64_t *w = (const uint64_t *)page;
	for (uint32_t i = 0; i < PAGE_SIZE / 8; i += 8) {
		if ((w[i] | w[i + 1] | w[i + 2] | w[i + 3] | w[i + 4] | w[i + 5] | w[i + 6] | w[i + 7]) != 0) return false;
	}
	return true;
}

/*
 * Pages of zeros become holes: behind `end`, where the file ended before, they are left out (set_size comes last), before it punched.
 * Where a file system cannot do that they are written.
 */
static MUST_CHECK struct fail write_pages(int fd, const uint8_t *from, uint64_t size, uint64_t off, uint64_t end)
{
	for (uint64_t at = 0, part; at < size; at += part) {
		bool zero = size - at >= PAGE_SIZE && is_zero_page(from + at);
		part = size - at < PAGE_SIZE ? size - at : PAGE_SIZE;
		while (size - at - part >= PAGE_SIZE && is_zero_page(from + at + part) == zero) part += PAGE_SIZE;
		if (zero && off + at >= end) continue;
		if (zero && sys_fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, off + at, part) == 0) continue;
		TRY(write_all(fd, from + at, part, off + at));
	}
	return OK;
}

/* Of what is no file and has no holes (/dev/null): so much that nothing is left out. */
static MUST_CHECK struct fail get_size(int fd, uint64_t *size)
{
	uint64_t st[18]; /* struct stat (<asm/stat.h>): st_mode begins its fourth word, st_size is its seventh */
	TRY(check(SF_AT_WRITE, (uint32_t)fd, sys_fstat(fd, st)));
	*size = (st[3] & 0170000) == 0100000 ? st[6] : UINT64_MAX;
	return OK;
}

/* A file that ends with pages that were left out. */
static MUST_CHECK struct fail set_size(int fd, uint64_t least)
{
	uint64_t size;
	TRY(get_size(fd, &size));
	return size < least ? check(SF_AT_WRITE, (uint32_t)fd, sys_ftruncate(fd, least)) : OK;
}

/* One job a worker: bytes [from, to) of the ranges laid end to end. */
struct job {
	uint32_t pid;
	int fd, mem;
	const struct sf_range *ranges;
	const uint64_t *places; /* of the ranges in the file; 0: end to end */
	uint32_t nranges;
	uint64_t from, to, offset, end; /* end: where the file ended before */
	uint8_t *chunk;
	bool may_vanish;
	uint32_t done; /* futex */
	struct fail why;
};

/*
 * Fills the chunk from the ranges, starting `skip` bytes into range `i`; process_vm_readv takes what it can of up to 64
 * ranges at once, /proc/PID/mem the page where it stopped (no read permission).
 */
static MUST_CHECK struct fail gather(const struct job *j, uint32_t i, uint64_t skip, uint64_t want)
{
	uint64_t got = 0;
	while (got < want) {
		struct iovec from[64], to = {j->chunk + got, 0};
		uint32_t n = 0;
		uint64_t s = skip;
		for (uint32_t k = i; k < j->nranges && n < 64 && to.len < want - got; k++, s = 0) {
			uint64_t part = j->ranges[k].size - s;
			if (part > want - got - to.len) part = want - got - to.len;
			from[n++] = (struct iovec){(void *)(j->ranges[k].address + s), part};
			to.len += part;
		}
		int64_t r = sys_vm_readv((int)j->pid, &to, 1, from, n);
		if (r <= 0) {
			uint64_t part = PAGE_SIZE - (U(from[0].base) & (PAGE_SIZE - 1));
			if (part > from[0].len) part = from[0].len;
			struct fail f = r == -ESRCH ? failed(SF_AT_READ, j->pid, r) : read_task(j->pid, j->mem, U(from[0].base), to.base, part);
			if (f.error != 0 && !j->may_vanish) return f;
			if (f.error != 0) memset(to.base, 0, part);
			r = (int64_t)part;
		}
		got += (uint64_t)r;
		for (skip += (uint64_t)r; i < j->nranges && skip >= j->ranges[i].size; i++) skip -= j->ranges[i].size;
	}
	return OK;
}

/* The chunk to where its ranges have their places; as gather: it starts `skip` bytes into range `i`. What is one behind the other is written at once. */
static MUST_CHECK struct fail scatter(const struct job *j, uint32_t i, uint64_t skip, uint64_t size)
{
	for (uint64_t done = 0; done < size;) {
		uint64_t place = j->places[i] + skip, part = 0;
		do {
			uint64_t more = j->ranges[i].size - skip;
			if (more > size - done - part) more = size - done - part;
			part += more;
			skip = 0;
			i++;
		} while (done + part < size && j->places[i] == place + part);
		TRY(write_pages(j->fd, j->chunk + done, part, place, j->end));
		done += part;
	}
	return OK;
}

static struct fail run_job(struct job *j)
{
	uint64_t before = 0;
	uint32_t i = 0;
	for (uint64_t at = j->from; at < j->to;) {
		while (at >= before + j->ranges[i].size) before += j->ranges[i++].size;
		uint64_t want = j->to - at < CHUNK ? j->to - at : CHUNK;
		TRY(gather(j, i, at - before, want));
		if (j->places != 0) TRY(scatter(j, i, at - before, want));
		else TRY(write_pages(j->fd, j->chunk, want, j->offset + at, j->end));
		at += want;
	}
	return OK;
}

/* A worker thread: does its job, says so, ends. It was started with CLONE_VM on its own stack. */
static __attribute__((noreturn, used)) void worker(struct job *j)
{
	j->why = run_job(j);
	__atomic_store_n(&j->done, 1, __ATOMIC_RELEASE);
	(void)sys_futex(&j->done, FUTEX_WAKE, 1, 0);
	sys_exit_thread(0);
}

static int64_t start_worker(struct job *j, uint8_t *stack, uint64_t size)
{
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, .stack = U(stack), .stack_size = size,
	};
	register struct job *rbx __asm__("rbx") = j;
	int64_t ret;
	__asm__ volatile("syscall; test %%rax, %%rax; jnz 1f; xor %%ebp, %%ebp; mov %%rbx, %%rdi; call worker; ud2; 1:"
			 : "=a"(ret) : "0"(NR_clone3), "D"(&args), "S"(sizeof args), "r"(rbx) : "rcx", "r11", "memory");
	return ret;
}

static uint32_t processors(void)
{
	uint64_t mask[16];
	int64_t n = raw3(NR_sched_getaffinity, 0, sizeof mask, mask);
	uint32_t count = 0;
	for (int64_t i = 0; i < n / 8; i++) {
		for (uint64_t m = mask[i]; m != 0; m &= m - 1) count++;
	}
	return count > 0 ? count : 1;
}

/* struct sf_pages, struct sf_range[], u64[] if they are placed -> u64 bytes */
struct fail req_pages(struct request *rq, struct reply *rp)
{
	struct sf_pages q;
	if (rq->size < sizeof q) return failed(SF_AT_DECODE, 0, -EBADMSG);
	memcpy(&q, rq->payload, sizeof q);
	bool may_vanish = (q.workers & SF_PAGES_MAY_VANISH) != 0, placed = (q.workers & SF_PAGES_PLACED) != 0;
	q.workers &= ~(SF_PAGES_MAY_VANISH | SF_PAGES_PLACED);
	if (rq->size != sizeof q + q.nranges * (sizeof(struct sf_range) + (placed ? sizeof(uint64_t) : 0))) return failed(SF_AT_DECODE, q.pid, -EBADMSG);
	const struct sf_range *ranges = (const struct sf_range *)(rq->payload + sizeof q);
	const uint64_t *places = placed ? (const uint64_t *)(ranges + q.nranges) : 0;
	int fd = rq->fd >= 0 ? rq->fd : q.fd;
	uint64_t total = 0, last = 0, end;
	for (uint32_t i = 0; i < q.nranges; i++) {
		if (ranges[i].size > (1ull << 56)) return failed(SF_AT_DECODE, i, -EOVERFLOW);
		total += ranges[i].size;
		if (placed && places[i] + ranges[i].size > last) last = places[i] + ranges[i].size;
	}
	TRY(get_size(fd, &end));
	autofd mem = -1;
	TRY(proc_open(q.pid, "mem", O_RDONLY, &mem));
	POINT(SF_AT_READ, q.pid);
	uint32_t n = q.workers != 0 ? q.workers : total < (16u << 20) ? 1 : processors();
	if (n > MAX_WORKERS) n = MAX_WORKERS;
	uint64_t stack = 64 << 10, each = CHUNK + stack;
	int64_t memory = sys_mmap(0, n * each, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TRY(check(SF_AT_MEMORY, 0, memory));
	struct job jobs[MAX_WORKERS];
	uint64_t share = ROUND_UP(total / n + 1, CHUNK);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t from = i * share < total ? i * share : total, to = from + share < total ? from + share : total;
		uint8_t *at = (uint8_t *)memory + i * each;
		jobs[i] = (struct job){q.pid, fd, mem, ranges, places, q.nranges, from, to, q.offset, end, at, may_vanish, 0, OK};
		if (i > 0 && start_worker(&jobs[i], at + CHUNK, stack) < 0) jobs[i].done = 2; /* no thread: done below */
	}
	jobs[0].why = run_job(&jobs[0]);
	struct fail f = jobs[0].why;
	for (uint32_t i = 1; i < n; i++) {
		if (jobs[i].done == 2) jobs[i].why = run_job(&jobs[i]);
		else while (__atomic_load_n(&jobs[i].done, __ATOMIC_ACQUIRE) == 0) (void)sys_futex(&jobs[i].done, FUTEX_WAIT, 0, 0);
		if (f.error == 0) f = jobs[i].why;
	}
	(void)sys_munmap((void *)memory, n * each);
	TRY(f);
	POINT(SF_AT_WRITE, q.pid);
	TRY(set_size(fd, placed ? last : q.offset + total));
	return buffer_append(&rp->out, &total, sizeof total);
}

static MUST_CHECK struct fail copy_range(int from, uint64_t at, int to, uint64_t off, uint64_t size, uint64_t end, uint8_t *chunk)
{
	bool by_hand = false;
	while (size > 0) {
		int64_t n;
		if (!by_hand) {
			uint64_t in = at, out = off;
			n = sys_copy_file_range(from, &in, to, &out, size);
			if (n == -EXDEV || n == -EINVAL || n == -EOPNOTSUPP || n == -ENOSYS || n == -EBADF || n == 0) {
				by_hand = true;
				continue;
			}
			if (n < 0 && n != -EINTR) return failed(SF_AT_WRITE, (uint32_t)to, n);
		} else {
			n = sys_pread(from, chunk, size < CHUNK ? size : CHUNK, at);
			if (n == 0) return failed(SF_AT_READ, (uint32_t)from, -ENODATA);
			if (n < 0 && n != -EINTR) return failed(SF_AT_READ, (uint32_t)from, n);
			if (n > 0) TRY(write_pages(to, chunk, (uint64_t)n, off, end));
		}
		if (n == -EINTR) continue;
		at += (uint64_t)n;
		off += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return OK;
}

static MUST_CHECK struct fail read_all(int fd, uint8_t *to, uint64_t size, uint64_t at)
{
	while (size > 0) {
		int64_t n = sys_pread(fd, to, size, at);
		if (n == -EINTR) continue;
		if (n <= 0) return failed(SF_AT_READ, (uint32_t)fd, n < 0 ? n : -ENODATA);
		to += n;
		at += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return OK;
}

/* Within one file, where a range may overlap the place it goes to: from its far end when that is where it goes. */
static MUST_CHECK struct fail move_range(int fd, uint64_t at, uint64_t off, uint64_t size, uint64_t end, uint8_t *chunk)
{
	bool up = off > at;
	for (uint64_t done = 0; done < size;) {
		uint64_t part = size - done < CHUNK ? size - done : CHUNK;
		uint64_t where = up ? size - done - part : done;
		TRY(read_all(fd, chunk, part, at + where));
		TRY(write_pages(fd, chunk, part, off + where, end));
		done += part;
	}
	return OK;
}

/* struct sf_file_pages, struct sf_range[] -> u64 bytes */
struct fail req_file_pages(struct request *rq, struct reply *rp)
{
	struct sf_file_pages q;
	if (rq->size < sizeof q) return failed(SF_AT_DECODE, 0, -EBADMSG);
	memcpy(&q, rq->payload, sizeof q);
	if (rq->size != sizeof q + q.nranges * sizeof(struct sf_range)) return failed(SF_AT_DECODE, (uint32_t)q.from, -EBADMSG);
	const struct sf_range *ranges = (const struct sf_range *)(rq->payload + sizeof q);
	autobuffer chunk = {0, 0, 0};
	TRY(buffer_reserve(&chunk, CHUNK));
	uint64_t total = 0, end;
	TRY(get_size(q.to, &end));
	for (uint32_t i = 0; i < q.nranges; i++) {
		POINT(SF_AT_READ, (uint32_t)q.from);
		if (ranges[i].size > (1ull << 56)) return failed(SF_AT_DECODE, i, -EOVERFLOW);
		if (q.from == q.to) TRY(move_range(q.to, ranges[i].address, q.offset + total, ranges[i].size, end, chunk.data));
		else TRY(copy_range(q.from, ranges[i].address, q.to, q.offset + total, ranges[i].size, end, chunk.data));
		total += ranges[i].size;
	}
	TRY(set_size(q.to, q.offset + total));
	return buffer_append(&rp->out, &total, sizeof total);
}
