/* Page contents into a file: pages of zeros become holes, and in a tmpfs whole blocks become huge pages. */
#include "helper.h"
#include "pagefile.h"

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

/* Bytes of whole pages at `from` that are alike: zeros or not; what is no whole page is not. */
static uint64_t run_of_pages(const uint8_t *from, uint64_t size, bool *zero)
{
	*zero = size >= PAGE_SIZE && is_zero_page(from);
	uint64_t run = size < PAGE_SIZE ? size : PAGE_SIZE;
	while (size - run >= PAGE_SIZE && is_zero_page(from + run) == *zero) run += PAGE_SIZE;
	return run;
}

static int64_t punch(int fd, uint64_t off, uint64_t size) { return sys_fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, off, size); }

/*
 * Pages of zeros become holes: behind `end`, where the file ended before, they are left out (pages_set_size comes last), before it punched.
 * Where a file system cannot do that they are written.
 */
struct fail pages_write(int fd, const uint8_t *from, uint64_t size, uint64_t off, uint64_t end)
{
	for (uint64_t at = 0, part; at < size; at += part) {
		bool zero;
		part = run_of_pages(from + at, size - at, &zero);
		if (zero && (off + at >= end || punch(fd, off + at, part) == 0)) continue;
		TRY(write_all(fd, from + at, part, off + at));
	}
	return OK;
}

struct fail pages_write_zeros(int fd, uint64_t size, uint64_t off, uint64_t end, uint8_t *chunk, uint64_t chunk_size)
{
	if (off >= end || punch(fd, off, size) == 0) return OK;
	memset(chunk, 0, chunk_size);
	for (uint64_t at = 0, part; at < size; at += part) {
		part = size - at < chunk_size ? size - at : chunk_size;
		TRY(write_all(fd, chunk, part, off + at));
	}
	return OK;
}

/* Of what is no file and has no holes (/dev/null): so much that nothing is left out. */
struct fail pages_size(int fd, uint64_t *size)
{
	uint64_t st[18]; /* struct stat (<asm/stat.h>): st_mode begins its fourth word, st_size is its seventh */
	TRY(check(SF_AT_WRITE, (uint32_t)fd, sys_fstat(fd, st)));
	*size = (st[3] & 0170000) == 0100000 ? st[6] : UINT64_MAX;
	return OK;
}

/* A file that ends with pages that were left out. */
struct fail pages_set_size(int fd, uint64_t least)
{
	uint64_t size;
	TRY(pages_size(fd, &size));
	return size < least ? check(SF_AT_WRITE, (uint32_t)fd, sys_ftruncate(fd, least)) : OK;
}

/*
 * In a tmpfs a page costs more to make than to fill: of the 1.7 us that a page takes with pwrite, its contents are 0.4. One huge page for
 * 512 of them, made by MADV_COLLAPSE in an empty block of the file and filled where it is mapped, takes half of that (1 GiB, two threads: 166 ms, pwrite 302).
 * It needs no mount option. The kernel collapses a block only with a page in it.
 */
#define TMPFS_MAGIC 0x01021994ull /* <linux/magic.h> */
#define CHEAP_NS 1200000          /* what a block may take without being compared */
#define FIRST_WAIT 16u            /* blocks until the other way is tried, */
#define MOST_DOUBLINGS 6          /* which doubles so often */

void blocks_open(struct blocks *b, int fd)
{
	uint64_t statfs[15]; /* struct statfs (<asm-generic/statfs.h>): f_type is its first word */
	*b = (struct blocks){0};
	if (sys_fstatfs(fd, statfs) < 0 || statfs[0] != TMPFS_MAGIC) return;
	int64_t at = sys_mmap(0, 2 * BLOCK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at >= 0) *b = (struct blocks){.reserved = (uint8_t *)at, .window = (uint8_t *)ROUND_UP(U(at), BLOCK_SIZE)};
}

void blocks_close(struct blocks *b)
{
	if (b->reserved != 0) (void)sys_munmap(b->reserved, 2 * BLOCK_SIZE);
	*b = (struct blocks){0};
}

/* After a change of the way only the last block counts: what was measured before is old. */
void blocks_took(struct blocks *b, bool huge, uint64_t ns)
{
	b->ns[huge] = huge != b->last || b->ns[huge] == 0 ? ns : (3 * b->ns[huge] + ns) / 4;
	b->last = huge;
}

/*
 * Huge pages may be dear: where memory is fragmented, or where a virtual machine has to get whole blocks from its host while it has single pages of its own. Then
 * whatever took less time lately; the other way is tried now and then, and less and less often.
 */
static bool prefers_huge(struct blocks *b)
{
	if (b->ns[1] <= CHEAP_NS) return true;
	if (b->ns[0] == 0) return false;
	bool huge = b->ns[1] <= b->ns[0];
	if (++b->count < FIRST_WAIT << b->doublings) return huge;
	b->count = 0;
	if (b->doublings < MOST_DOUBLINGS) b->doublings++;
	return !huge;
}

uint8_t *block_make(struct blocks *b, int fd, uint64_t off, const uint8_t *from, uint64_t size)
{
	bool zero;
	if (b->window == 0 || run_of_pages(from, size, &zero) != size || zero || !prefers_huge(b)) return 0;
	if (sys_pwrite(fd, from, PAGE_SIZE, off) == (int64_t)PAGE_SIZE &&
	    sys_mmap(b->window, BLOCK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, off) == (int64_t)U(b->window) &&
	    sys_madvise(b->window, BLOCK_SIZE, MADV_COLLAPSE) == 0) {
		memcpy(b->window, from, size);
		return b->window;
	}
	b->window = 0; /* not a second time: no memory, or a kernel that cannot */
	return 0;
}

void block_filled(const struct blocks *b, int fd, uint64_t off, uint64_t from, uint64_t size)
{
	for (uint64_t end = from + size, part; from < end; from += part) {
		bool zero;
		part = run_of_pages(b->window + from, end - from, &zero);
		/* one that cannot be punched holds zeros */
		if (zero) (void)punch(fd, off + from, part);
	}
}
