/*
 * RUN: a block in a thread that must not be harmed. docs/architecture.md has the picture; landing.S is the way in and out.
 * The order of things is what makes it safe: at every instruction the thread, left alone, finds its way home. So any failure
 * here may just return: DETACH (or our death) lets the stub do the rest.
 */
#include "executor.h"
#include "helper.h"
#include "landing.h"

#define KEPT_MAX 8
/* Never blocked while the executor runs: the kernel would reset the handler of a blocked one that it has to force. */
#define SYNCHRONOUS (SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGILL) | SIGBIT(SIGFPE) | SIGBIT(SIGTRAP) | SIGBIT(SIGSYS))

/* Two landings beside each other in a page: what is written to both in one go, no death of ours can do by halves. */
struct pair {
	uint64_t at; /* 0: there is but one landing */
	uint8_t stubs[2 * SF_LANDING_SIZE];
};

struct run {
	uint32_t tid, done_signal, take; /* take: as in struct sf_run, 0 when done */
	int64_t taken;
	uint64_t results; /* address of the block's results in the task */
	uint64_t landing, region, region_size; /* region: while it is this thread's to unmap */
	int mem;
	bool wrote;  /* there is a stub for it */
	bool inside; /* its registers are in the stub or the executor */
	struct user_regs home;
	uint64_t home_mask;
	struct siginfo kept[KEPT_MAX]; /* signals that came meanwhile */
	uint32_t nkept;
};

static uint64_t stub_address(const struct run *r, const uint8_t *symbol) { return r->landing + (uint64_t)(symbol - sf_landing); }
static uint64_t run_mask(const struct run *r) { return ~(SYNCHRONOUS | (r->done_signal != 0 ? SIGBIT(r->done_signal) : 0)); }
static bool is_errno(uint64_t value) { return value >= (uint64_t)-4095; }

/* Word by word: for kernels that let nobody write read-only memory through /proc/PID/mem (proc_mem.force_override). */
static MUST_CHECK struct fail poke_task(const struct run *r, uint32_t where, uint64_t address, const uint8_t *from, uint64_t size)
{
	for (uint64_t done = 0; done < size; done += 8) {
		uint64_t word = 0, part = size - done < 8 ? size - done : 8;
		if (part < 8) TRY(read_task(r->tid, r->mem, address + done, &word, 8));
		memcpy(&word, from + done, part);
		TRY(check(where, r->tid, sys_ptrace(PTRACE_POKEDATA, (int)r->tid, address + done, word)));
	}
	return OK;
}

/* Whether this kernel has no such limit. Writes what is there already. */
static bool writes_in_one_go(const struct run *r)
{
	uint8_t stub[SF_LANDING_SIZE];
	return sys_pread(r->mem, stub, sizeof stub, r->landing) == (int64_t)sizeof stub && sys_pwrite(r->mem, stub, sizeof stub, r->landing) == (int64_t)sizeof stub;
}

