/*
 * RUN: a block in a thread that must not be harmed. docs/architecture.md has the picture; landing.S is the way in and out.
 * The order of things is what makes it safe: at every instruction the thread, left alone, finds its way home. So any failure
 * here may just return: DETACH (or our death) lets the stub do the rest.
 */
#include "inject.h"



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
bool writes_in_one_go(const struct run *r)
{
	uint8_t stub[SF_LANDING_SIZE];
	return sys_pread(r->mem, stub, sizeof stub, r->landing) == (int64_t)sizeof stub && sys_pwrite(r->mem, stub, sizeof stub, r->landing) == (int64_t)sizeof stub;
}

struct fail write_task(const struct run *r, uint32_t where, uint64_t address, const void *from, uint64_t size)
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
 * A stub that lies there already may be written over only when nobody is on the way through it: neither a thread that this helper could
 * not bring home, nor (a stub left by another helper) a thread that has not left it yet.
 */
static MUST_CHECK struct fail nobody_inside(const struct run *r)
{
	struct tracee *t;
	for (uint32_t i = 0; (t = tracee_at(i)) != 0; i++) {
		struct user_regs regs;
		if (t->landing == r->landing) return failed(SF_AT_LANDING, t->tid, -EBUSY);
		if (t->taken != 0) continue;
		TRY(get_regs(t->tid, &regs));
		if (regs.rip - r->landing < SF_LANDING_SIZE) return failed(SF_AT_LANDING, t->tid, -EBUSY);
	}
	return OK;
}

