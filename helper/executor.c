/*
 * The executor: runs the steps of a block (program.h). The one piece of native code that ever runs inside a task.
 * Position-independent, no libc, no data, no vector registers, all in the section `executor`, calling nothing outside it.
 * What the steps are for it does not know.
 */
#include "executor.h"
#include "sys.h"

#define EXEC __attribute__((section("executor")))
#define INLINE static inline __attribute__((always_inline))
#define PAGE 4096u
#define POPULATE (1u << 20) /* pages made at once are a fifth cheaper than one fault each; still in the cache when filled */
#define BROKEN 0x80000000u /* set in barrier.arrived on abort, so that a futex wait that is about to start sees a change */

int64_t sf_executor_clone(struct clone_args *args, uint64_t size, struct sf_block *child, uint64_t process);
void sf_executor_live(struct sf_block *block, uint64_t process);

INLINE void *at(const struct sf_block *b, uint64_t off) { return (uint8_t *)(uintptr_t)b + off; }
INLINE int64_t *results(const struct sf_block *b) { return at(b, b->results_off); }
INLINE struct sf_step *steps(const struct sf_block *b) { return at(b, b->steps_off); }
INLINE struct sf_shared *shared(const struct sf_block *b) { return (struct sf_shared *)b->shared; }
INLINE uint32_t load32(uint32_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
INLINE void wake_all(uint32_t *word) { (void)sys_futex(word, FUTEX_WAKE, 0x7fffffff, 0); }

INLINE void copy_forward(void *to, const void *from, uint64_t n)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

INLINE void move(void *to, const void *from, uint64_t n)
{
	if ((uint64_t)to - (uint64_t)from >= n) {
		copy_forward(to, from, n);
		return;
	}
	to = (uint8_t *)to + n - 1;
	from = (const uint8_t *)from + n - 1;
	__asm__ volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

INLINE bool same_page(const uint64_t *a, const uint64_t *b)
{
	for (unsigned i = 0; i < PAGE / 8; i += 4) {
		if (((a[i] ^ b[i]) | (a[i + 1] ^ b[i + 1]) | (a[i + 2] ^ b[i + 2]) | (a[i + 3] ^ b[i + 3])) != 0) return false;
	}
	return true;
}

/* Everything that waits gives up: called by whoever fails first. */
EXEC static __attribute__((noinline)) void abort_all(struct sf_shared *s)
{
	if (s == 0) return;
	__atomic_store_n(&s->abort, 1, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < SF_MAX_BARRIERS; i++) {
		__atomic_fetch_or(&s->barrier[i].arrived, BROKEN, __ATOMIC_ACQ_REL);
		wake_all(&s->barrier[i].arrived);
	}
	__atomic_fetch_add(&s->event, 1, __ATOMIC_ACQ_REL);
	wake_all(&s->event);
	wake_all(&s->abort);
}

EXEC static __attribute__((noinline)) int64_t barrier(struct sf_shared *s, uint64_t index)
{
	if (s == 0 || index >= SF_MAX_BARRIERS) return -EINVAL;
	uint32_t parties = load32(&s->barrier[index].parties);
	uint32_t *word = &s->barrier[index].arrived;
	uint32_t now = __atomic_add_fetch(word, 1, __ATOMIC_ACQ_REL);
	if (now == parties) wake_all(word);
	while ((now = load32(word)) < parties) (void)sys_futex(word, FUTEX_WAIT, now, 0);
	return (now & BROKEN) != 0 ? -ECANCELED : 0;
}

EXEC static __attribute__((noinline)) int64_t spawn(const uint64_t a[6], bool process)
{
	struct sf_block *child = (struct sf_block *)a[4];
	struct clone_args args;
	args.flags = a[0];
	args.pidfd = 0;
	args.child_tid = 0;
	args.parent_tid = 0;
	args.exit_signal = a[1];
	args.stack = (uint64_t)child;
	args.stack_size = child->stack_off;
	args.tls = 0;
	args.set_tid = a[2];
	args.set_tid_size = a[3];
	args.cgroup = a[5];
	if (child->magic != SF_BLOCK_MAGIC || ((a[0] & CLONE_VM) != 0) == process) return -EINVAL;
	child->parent = process && (a[0] & (CLONE_PARENT | CLONE_NEWPID)) == 0 ? (uint32_t)sys_getpid() : 0;
	return sf_executor_clone(&args, sizeof args, child, process);
}

EXEC static __attribute__((noinline)) int64_t fill(int fd, uint8_t *to, uint64_t size, uint64_t off, uint8_t *scratch, uint64_t room)
{
	while (size > 0) {
		uint64_t want = scratch != 0 && size > room ? room : size;
		if (scratch == 0 && ((uint64_t)to | size) % PAGE == 0) {
			want = size < POPULATE ? size : POPULATE;
			if (want > 16 * PAGE) (void)sys_madvise(to, want, MADV_POPULATE_WRITE);
		}
		int64_t n = sys_pread(fd, scratch != 0 ? scratch : to, want, off);
		if (n == -EINTR) continue;
		if (n < 0) return n;
		if (n == 0) return -ENODATA;
		if (scratch != 0) {
			for (uint64_t done = 0; done < (uint64_t)n; done += PAGE) {
				uint64_t part = (uint64_t)n - done < PAGE ? (uint64_t)n - done : PAGE;
				if (part < PAGE || !same_page((uint64_t *)(scratch + done), (uint64_t *)(to + done))) copy_forward(to + done, scratch + done, part);
			}
		}
		to += n;
		off += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return 0;
}

EXEC static __attribute__((noinline)) int64_t write_out(int fd, const uint8_t *from, uint64_t size, uint64_t off)
{
	while (size > 0) {
		int64_t n = off == ~0ull ? raw3(NR_write, fd, from, size) : sys_pwrite(fd, from, size, off);
		if (n == -EINTR) continue;
		if (n < 0) return n;
		if (n == 0) return -EIO;
		from += n;
		size -= (uint64_t)n;
		if (off != ~0ull) off += (uint64_t)n;
	}
	return 0;
}

INLINE int64_t store(uint64_t address, uint64_t value, uint64_t width)
{
	if (width == 1) *(volatile uint8_t *)address = (uint8_t)value;
	else if (width == 2) *(volatile uint16_t *)address = (uint16_t)value;
	else if (width == 4) *(volatile uint32_t *)address = (uint32_t)value;
	else if (width == 8) *(volatile uint64_t *)address = value;
	else return -EINVAL;
	return 0;
}

INLINE int64_t load(uint64_t address, uint64_t width, int64_t *value)
{
	if (width == 1) *value = *(volatile uint8_t *)address;
	else if (width == 2) *value = *(volatile uint16_t *)address;
	else if (width == 4) *value = *(volatile uint32_t *)address;
	else if (width == 8) *value = (int64_t)*(volatile uint64_t *)address;
	else return -EINVAL;
	return 0;
}

INLINE bool holds(int64_t a, uint64_t cond, int64_t b, bool *known)
{
	*known = true;
	if (cond == SF_EQ) return a == b;
	if (cond == SF_NE) return a != b;
	if (cond == SF_LT) return a < b;
	if (cond == SF_LE) return a <= b;
	if (cond == SF_GT) return a > b;
	if (cond == SF_GE) return a >= b;
	if (cond == SF_ANY_BIT) return (a & b) != 0;
	if (cond == SF_NO_BIT) return (a & b) == 0;
	*known = false;
	return false;
}

/* Counts this thread in and waits for the tracer, which sets its registers: it comes back only on abort. */
EXEC static __attribute__((noinline)) int64_t park(struct sf_block *b)
{
	struct sf_shared *s = shared(b);
	if (s == 0) return -EINVAL;
	__atomic_store_n(&b->state, SF_PARKED, __ATOMIC_RELEASE);
	__atomic_fetch_add(&s->parked, 1, __ATOMIC_ACQ_REL);
	__atomic_fetch_add(&s->event, 1, __ATOMIC_ACQ_REL);
	wake_all(&s->event);
	while (load32(&s->abort) == 0) (void)sys_futex(&s->abort, FUTEX_WAIT, 0, 0);
	return -ECANCELED;
}

INLINE uint64_t argument(const struct sf_block *b, const struct sf_step *step, unsigned i)
{
	uint64_t value = step->a[i];
	uint32_t kind = (step->kinds >> (4 * i)) & 15;
	if (kind == SF_ARG_DATA) return (uint64_t)at(b, b->data_off) + value;
	if (kind == SF_ARG_RESULT) return (uint64_t)results(b)[value];
	if (kind == SF_ARG_BLOCK) return (uint64_t)b + value;
	if (kind == SF_ARG_SELF) return (uint64_t)(value == 0 ? sys_getpid() : sys_gettid());
	return value;
}

INLINE bool accepted(const struct sf_step *step, int64_t result)
{
	bool is_errno = result < 0 && result >= -4095;
	if (step->accept == SF_ACCEPT_OK) return !is_errno;
	if (step->accept == SF_ACCEPT_ANY) return true;
	if (step->accept == SF_ACCEPT_EQ) return result == step->expect;
	return !is_errno || -result == step->expect;
}

/* One step. `next` may be moved by a jump. -ECANCELED together with `*aborted`: another thread failed. */
EXEC static __attribute__((noinline)) int64_t run_step(struct sf_block *b, const struct sf_step *step, uint32_t *next, bool *failed, bool *aborted)
{
	uint64_t a[6];
	int64_t result = 0;
	bool known = true;
	for (unsigned i = 0; i < 6; i++) a[i] = argument(b, step, i);
	switch (step->op) {
	case SF_OP_SYSCALL: return raw6(step->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	case SF_OP_SPAWN: return spawn(a, true);
	case SF_OP_THREAD: return spawn(a, false);
	case SF_OP_BARRIER:
		result = barrier(shared(b), a[0]);
		*aborted = result == -ECANCELED;
		return result;
	case SF_OP_STORE: return store(a[0], a[1], a[2]);
	case SF_OP_LOAD:
		*failed = load(a[0], a[1], &result) != 0;
		return *failed ? -EINVAL : result;
	case SF_OP_COPY: move((void *)a[0], (const void *)a[1], a[2]); return 0;
	case SF_OP_JUMP:
		if (holds((int64_t)a[0], a[1], (int64_t)a[2], &known)) *next = (uint32_t)a[3];
		*failed = !known || *next > b->nsteps;
		return *failed ? -EINVAL : 0;
	case SF_OP_FILL: return fill((int)a[0], (uint8_t *)a[1], a[2], a[3], (uint8_t *)a[4], a[5]);
	case SF_OP_EXPECT:
		*failed = !holds((int64_t)a[0], a[1], (int64_t)a[2], &known);
		return *failed ? (known ? -(int64_t)a[3] : -EINVAL) : 0;
	case SF_OP_PARK:
		result = park(b);
		*aborted = result == -ECANCELED;
		return result;
	case SF_OP_WRITE_OUT: return write_out((int)a[0], (const uint8_t *)a[1], a[2], a[3]);
	case SF_OP_ADD: return (int64_t)(a[0] + a[1]);
	default:
		*failed = true;
		return -EINVAL;
	}
}

EXEC void sf_executor_run(struct sf_block *b)
{
	uint32_t index = 0;
	b->tid = (uint32_t)sys_gettid();
	b->done = 0;
	__atomic_store_n(&b->state, SF_RUNNING, __ATOMIC_RELEASE);
	while (index < b->nsteps) {
		const struct sf_step *step = &steps(b)[index];
		uint32_t next = index + 1;
		bool failed = false, aborted = false;
		if (b->shared != 0 && load32(&shared(b)->abort) != 0) aborted = true;
		b->at = index;
		int64_t result = aborted ? -ECANCELED : run_step(b, step, &next, &failed, &aborted);
		if (aborted) {
			b->result = result;
			__atomic_store_n(&b->state, SF_ABORTED, __ATOMIC_RELEASE);
			return;
		}
		if (step->result != SF_NO_RESULT) results(b)[step->result] = result;
		if (failed || !accepted(step, result)) {
			b->result = result;
			__atomic_store_n(&b->state, SF_FAILED, __ATOMIC_RELEASE);
			abort_all(shared(b));
			return;
		}
		b->done++;
		index = next;
	}
	__atomic_store_n(&b->state, SF_DONE, __ATOMIC_RELEASE);
}

/* The life of a task that was started for a block; it ends here, unless it parked and was taken over. */
EXEC void sf_executor_live(struct sf_block *b, uint64_t process)
{
	if (process != 0) (void)sys_prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* the parent may have died before */
	if (b->parent != 0 && sys_getppid() != (int64_t)b->parent) sys_exit_group(1);
	sf_executor_run(b);
	if (b->state != SF_DONE) sys_exit_group(1);
	if (process != 0) sys_exit_group(0);
	sys_exit_thread(0);
}

INLINE bool inside(uint64_t off, uint64_t count, uint64_t each, uint64_t size)
{
	return off <= size && count <= (size - off) / each;
}

INLINE bool good_step(const struct sf_block *b, const struct sf_step *s)
{
	if (s->result != SF_NO_RESULT && s->result >= b->nresults) return false;
	if (s->accept > SF_ACCEPT_OR) return false;
	for (unsigned i = 0; i < 6; i++) {
		uint32_t kind = (s->kinds >> (4 * i)) & 15;
		if (kind > SF_ARG_SELF) return false;
		if (kind == SF_ARG_RESULT && s->a[i] >= b->nresults) return false;
		if (kind == SF_ARG_DATA && s->a[i] > b->data_size) return false;
		if (kind == SF_ARG_BLOCK && s->a[i] > b->size) return false;
	}
	return s->op >= SF_OP_SYSCALL && s->op <= SF_OP_ADD;
}

EXEC int64_t sf_executor_check(const struct sf_block *b, uint64_t there)
{
	if (there < sizeof *b || b->magic != SF_BLOCK_MAGIC || b->size < sizeof *b) return -EBADMSG;
	if (b->size > SF_MAX_BLOCK || b->nsteps > SF_MAX_STEPS || b->nresults > SF_MAX_RESULTS) return -EOVERFLOW;
	if (((b->results_off | b->steps_off | b->shared) & 7) != 0 || (b->stack_off & 15) != 0) return -EBADMSG;
	if (b->results_off < sizeof *b || !inside(b->results_off, b->nresults, 8, there)) return -EBADMSG;
	if (b->steps_off < sizeof *b || !inside(b->steps_off, b->nsteps, sizeof(struct sf_step), there)) return -EBADMSG;
	if (b->data_off < sizeof *b || !inside(b->data_off, b->data_size, 1, there)) return -EBADMSG;
	if (there > b->size || b->stack_off > b->size || b->stack_off < b->data_off + (uint64_t)b->data_size + SF_MIN_STACK) return -EBADMSG;
	for (uint32_t i = 0; i < b->nsteps; i++) {
		if (!good_step(b, &steps(b)[i])) return -EBADMSG;
	}
	return 0;
}
