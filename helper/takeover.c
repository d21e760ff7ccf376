/*
 * TAKEOVER: from a parked thread of a restore to the thread that was dumped. Until DETACH all of them are under
 * PTRACE_O_EXITKILL: if the helper dies, no half-made process is left.
 */
#include "executor.h"
#include "helper.h"

struct cursor { const uint8_t *at; uint64_t left; };
struct plan { struct sf_takeover head; const uint8_t *calls, *xstate; };

static const uint8_t *take(struct cursor *c, uint64_t size)
{
	const uint8_t *at = c->at;
	if (size > c->left) return 0;
	c->at += size;
	c->left -= size;
	return at;
}

static MUST_CHECK struct fail next_plan(struct cursor *c, uint32_t index, struct plan *p)
{
	const uint8_t *head = take(c, sizeof p->head);
	if (head == 0) return failed(SF_AT_DECODE, index, -EBADMSG);
	memcpy(&p->head, head, sizeof p->head);
	p->calls = take(c, (uint64_t)p->head.ncalls * sizeof(struct sf_remote_call));
	p->xstate = take(c, ROUND_UP((uint64_t)p->head.xstate_size, 8));
	return p->calls == 0 || p->xstate == 0 ? failed(SF_AT_DECODE, index, -EBADMSG) : OK;
}

static bool accepted(const struct sf_remote_call *c, int64_t result)
{
	bool is_errno = result < 0 && result >= -4095;
	switch (c->accept) {
	case SF_ACCEPT_OK: return !is_errno;
	case SF_ACCEPT_ANY: return true;
	case SF_ACCEPT_EQ: return result == c->expect;
	case SF_ACCEPT_OR: return !is_errno || -result == c->expect;
	default: return false;
	}
}

/* Points a stopped thread at a system call. */
static MUST_CHECK struct fail aim(uint32_t tid, const struct sf_remote_call *c)
{
	struct user_regs regs;
	POINT(SF_AT_GETREGS, tid);
	TRY(get_regs(tid, &regs));
	regs.rip = SF_EXECUTOR_AT(arena_address, sf_executor_syscall);
	regs.orig_rax = ~0ull;
	regs.rax = c->nr;
	regs.rdi = c->a[0];
	regs.rsi = c->a[1];
	regs.rdx = c->a[2];
	regs.r10 = c->a[3];
	regs.r8 = c->a[4];
	regs.r9 = c->a[5];
	POINT(SF_AT_REMOTE_CALL, tid);
	return set_regs(tid, &regs);
}

static MUST_CHECK struct fail go_on(uint32_t tid)
{
	return check(SF_AT_REMOTE_CALL, tid, sys_ptrace(PTRACE_SYSCALL, (int)tid, 0, 0));
}

/* Until it enters its call, or leaves it: wherever the call left its memory, it stands there. */
static MUST_CHECK struct fail reach_stop(uint32_t tid)
{
	for (;;) {
		int status;
		TRY(wait_tracee(tid, SF_AT_REMOTE_CALL, &status));
		if (!W_STOPPED(status)) {
			tracee_remove(tid);
			return failed(SF_AT_DIED, tid, -ESRCH);
		}
		if (W_STOPSIG(status) == (SIGTRAP | 0x80)) return OK;
		if (W_EVENT(status) == 0) return failed(SF_AT_REMOTE_CALL, tid, -EFAULT);
		TRY(go_on(tid));
	}
}

static MUST_CHECK struct fail judge(uint32_t tid, const struct sf_remote_call *c, struct sf_taken *taken)
{
	struct user_regs regs;
	TRY(get_regs(tid, &regs));
	taken->result = (int64_t)regs.rax;
	if (accepted(c, taken->result)) return OK;
	return failed(SF_AT_REMOTE_CALL, tid, taken->result < 0 && taken->result >= -4095 ? taken->result : -EBADMSG);
}