/* The stub for a thread, as it is written to its landing. */
void make_stub(const struct run *r, bool mine, uint8_t stub[SF_LANDING_SIZE])
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
struct fail check_landing(const struct run *r)
{
	uint8_t there[SF_LANDING_SIZE];
	TRY(read_task(r->tid, r->mem, r->landing, there, sizeof there));
	if (is_zero(there, sizeof there)) return OK;
	bool ours = memcmp(there + SF_LANDING_TAG_AT, sf_landing + SF_LANDING_TAG_AT, SF_LANDING_TAG) == 0;
	return ours ? nobody_inside(r) : failed(SF_AT_LANDING, r->tid, -EEXIST);
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

void send_kept(struct run *r)
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

static MUST_CHECK struct fail go_on(const struct run *r)
{
	return check(SF_AT_INJECT_RUN, r->tid, sys_ptrace(r->done_signal == 0 ? PTRACE_SYSCALL : PTRACE_CONT, (int)r->tid, 0, 0));
}

struct fail resume(struct run *r, uint64_t rip)
{
	TRY(go_on(r));
	r->awaits = rip;
	return OK;
}

/* It stops at the done signal, or without one at the exit of the call before the place. */
struct fail await(struct run *r, struct user_regs *regs)
{
	for (uint64_t rip = r->awaits;;) {
		int status;
		TRY(wait_tracee(r->tid, SF_AT_INJECT_RUN, &status));
		r->awaits = 0;
		if (!W_STOPPED(status)) {
			tracee_remove(r->tid);
			return failed(SF_AT_DIED, r->tid, -ESRCH);
		}
		int sig = W_STOPSIG(status);
		bool call = sig == (SIGTRAP | 0x80), done = sig == (int)r->done_signal;
		if (W_EVENT(status) != 0) {
			/* group stop, or its end: it goes on stopped after DETACH */
		} else if (call || done) {
			TRY(get_regs(r->tid, regs));
			bool entry = call && (int64_t)regs->rax == -ENOSYS;
			if (!entry && regs->rip == rip) return OK;
			if (!entry && is_pause(r, regs)) take_descriptor(r);
		} else {
			TRY(keep_signal(r, sig));
		}
		TRY(resume(r, rip));
	}
}

/* Registers and mask of a thread that does not have a region, or has it no more. */
struct fail be_home(struct run *r)
{
	POINT(SF_AT_SETMASK, r->tid);
	TRY(set_mask(r->tid, r->home_mask));
	POINT(SF_AT_SETREGS, r->tid);
	TRY(set_regs(r->tid, &r->home));
	r->inside = false;
	tracee_find(r->tid)->landing = 0;
	return OK;
}

/* On the short way home, from any stop inside the stub or the executor. */
struct fail send_out(struct run *r)
{
	struct user_regs regs;
	POINT(SF_AT_INJECT_UNMAP, r->tid);
	TRY(get_regs(r->tid, &regs));
	regs.rip = stub_address(r, sf_landing_out);
	regs.rbx = r->region;
	regs.orig_rax = ~0ull;
	TRY(set_regs(r->tid, &regs));
	POINT(SF_AT_INJECT_UNMAP, r->tid);
	return resume(r, stub_address(r, sf_landing_mark3));
}

/* Its region is unmapped then. */
struct fail come_out(struct run *r)
{
	struct user_regs regs;
	TRY(await(r, &regs));
	if (regs.rbp != 0) return failed(SF_AT_INJECT_UNMAP, r->tid, (int64_t)regs.rbp);
	r->region = 0;
	TRY(be_home(r));
	POINT(SF_AT_LANDING, r->tid);
	return OK;
}

static MUST_CHECK struct fail go_home(struct run *r)
{
	if (r->region == 0) return be_home(r);
	TRY(send_out(r));
	return come_out(r);
}

/* Once they are home; what went wrong before is what counts. */
struct fail clear_landings(const struct run *runs, uint32_t n, struct fail f)
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

/* To the stub's first instruction, and on to mark 1. */
struct fail send_in(struct run *r)
{
	TRY(write_stub(r));
	tracee_find(r->tid)->landing = r->landing;
	POINT(SF_AT_LANDING, r->tid);
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
	return resume(r, stub_address(r, sf_landing_mark1));
}

/* At mark 1: the region is mapped. */
struct fail arrive(struct run *r)
{
	struct user_regs regs;
	TRY(await(r, &regs));
	if (is_errno(regs.rbx)) return failed(SF_AT_INJECT_MAP, r->tid, (int64_t)regs.rbx);
	r->region = regs.rbx;
	if (regs.rbp != 0) return failed(SF_AT_INJECT_MAP, r->tid, (int64_t)regs.rbp);
	POINT(SF_AT_INJECT_MAP, r->tid);
	return OK;
}

/* Until the block has run; what it left is appended to `out`. */
struct fail finish_block(struct run *r, const struct sf_block *b, uint64_t size, struct buffer *out)
{
	struct user_regs regs;
	uint64_t at = r->region + EXECUTOR_PAGES;
	uint32_t take = r->take;
	TRY(await(r, &regs));
	POINT(SF_AT_INJECT_READ, r->tid);
	TRY(buffer_reserve(out, out->size + size));
	TRY(read_task(r->tid, r->mem, at, out->data + out->size, size));
	if (take != 0) memcpy(out->data + out->size + b->results_off + 8ull * (take - 1), &r->taken, 8);
	out->size += size;
	POINT(SF_AT_INJECT_READ, r->tid);
	return OK;
}

/* Executor and block into the region, and on to mark 2. */
struct fail load(struct run *r, const uint8_t *block, uint64_t size)
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
	r->results = at + b->results_off;
	POINT(SF_AT_INJECT_RUN, r->tid);
	return resume(r, stub_address(r, sf_landing_mark2));
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
struct fail look(struct run *r)
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

/* A thread that is still on its way comes to its stop first. */
static MUST_CHECK struct fail settle(struct run *r)
{
	bool first = r->awaits == stub_address(r, sf_landing_mark1);
	struct user_regs regs;
	deadline_start(1000);
	struct fail f = await(r, &regs);
	if (f.error == 0 && first && !is_errno(regs.rbx)) r->region = regs.rbx;
	if (f.error == -ETIMEDOUT && f.where == SF_AT_TIMEOUT) f = interrupt(r);
	else if (f.error != 0 && f.where != SF_AT_DIED && r->awaits == 0) f = OK; /* it stands somewhere else */
	if (f.error == 0) r->awaits = 0;
	return f;
}

struct fail end_run(struct run *r, struct fail f)
{
	if (!r->inside || (f.error != 0 && f.where == SF_AT_DIED && f.subject == r->tid)) return f;
	if (f.error == -ETIMEDOUT && f.where == SF_AT_TIMEOUT && f.subject == r->tid) {
		struct fail stopped = interrupt(r);
		if (stopped.error != 0) return stopped;
		r->awaits = 0;
	}
	struct fail home = r->awaits != 0 ? settle(r) : OK;
	if (home.error == 0) home = go_home(r);
	return f.error != 0 ? f : home;
}
