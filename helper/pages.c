/* Task memory to a file (PAGES), file to file (FILE_PAGES). */
#include "helper.h"
#include "pagefile.h"

#define CHUNK (256u << 10) /* stays in the second-level cache between read and write */
#define SAMPLE (64u << 10) /* of a block, looked at before it is made */
#define MAX_WORKERS 4
#define SOME (2u << 20)    /* worth more than one thread: a page among many ranges takes 5 us */
#define LARGE (16u << 20)  /* worth preparing blocks of the file */

/* One job a worker: bytes [from, to) of the ranges laid end to end. */
struct job {
	uint32_t pid;
	int fd, mem;
	const struct sf_range *ranges;
	const uint64_t *places; /* of the ranges in the file; 0: end to end */
	uint32_t nranges;
	uint64_t from, to, offset, end; /* end: where the file ended before */
	uint8_t *chunk;
	struct blocks blocks;
	bool may_vanish;
	uint32_t done; /* futex */
	struct fail why;
};

/*
 * Fills `want` bytes at `buffer` from the ranges, starting `skip` bytes into range `i`; process_vm_readv takes what it can of up to 64
 * ranges at once, /proc/PID/mem the page where it stopped (no read permission).
 */
static MUST_CHECK struct fail gather(const struct job *j, uint8_t *buffer, uint32_t i, uint64_t skip, uint64_t want)
{
	uint64_t got = 0;
	while (got < want) {
		struct iovec from[64], to = {buffer + got, 0};
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
		TRY(pages_write(j->fd, j->chunk + done, part, place, j->end));
		done += part;
	}
	return OK;
}

/* Where the job is: at byte `at` of the ranges laid end to end, `skip` bytes into range `i`. */
struct position { uint64_t at, skip; uint32_t i; };

static void advance(const struct job *j, struct position *p, uint64_t size)
{
	p->at += size;
	for (p->skip += size; p->i < j->nranges && p->skip >= j->ranges[p->i].size; p->i++) p->skip -= j->ranges[p->i].size;
}

/* The next `want` bytes, at most a chunk, by pages. */
static MUST_CHECK struct fail copy_chunk(struct job *j, struct position *p, uint64_t want)
{
	TRY(gather(j, j->chunk, p->i, p->skip, want));
	if (j->places != 0) TRY(scatter(j, p->i, p->skip, want));
	else TRY(pages_write(j->fd, j->chunk, want, j->offset + p->at, j->end));
	advance(j, p, want);
	return OK;
}

/* The next block of the file: as one huge page if that can be, which its first pages tell. */
static MUST_CHECK struct fail copy_block(struct job *j, struct position *p)
{
	uint64_t off = j->offset + p->at, started = now_ns();
	TRY(gather(j, j->chunk, p->i, p->skip, SAMPLE));
	uint8_t *block = block_make(&j->blocks, j->fd, off, j->chunk, SAMPLE);
	if (block == 0) TRY(pages_write(j->fd, j->chunk, SAMPLE, off, j->end));
	advance(j, p, SAMPLE);
	for (uint64_t done = SAMPLE, part; done < BLOCK_SIZE; done += part) {
		part = CHUNK - done % CHUNK;
		if (block == 0) {
			TRY(copy_chunk(j, p, part));
			continue;
		}
		TRY(gather(j, block + done, p->i, p->skip, part));
		block_filled(&j->blocks, j->fd, off, done, part);
		advance(j, p, part);
	}
	blocks_took(&j->blocks, block != 0, now_ns() - started);
	return OK;
}