static MUST_CHECK struct fail become(const struct plan *p)
{
	uint32_t tid = p->head.tid;
	struct user_regs regs;
	if (p->head.xstate_size != 0) {
		struct iovec iov = {(void *)(uintptr_t)p->xstate, p->head.xstate_size};
		POINT(SF_AT_SETXSTATE, tid);
		TRY(check(SF_AT_SETXSTATE, tid, sys_ptrace(PTRACE_SETREGSET, (int)tid, NT_X86_XSTATE, U(&iov))));
	}
	POINT(SF_AT_SETMASK, tid);
	TRY(set_mask(tid, p->head.sigmask));
	memcpy(&regs, p->head.regs, sizeof regs);
	POINT(SF_AT_SETREGS, tid);
	return set_regs(tid, &regs);
}

enum stage { AIM, ENTER, LEAVE, JUDGE, BECOME };

static MUST_CHECK struct fail step(enum stage stage, const struct plan *p, uint32_t call, struct sf_taken *taken)
{
	struct sf_remote_call c;
	if (stage == BECOME) return become(p);
	memcpy(&c, p->calls + call * sizeof c, sizeof c);
	taken->call = call;
	switch (stage) {
	case AIM:
		TRY(aim(p->head.tid, &c));
		return go_on(p->head.tid);
	case ENTER:
		TRY(reach_stop(p->head.tid));
		return go_on(p->head.tid);
	case LEAVE: return reach_stop(p->head.tid);
	default: return judge(p->head.tid, &c, taken);
	}
}

/* One stage of all of them: while one is on its way to its stop, the others are sent or waited for. */
static bool all_step(enum stage stage, const struct plan *p, uint32_t n, uint32_t call, struct sf_taken *out)
{
	bool good = true;
	for (uint32_t i = 0; i < n; i++) {
		if (stage != BECOME && call >= p[i].head.ncalls) continue;
		if (!good) {
			out[i].status = -ECANCELED;
			continue;
		}
		struct fail why = step(stage, &p[i], call, &out[i]);
		out[i].status = why.error;
		out[i].where = why.where;
		good = why.error == 0;
	}
	return good;
}

/* Those of one group, together. The calls of one are made in their order. */
static bool take_group(const struct plan *p, uint32_t n, struct sf_taken *out)
{
	uint32_t most = 0;
	for (uint32_t i = 0; i < n; i++) most = p[i].head.ncalls > most ? p[i].head.ncalls : most;
	for (uint32_t call = 0; call < most; call++) {
		for (enum stage stage = AIM; stage <= JUDGE; stage++) {
			if (!all_step(stage, p, n, call, out)) return false;
		}
	}
	return all_step(BECOME, p, n, 0, out);
}

/* Each thread: struct sf_takeover, remote calls, xstate (padded to 8 bytes), groups one after the other. Stops at the first that fails. */
struct fail req_takeover(struct request *rq, struct reply *rp)
{
	struct cursor c = {rq->payload, rq->size};
	autobuffer tids = {0, 0, 0}, plans = {0, 0, 0}, seized = {0, 0, 0};
	uint32_t n = 0;
	for (; c.left > 0; n++) {
		struct plan p;
		TRY(next_plan(&c, n, &p));
		TRY(buffer_append(&plans, &p, sizeof p));
		TRY(buffer_append(&tids, &p.head.tid, 4));
	}
	struct sf_seized *s = buffer_extend(&seized, n * sizeof *s);
	struct sf_taken *out = buffer_extend(&rp->out, n * sizeof *out);
	if (s == 0 || out == 0) return failed(SF_AT_MEMORY, 0, -ENOMEM);
	const struct plan *p = (const struct plan *)plans.data;
	POINT(SF_AT_SEIZE, n);
	deadline_start(10000);
	struct fail f = seize_threads((const uint32_t *)tids.data, n, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL, s);
	bool good = f.error == 0;
	for (uint32_t i = 0; i < n; i++) {
		out[i] = (struct sf_taken){s[i].tid, s[i].status, s[i].status != 0 ? SF_AT_SEIZE : 0, 0, 0};
		good = good && s[i].status == 0;
	}
	for (uint32_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && p[end].head.group == p[i].head.group;) end++;
		if (good) good = take_group(p + i, end - i, out + i);
		else for (uint32_t k = i; k < end; k++) if (out[k].status == 0) out[k].status = -ECANCELED;
	}
	deadline_stop();
	return f;
}