static MUST_CHECK struct fail write_task(const struct run *r, uint32_t where, uint64_t address, const void *from, uint64_t size)
{
	const uint8_t *p = from;
	while (size > 0) {
		struct fail planned = faults_enabled ? fault_point(SF_AT_WRITE, r->tid) : OK;
		int64_t n = planned.error != 0 ? planned.error : sys_pwrite(r->mem, p, size, address);
		if (n == -EINTR) continue;
		if (n == -EIO || n == -EACCES || n == -EPERM || n == -EFAULT) return poke_task(r, where, address, p, size);
		if (n <= 0) return failed(where, r->tid, n < 0 ? n : -EFAULT);
		p += n;
		address += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return OK;
}

/*
 * A stub may be written over only when nobody is on the way through it: neither a thread that this helper could not bring
 * home, nor (a stub left by another helper) a thread that has not left it yet.
 */
static MUST_CHECK struct fail nobody_inside(const struct run *r, bool left_behind)
{
	struct tracee *t;
	for (uint32_t i = 0; (t = tracee_at(i)) != 0; i++) {
		struct user_regs regs;
		if (t->landing == r->landing) return failed(SF_AT_LANDING, t->tid, -EBUSY);
		if (!left_behind || t->taken != 0) continue;
		TRY(get_regs(t->tid, &regs));
		if (regs.rip - r->landing < SF_LANDING_SIZE) return failed(SF_AT_LANDING, t->tid, -EBUSY);
	}
	return OK;
}

/* The stub for a thread, as it is written to its landing. */
static void make_stub(const struct run *r, bool mine, uint8_t stub[SF_LANDING_SIZE])
{
	struct landing_slots slots;
	uint64_t code = (uint64_t)(sf_landing_slots - sf_landing), size = (uint64_t)(sf_landing_end - sf_landing);
	const struct user_regs *h = &r->home;
	memset(stub, 0, SF_LANDING_SIZE);
	memcpy(stub, sf_landing, size);
	slots = (struct landing_slots){
		.region_size = (uint32_t)r->region_size, .executor_size = EXECUTOR_PAGES, .done_signal = r->done_signal, .mine = mine,
		.run_mask = run_mask(r), .home_mask = r->home_mask,
		.r15 = h->r15, .r14 = h->r14, .r13 = h->r13, .r12 = h->r12, .rbp = h->rbp, .rbx = h->rbx, .r9 = h->r9, .r8 = h->r8,
		.eflags = h->eflags, .r11 = h->r11, .r10 = h->r10, .rax = h->rax, .rcx = h->rcx, .rdx = h->rdx, .rsi = h->rsi,
		.rdi = h->rdi, .rsp = h->rsp, .rip = h->rip,
	};
	if ((int64_t)h->orig_rax >= 0) {
		/* an interrupted system call starts again, as the kernel would do it */
		int64_t result = (int64_t)h->rax;
		if (result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND) {
			slots.rax = h->orig_rax;
			slots.rip = h->rip - 2;
		} else if (result == -ERESTART_RESTARTBLOCK) {
			slots.rax = 219; /* restart_syscall */
			slots.rip = h->rip - 2;
		}
	}
	memcpy(stub + code, &slots, sizeof slots);
}

/* That a landing may be written over: it is unused, or a stub lies there that nobody needs. */
static MUST_CHECK struct fail check_landing(const struct run *r)
{
	uint8_t there[SF_LANDING_SIZE];
	TRY(read_task(r->tid, r->mem, r->landing, there, sizeof there));
	bool ours = memcmp(there + SF_LANDING_TAG_AT, sf_landing + SF_LANDING_TAG_AT, SF_LANDING_TAG) == 0;
	if (!ours && !is_zero(there, sizeof there)) return failed(SF_AT_LANDING, r->tid, -EEXIST);
	return nobody_inside(r, ours);
}

static MUST_CHECK struct fail write_stub(struct run *r)
{
	uint8_t stub[SF_LANDING_SIZE];
	TRY(check_landing(r));
	make_stub(r, true, stub);
	r->wrote = true;
	return write_task(r, SF_AT_LANDING, r->landing, stub, sizeof stub);
}

/* A signal that is not ours came: it is taken off the thread and sent again when the thread is home. */
static MUST_CHECK struct fail keep_signal(struct run *r, int sig)
{
	struct siginfo info;
	TRY(check(SF_AT_SIGINFO, r->tid, sys_ptrace(PTRACE_GETSIGINFO, (int)r->tid, 0, U(&info))));
	if ((SYNCHRONOUS & SIGBIT(sig)) != 0 && info.code > 0) return failed(SF_AT_INJECT_RUN, r->tid, -EFAULT);
	if (r->nkept < KEPT_MAX) r->kept[r->nkept++] = info;
	return OK;
}

static void send_kept(struct run *r)
{
	for (uint32_t i = 0; i < r->nkept; i++) {
		/* what the kernel or kill() sent cannot be sent again as such: then the plain signal */
		int64_t n = raw4(NR_rt_tgsigqueueinfo, r->tid, r->tid, r->kept[i].signo, &r->kept[i]);
		if (n < 0) (void)sys_tkill((int)r->tid, r->kept[i].signo);
	}
	r->nkept = 0;
}

/* The block has paused: the descriptor it made is still open. Left alone it goes on and closes it. */
static void take_descriptor(struct run *r)
{
	int64_t number = -EBADF;
	struct fail f = read_task(r->tid, r->mem, r->results + 8ull * (r->take - 1), &number, 8);
	r->take = 0;
	r->taken = f.error != 0 ? f.error : number;
	if (r->taken < 0) return;
	autofd task = (int)sys_pidfd_open((int)r->tid);
	r->taken = task < 0 ? task : raw3(NR_pidfd_getfd, task, number, 0);
}

/* Whether this stop is the block's own tkill, not one of the landing's. */
static bool is_pause(const struct run *r, const struct user_regs *regs)
{
	return r->take != 0 && regs->orig_rax == NR_tkill && regs->rip - r->region < EXECUTOR_PAGES;
}

/*
 * Lets the thread go on until it stops at `rip`: at the done signal, or without one at the exit of the call before `rip`.
 */
static MUST_CHECK struct fail run_to(struct run *r, uint64_t rip, struct user_regs *regs)
{
	int how = r->done_signal == 0 ? PTRACE_SYSCALL : PTRACE_CONT;
	for (;;) {
		int status;
		TRY(check(SF_AT_INJECT_RUN, r->tid, sys_ptrace(how, (int)r->tid, 0, 0)));
		TRY(wait_tracee(r->tid, SF_AT_INJECT_RUN, &status));
		if (!W_STOPPED(status)) {
			tracee_remove(r->tid);
			return failed(SF_AT_DIED, r->tid, -ESRCH);
		}
		int sig = W_STOPSIG(status);
		if (W_EVENT(status) != 0) continue; /* group stop, or its end: it goes on stopped after DETACH */
		if (sig == (SIGTRAP | 0x80)) {
			TRY(get_regs(r->tid, regs));
			if (regs->rip == rip && (int64_t)regs->rax != -ENOSYS) return OK;
			if ((int64_t)regs->rax != -ENOSYS && is_pause(r, regs)) take_descriptor(r);
		} else if (sig == (int)r->done_signal) {
			TRY(get_regs(r->tid, regs));
			if (regs->rip == rip) return OK;
			if (is_pause(r, regs)) take_descriptor(r);
		} else {
			TRY(keep_signal(r, sig));
		}
	}
}

/* Registers and mask of a thread that does not have a region, or has it no more. */
static MUST_CHECK struct fail be_home(struct run *r)
{
	POINT(SF_AT_SETMASK, r->tid);
	TRY(set_mask(r->tid, r->home_mask));
	POINT(SF_AT_SETREGS, r->tid);
	TRY(set_regs(r->tid, &r->home));
	r->inside = false;
	tracee_find(r->tid)->landing = 0;
	return OK;
}

/* The short way home, from any stop inside the stub or the executor. */
static MUST_CHECK struct fail go_home(struct run *r)
{
	struct user_regs regs;
	if (r->region != 0) {
		POINT(SF_AT_INJECT_UNMAP, r->tid);
		TRY(get_regs(r->tid, &regs));
		regs.rip = stub_address(r, sf_landing_out);
		regs.rbx = r->region;
		regs.orig_rax = ~0ull;
		TRY(set_regs(r->tid, &regs));
		POINT(SF_AT_INJECT_UNMAP, r->tid);
		TRY(run_to(r, stub_address(r, sf_landing_mark3), &regs));
		if (regs.rbp != 0) return failed(SF_AT_INJECT_UNMAP, r->tid, (int64_t)regs.rbp);
		r->region = 0;
	}
	TRY(be_home(r));
	POINT(SF_AT_LANDING, r->tid);
	return OK;
}

/* Once they are home; what went wrong before is what counts. */
static struct fail clear_landings(const struct run *runs, uint32_t n, struct fail f)
{
	uint8_t zero[SF_LANDING_SIZE];
	memset(zero, 0, sizeof zero);
	for (uint32_t i = 0; i < n; i++) {
		if (!runs[i].wrote || runs[i].inside) continue;
		struct fail cleared = write_task(&runs[i], SF_AT_LANDING, runs[i].landing, zero, sizeof zero);
		if (cleared.error == 0 && faults_enabled) cleared = fault_point(SF_AT_LANDING, runs[i].tid);
		if (f.error == 0) f = cleared;
	}
	return f;
}

/* From the stub's first instruction to mark 1: afterwards the region is mapped. */
static MUST_CHECK struct fail enter(struct run *r)
{
	struct user_regs regs = r->home;
	regs.rip = r->landing;
	regs.rbx = 0;
	regs.orig_rax = ~0ull;
	regs.eflags = 0x202;
	POINT(SF_AT_SETREGS, r->tid);
	TRY(set_regs(r->tid, &regs));
	r->inside = true;
	POINT(SF_AT_SETMASK, r->tid);
	TRY(set_mask(r->tid, run_mask(r)));
	POINT(SF_AT_INJECT_MAP, r->tid);
	TRY(run_to(r, stub_address(r, sf_landing_mark1), &regs));
	if (is_errno(regs.rbx)) return failed(SF_AT_INJECT_MAP, r->tid, (int64_t)regs.rbx);
	r->region = regs.rbx;
	if (regs.rbp != 0) return failed(SF_AT_INJECT_MAP, r->tid, (int64_t)regs.rbp);
	POINT(SF_AT_INJECT_MAP, r->tid);
	return OK;
}

/* Until the block has run; what it left is appended to `out`. */
static MUST_CHECK struct fail finish_block(struct run *r, const struct sf_block *b, uint64_t size, struct buffer *out)
{
	struct user_regs regs;
	uint64_t at = r->region + EXECUTOR_PAGES;
	r->results = at + b->results_off;
	uint32_t take = r->take;
	r->taken = -ENODATA;
	TRY(run_to(r, stub_address(r, sf_landing_mark2), &regs));
	POINT(SF_AT_INJECT_READ, r->tid);
	TRY(buffer_reserve(out, out->size + size));
	TRY(read_task(r->tid, r->mem, at, out->data + out->size, size));
	if (take != 0) memcpy(out->data + out->size + b->results_off + 8ull * (take - 1), &r->taken, 8);
	out->size += size;
	POINT(SF_AT_INJECT_READ, r->tid);
	return OK;
}

static MUST_CHECK struct fail execute(struct run *r, const uint8_t *block, uint64_t size, struct buffer *out)
{
	struct user_regs regs;
	uint64_t at = r->region + EXECUTOR_PAGES;
	const struct sf_block *b = (const struct sf_block *)block;
	POINT(SF_AT_INJECT_WRITE, r->tid);
	TRY(write_task(r, SF_AT_INJECT_WRITE, r->region, __start_executor, SF_EXECUTOR_SIZE));
	POINT(SF_AT_INJECT_WRITE, r->tid);
	TRY(write_task(r, SF_AT_INJECT_WRITE, at, block, size));
	POINT(SF_AT_INJECT_WRITE, r->tid);
	TRY(get_regs(r->tid, &regs));
	regs.rip = stub_address(r, sf_landing_go);
	regs.r12 = SF_EXECUTOR_AT(r->region, sf_executor_entry);
	regs.rdi = at;
	regs.rsp = at + b->stack_off;
	regs.orig_rax = ~0ull;
	TRY(set_regs(r->tid, &regs));
	POINT(SF_AT_INJECT_RUN, r->tid);
	return finish_block(r, b, size, out);
}

/* A block that does not come back is interrupted; its thread must stop before it can be sent home. */
static MUST_CHECK struct fail interrupt(struct run *r)
{
	deadline_start(1000);
	TRY(check(SF_AT_INTERRUPT, r->tid, sys_ptrace(PTRACE_INTERRUPT, (int)r->tid, 0, 0)));
	/* whichever stop comes first uses the INTERRUPT up */
	int status;
	TRY(wait_tracee(r->tid, SF_AT_INTERRUPT, &status));
	if (!W_STOPPED(status)) {
		tracee_remove(r->tid);
		return failed(SF_AT_DIED, r->tid, -ESRCH);
	}
	int sig = W_STOPSIG(status);
	bool ours = W_EVENT(status) != 0 || sig == (SIGTRAP | 0x80) || sig == (int)r->done_signal;
	return ours ? OK : keep_signal(r, sig);
}

/* What is known of a thread before it is touched. */
static MUST_CHECK struct fail look(struct run *r)
{
	struct rseq_configuration rseq;
	bool moved;
	POINT(SF_AT_GETREGS, r->tid);
	TRY(get_regs(r->tid, &r->home));
	if (tracee_find(r->tid)->landing != 0 || r->home.rip - r->landing < SF_LANDING_SIZE) return failed(SF_AT_LANDING, r->tid, -EBUSY);
	TRY(leave_rseq(r->tid, &r->home, &rseq, &moved));
	POINT(SF_AT_GETMASK, r->tid);
	TRY(get_mask(r->tid, &r->home_mask));
	POINT(SF_AT_LANDING, r->tid);
	return OK;
}

/* A thread with a region of its own. It is inside afterwards, or was brought home, or finds home alone. */
static MUST_CHECK struct fail run_first(struct run *r, const uint8_t *block, uint64_t size, struct buffer *out)
{
	TRY(look(r));
	TRY(write_stub(r));
	tracee_find(r->tid)->landing = r->landing;
	POINT(SF_AT_LANDING, r->tid);
	TRY(enter(r));
	return execute(r, block, size, out);
}

/*
 * The next thread, with the region of the one before, which goes home. That one stands in its stub, behind its executor. The next is sent
 * into its own stub, which leaves the region alone; then the region changes hands, in one write; then the first is brought home.
 */
static MUST_CHECK struct fail run_next(struct run *last, struct run *r, struct pair *pair, const uint8_t *block, uint64_t size, struct buffer *out)
{
	const struct sf_block *b = (const struct sf_block *)block;
	uint64_t at = last->region + EXECUTOR_PAGES, mine = (uint64_t)(sf_landing_slots - sf_landing) + __builtin_offsetof(struct landing_slots, mine);
	uint8_t *stub = pair->stubs + (r->landing - pair->at), *other = pair->stubs + (last->landing - pair->at);
	uint32_t yes = 1, no = 0;
	TRY(look(r));
	POINT(SF_AT_INJECT_WRITE, r->tid);
	TRY(write_task(r, SF_AT_INJECT_WRITE, at, block, size));
	make_stub(last, true, other);
	make_stub(r, false, stub);
	r->wrote = true;
	POINT(SF_AT_LANDING, r->tid);
	TRY(write_task(r, SF_AT_LANDING, r->landing, stub, SF_LANDING_SIZE));
	struct user_regs regs = r->home;
	regs.rip = r->landing;
	regs.rbx = last->region;
	regs.r12 = SF_EXECUTOR_AT(last->region, sf_executor_entry);
	regs.r13 = at;
	regs.r14 = at + b->stack_off;
	regs.orig_rax = ~0ull;
	regs.eflags = 0x202;
	POINT(SF_AT_SETREGS, r->tid);
	TRY(set_regs(r->tid, &regs));
	tracee_find(r->tid)->landing = r->landing;
	r->inside = true;
	memcpy(other + mine, &no, sizeof no);
	memcpy(stub + mine, &yes, sizeof yes);
	POINT(SF_AT_LANDING, r->tid);
	TRY(write_task(r, SF_AT_LANDING, pair->at, pair->stubs, sizeof pair->stubs));
	r->region = last->region;
	last->region = 0;
	TRY(be_home(last));
	send_kept(last);
	POINT(SF_AT_SETMASK, r->tid);
	TRY(set_mask(r->tid, run_mask(r)));
	POINT(SF_AT_INJECT_RUN, r->tid);
	return finish_block(r, b, size, out);
}

/* Brings a thread home after whatever happened to it. The first failure is what counts. */
static struct fail end_run(struct run *r, struct fail f)
{
	if (!r->inside || (f.error != 0 && f.where == SF_AT_DIED && f.subject == r->tid)) return f;
	if (f.error == -ETIMEDOUT && f.where == SF_AT_TIMEOUT && f.subject == r->tid) {
		struct fail stopped = interrupt(r);
		if (stopped.error != 0) return stopped;
	}
	struct fail home = go_home(r);
	return f.error != 0 ? f : home;
}

static struct run new_run(const struct sf_run *q, uint32_t tid, const uint8_t *block, int mem)
{
	return (struct run){
		.tid = tid, .done_signal = q->done_signal, .take = q->take, .taken = -ENODATA, .landing = q->landing, .mem = mem,
		.region_size = EXECUTOR_PAGES + ROUND_UP(((const struct sf_block *)block)->size, PAGE_SIZE),
	};
}

static MUST_CHECK struct fail run_thread(const struct sf_run *q, uint32_t tid, const uint8_t *block, uint64_t size, struct buffer *out)
{
	if (tracee_find(tid) == 0) return failed(SF_AT_DECODE, tid, -ESRCH);
	autofd mem = -1;
	TRY(proc_open(tid, "mem", O_RDWR, &mem));
	struct run r = new_run(q, tid, block, mem);
	struct fail f = end_run(&r, run_first(&r, block, size, out));
	f = clear_landings(&r, 1, f);
	if (f.error != 0 && r.taken >= 0) (void)sys_close((int)r.taken);
	send_kept(&r);
	return f;
}

static MUST_CHECK struct fail run_each(const struct sf_run *q, const uint32_t *tids, const uint8_t *block, uint64_t size, struct buffer *out)
{
	for (uint32_t i = 0; i < q->ntids; i++) TRY(run_thread(q, tids[i], block, size, out));
	return OK;
}

/* Threads that take turns at two landings. */
static MUST_CHECK struct fail run_together(const struct sf_run *q, const uint32_t *tids, int mem, const uint8_t *block, uint64_t size, struct buffer *out)
{
	struct pair pair = {.at = q->landing < q->second ? q->landing : q->second};
	struct run runs[2] = {new_run(q, tids[0], block, mem), new_run(q, tids[0], block, mem)};
	runs[1].landing = q->second;
	uint32_t i = 0;
	struct fail f = run_first(&runs[0], block, size, out);
	while (f.error == 0 && ++i < q->ntids) {
		struct run *last = &runs[(i - 1) % 2], *r = &runs[i % 2];
		*r = new_run(q, tids[i], block, mem);
		if (i % 2 != 0) r->landing = q->second;
		f = run_next(last, r, &pair, block, size, out);
	}
	/* after a failure two may be inside */
	for (uint32_t k = 0; k < 2; k++) f = end_run(&runs[k], f);
	f = clear_landings(runs, 2, f);
	for (uint32_t k = 0; k < 2; k++) send_kept(&runs[k]);
	return f;
}

/* Threads of the process `pid`: they have its memory. */
static MUST_CHECK struct fail run_process(const struct sf_run *q, const uint32_t *tids, const uint8_t *block, uint64_t size, struct buffer *out)
{
	for (uint32_t i = 0; i < q->ntids; i++) {
		if (tracee_find(tids[i]) == 0 || sys_tgkill((int)q->pid, (int)tids[i], 0) == -ESRCH) return failed(SF_AT_DECODE, tids[i], -ESRCH);
	}
	autofd mem = -1;
	TRY(proc_open(q->pid, "mem", O_RDWR, &mem));
	struct run second = new_run(q, tids[0], block, mem);
	second.landing = q->second;
	return check_landing(&second).error == 0 && writes_in_one_go(&second) ? run_together(q, tids, mem, block, size, out) : run_each(q, tids, block, size, out);
}

/* struct sf_run, u32 tid[] padded to 8, block -> that block once for each thread */
struct fail req_run(struct request *rq, struct reply *rp)
{
	struct sf_run q;
	if (rq->size < sizeof q) return failed(SF_AT_DECODE, 0, -EBADMSG);
	memcpy(&q, rq->payload, sizeof q);
	uint64_t head = sizeof q + ROUND_UP(4ull * q.ntids, 8);
	if (rq->size < head + sizeof(struct sf_block)) return failed(SF_AT_DECODE, 0, -EBADMSG);
	const uint32_t *tids = (const uint32_t *)(rq->payload + sizeof q);
	const uint8_t *block = rq->payload + head;
	uint64_t size = rq->size - head;
	bool synchronous = q.done_signal != 0 && q.done_signal <= 64 && (SYNCHRONOUS & SIGBIT(q.done_signal)) != 0;
	if (q.done_signal > 64 || synchronous || q.landing % 16 != 0) return failed(SF_AT_DECODE, 0, -EINVAL);
	bool beside = q.landing + SF_LANDING_SIZE == q.second || q.second + SF_LANDING_SIZE == q.landing;
	if (q.second != 0 && (!beside || q.landing / PAGE_SIZE != q.second / PAGE_SIZE)) return failed(SF_AT_DECODE, 0, -EINVAL);
	TRY(check(SF_AT_DECODE, 0, sf_executor_check((const struct sf_block *)block, size)));
	if (q.take > ((const struct sf_block *)block)->nresults || (q.take != 0 && q.ntids != 1)) return failed(SF_AT_DECODE, 0, -EINVAL);
	deadline_start(q.timeout_ms != 0 ? q.timeout_ms : 10000);
	struct fail f = q.ntids > 1 && q.second != 0 ? run_process(&q, tids, block, size, &rp->out) : run_each(&q, tids, block, size, &rp->out);
	deadline_stop();
	return f;
}