static struct fail run_job(struct job *j)
{
	struct position p = {0, 0, 0};
	advance(j, &p, j->from);
	while (p.at < j->to) {
		uint64_t off = j->offset + p.at, left = j->to - p.at;
		if (j->blocks.window != 0 && off % BLOCK_SIZE == 0 && left >= BLOCK_SIZE && off >= j->end) {
			TRY(copy_block(j, &p));
		} else {
			uint64_t whole = CHUNK - (j->places == 0 ? off % CHUNK : 0);
			TRY(copy_chunk(j, &p, left < whole ? left : whole));
		}
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
	TRY(pages_size(fd, &end));
	autofd mem = -1;
	TRY(proc_open(q.pid, "mem", O_RDONLY, &mem));
	POINT(SF_AT_READ, q.pid);
	uint32_t n = q.workers != 0 ? q.workers : total < SOME ? 1 : processors();
	if (n > MAX_WORKERS) n = MAX_WORKERS;
	uint64_t stack = 64 << 10, each = CHUNK + stack;
	int64_t memory = sys_mmap(0, n * each, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TRY(check(SF_AT_MEMORY, 0, memory));
	struct job jobs[MAX_WORKERS];
	uint64_t share = ROUND_UP(total / n + 1, total < LARGE ? CHUNK : BLOCK_SIZE);
	/* a block is mapped, so it must be within the file: which no thread may set, as another may have written behind it */
	bool may_block = total >= LARGE && !placed && end <= q.offset + total && sys_ftruncate(fd, q.offset + total) == 0;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t from = i * share < total ? i * share : total, to = from + share < total ? from + share : total;
		uint8_t *at = (uint8_t *)memory + i * each;
		jobs[i] = (struct job){q.pid, fd, mem, ranges, places, q.nranges, from, to, q.offset, end, at, {0}, may_vanish, 0, OK};
		if (may_block) blocks_open(&jobs[i].blocks, fd);
		if (i > 0 && start_worker(&jobs[i], at + CHUNK, stack) < 0) jobs[i].done = 2; /* no thread: done below */
	}
	jobs[0].why = run_job(&jobs[0]);
	struct fail f = jobs[0].why;
	for (uint32_t i = 1; i < n; i++) {
		if (jobs[i].done == 2) jobs[i].why = run_job(&jobs[i]);
		else while (__atomic_load_n(&jobs[i].done, __ATOMIC_ACQUIRE) == 0) (void)sys_futex(&jobs[i].done, FUTEX_WAIT, 0, 0);
		if (f.error == 0) f = jobs[i].why;
	}
	for (uint32_t i = 0; i < n; i++) blocks_close(&jobs[i].blocks);
	(void)sys_munmap((void *)memory, n * each);
	TRY(f);
	POINT(SF_AT_WRITE, q.pid);
	TRY(pages_set_size(fd, placed ? last : q.offset + total));
	return buffer_append(&rp->out, &total, sizeof total);
}

/* Bytes without a hole. */
static MUST_CHECK struct fail copy_data(int from, uint64_t at, int to, uint64_t off, uint64_t size, uint64_t end, uint8_t *chunk)
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
			if (n > 0) TRY(pages_write(to, chunk, (uint64_t)n, off, end));
		}
		if (n == -EINTR) continue;
		at += (uint64_t)n;
		off += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return OK;
}

/* Holes stay holes, which copy_file_range fills in most file systems. Moves the position of `from`: an open file of our own, never one that a task has as well. */
static MUST_CHECK struct fail copy_range(int from, uint64_t at, int to, uint64_t off, uint64_t size, uint64_t end, uint8_t *chunk)
{
	uint64_t length;
	TRY(pages_size(from, &length));
	if (at > length || size > length - at) return failed(SF_AT_READ, (uint32_t)from, -ENODATA);
	for (uint64_t done = 0, part; done < size; done += part) {
		int64_t data = sys_lseek(from, at + done, SEEK_DATA);
		part = size - done;
		if (data == -ENXIO || data > (int64_t)(at + done)) {
			if (data > 0 && (uint64_t)data - at - done < part) part = (uint64_t)data - at - done;
			TRY(pages_write_zeros(to, part, off + done, end, chunk, CHUNK));
			continue;
		}
		/* what cannot tell has no holes */
		int64_t hole = data < 0 ? data : sys_lseek(from, at + done, SEEK_HOLE);
		if (hole > (int64_t)(at + done) && (uint64_t)hole - at - done < part) part = (uint64_t)hole - at - done;
		TRY(copy_data(from, at + done, to, off + done, part, end, chunk));
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
		TRY(pages_write(fd, chunk, part, off + where, end));
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
	TRY(pages_size(q.to, &end));
	for (uint32_t i = 0; i < q.nranges; i++) {
		POINT(SF_AT_READ, (uint32_t)q.from);
		if (ranges[i].size > (1ull << 56)) return failed(SF_AT_DECODE, i, -EOVERFLOW);
		if (q.from == q.to) TRY(move_range(q.to, ranges[i].address, q.offset + total, ranges[i].size, end, chunk.data));
		else TRY(copy_range(q.from, ranges[i].address, q.to, q.offset + total, ranges[i].size, end, chunk.data));
		total += ranges[i].size;
	}
	TRY(pages_set_size(q.to, q.offset + total));
	return buffer_append(&rp->out, &total, sizeof total);
}
