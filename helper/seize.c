/* Stopping threads and letting them go: SEIZE, DETACH, KILL, and waiting for what a thread does. */
#include "helper.h"

#define SEIZE_TIMEOUT 10000 /* ms, when the request says 0; a thread in an uninterruptible wait does not stop */

#define SPINS 200 /* looks before sleeping: being woken up costs more than most stops take */

static uint64_t deadline;

static uint64_t now_ms(void) { return now_ns() / 1000000; }

/* From now on a wait is interrupted every 10 ms after `ms` have passed. */
void deadline_start(uint32_t ms)
{
	deadline = now_ms() + ms;
	struct itimerval it = {0, 10000, ms / 1000, ms % 1000 * 1000 + 1};
	(void)sys_setitimer_real(&it);
}

void deadline_stop(void)
{
	struct itimerval it = {0, 0, 0, 0};
	(void)sys_setitimer_real(&it);
}

struct fail wait_tracee(uint32_t tid, uint32_t where, int *status)
{
	for (unsigned spin = 0;; spin++) {
		int64_t n = sys_wait4((int)tid, status, spin < SPINS ? WALL | WNOHANG : WALL);
		if (n == 0) continue;
		if (n == (int64_t)tid) return OK;
		if (n != -EINTR) return failed(where, tid, n < 0 ? n : -ESRCH);
		if (now_ms() >= deadline) return failed(SF_AT_TIMEOUT, tid, -ETIMEDOUT);
	}
}

static void seize_one(uint32_t tid, uint64_t options, bool taken, struct sf_seized *s)
{
	int64_t n = sys_ptrace(PTRACE_SEIZE, (int)tid, 0, options | PTRACE_O_SUSPEND_SECCOMP);
	s->seccomp_suspended = n == 0;
	if (n == -EPERM || n == -EINVAL) n = sys_ptrace(PTRACE_SEIZE, (int)tid, 0, options);
	if (n == 0) {
		struct fail f = tracee_add(tid, taken);
		n = f.error != 0 ? f.error : sys_ptrace(PTRACE_INTERRUPT, (int)tid, 0, 0);
	}
	s->tid = tid;
	s->status = (int32_t)n;
	if (n == -EPERM || n == -ESRCH) {
		char state = task_state(tid);
		s->zombie = state == 'Z' || state == 'X';
		/* one that has exited cannot be traced either, and may be reaped by now */
		if (state == 0) s->status = -ESRCH;
	}
}

/* Waits for the stop that INTERRUPT asked for; signals that were on their way before it are delivered as they are. */
static struct fail wait_seized(struct sf_seized *s)
{
	for (;;) {
		int status;
		TRY(wait_tracee(s->tid, SF_AT_WAIT, &status));
		s->wait_status = status;
		if (!W_STOPPED(status)) {
			tracee_remove(s->tid);
			s->zombie = 1;
			s->status = -ESRCH;
			return OK;
		}
		if (W_EVENT(status) == PTRACE_EVENT_STOP) {
			s->stop_signal = W_STOPSIG(status) == SIGTRAP ? 0 : (uint32_t)W_STOPSIG(status);
			return OK;
		}
		/* any stop uses the INTERRUPT up: ask again first, so that it stops before its next instruction */
		int64_t n = sys_ptrace(PTRACE_INTERRUPT, (int)s->tid, 0, 0);
		if (n == 0) n = sys_ptrace(PTRACE_CONT, (int)s->tid, 0, U(W_STOPSIG(status) & 0x7f));
		if (n < 0 && n != -ESRCH) return failed(SF_AT_WAIT, s->tid, n);
	}
}

static void ask_threads(const uint32_t *tids, uint32_t n, uint64_t options, struct sf_seized *out)
{
	for (uint32_t i = 0; i < n; i++) seize_one(tids[i], options, (options & PTRACE_O_EXITKILL) != 0, &out[i]);
}

static void await_threads(uint32_t n, uint64_t options, struct sf_seized *out)
{
	for (uint32_t i = 0; i < n; i++) {
		if (out[i].status != 0) continue;
		struct fail f = wait_seized(&out[i]);
		if (f.error == 0 && out[i].status == 0 && (options & PTRACE_O_EXITKILL) == 0) f = hide_interruption(out[i].tid);
		out[i].status = f.error != 0 ? f.error : out[i].status;
	}
}

struct fail seize_threads(const uint32_t *tids, uint32_t n, uint64_t options, struct sf_seized *out)
{
	ask_threads(tids, n, options, out);
	await_threads(n, options, out);
	return OK;
}

/* u32 timeout_ms (0: the default), u32 tid[] */
struct fail req_seize(struct request *rq, struct reply *rp)
{
	if (rq->size % 4 != 0 || rq->size < 4) return failed(SF_AT_DECODE, 0, -EBADMSG);
	const uint32_t *words = (const uint32_t *)rq->payload;
	uint32_t n = rq->size / 4 - 1;
	struct sf_seized *out = buffer_extend(&rp->out, n * sizeof *out);
	if (out == 0) return failed(SF_AT_MEMORY, 0, -ENOMEM);
	POINT(SF_AT_SEIZE, n > 0 ? words[1] : 0);
	deadline_start(words[0] != 0 ? words[0] : SEIZE_TIMEOUT);
	struct fail f = seize_threads(words + 1, n, PTRACE_O_TRACESYSGOOD, out);
	deadline_stop();
	TRY(f);
	POINT(SF_AT_WAIT, n > 0 ? words[1] : 0);
	return OK;
}

/* struct sf_thaw, u32 tid[], fd. A frozen thread is asked like any other, but does not come to its stop. */
struct fail req_seize_frozen(struct request *rq, struct reply *rp)
{
	const struct sf_thaw *thaw = (const struct sf_thaw *)rq->payload;
	if (rq->size % 4 != 0 || rq->size < sizeof *thaw || thaw->size > sizeof thaw->text || rq->fd < 0) return failed(SF_AT_DECODE, 0, -EBADMSG);
	const uint32_t *tids = (const uint32_t *)(thaw + 1);
	uint32_t n = (rq->size - (uint32_t)sizeof *thaw) / 4;
	struct sf_seized *out = buffer_extend(&rp->out, n * sizeof *out);
	if (out == 0) return failed(SF_AT_MEMORY, 0, -ENOMEM);
	POINT(SF_AT_SEIZE, n > 0 ? tids[0] : 0);
	ask_threads(tids, n, PTRACE_O_TRACESYSGOOD, out);
	POINT(SF_AT_WRITE, n > 0 ? tids[0] : 0);
	TRY(check(SF_AT_WRITE, 0, sys_write(rq->fd, thaw->text, thaw->size)));
	deadline_start(thaw->timeout_ms != 0 ? thaw->timeout_ms : SEIZE_TIMEOUT);
	await_threads(n, PTRACE_O_TRACESYSGOOD, out);
	deadline_stop();
	POINT(SF_AT_WAIT, n > 0 ? tids[0] : 0);
	return OK;
}

/* A dead tracee stays until its tracer has waited for it. True: it is gone. */
static bool reap_dead(uint32_t tid)
{
	int status;
	int64_t n = sys_wait4((int)tid, &status, WALL | WNOHANG);
	bool dead = (n == (int64_t)tid && !W_STOPPED(status)) || n == -ECHILD;
	if (dead) tracee_remove(tid);
	return dead;
}

static int32_t detach_one(const struct sf_detach *d)
{
	struct tracee *t = tracee_find(d->tid);
	if (t == 0) return -ESRCH;
	/* a stop signal is queued, not injected: that works from every kind of stop */
	int64_t n = d->signal != 0 ? sys_tkill((int)d->tid, (int)d->signal) : 0;
	if (n == 0 && t->taken != 0) n = sys_ptrace(PTRACE_SETOPTIONS, (int)d->tid, 0, 0);
	int64_t gone = sys_ptrace(PTRACE_DETACH, (int)d->tid, 0, 0);
	if (gone == 0) tracee_remove(d->tid);
	else reap_dead(d->tid);
	return (int32_t)(n != 0 ? n : gone);
}

struct fail req_detach(struct request *rq, struct reply *rp)
{
	if (rq->size % sizeof(struct sf_detach) != 0) return failed(SF_AT_DECODE, 0, -EBADMSG);
	uint32_t n = rq->size / sizeof(struct sf_detach);
	const struct sf_detach *d = (const struct sf_detach *)rq->payload;
	int32_t *out = buffer_extend(&rp->out, n * sizeof *out);
	if (out == 0) return failed(SF_AT_MEMORY, 0, -ENOMEM);
	for (uint32_t i = 0; i < n; i++) {
		POINT(SF_AT_DETACH, d[i].tid);
		out[i] = detach_one(&d[i]);
	}
	return OK;
}

static void reap_tracees(void)
{
	struct tracee *t;
	for (uint32_t i = 0; (t = tracee_at(i)) != 0;) {
		if (!reap_dead(t->tid)) i++;
	}
}

static int32_t wait_dead(uint32_t pid, uint64_t until)
{
	for (;;) {
		int status;
		reap_tracees();
		(void)sys_wait4((int)pid, &status, WALL | WNOHANG);
		char state = task_state(pid);
		if (state == 0 || state == 'Z' || state == 'X') return 0;
		if (now_ms() > until) return -ETIMEDOUT;
		autofd pidfd = (int)sys_pidfd_open((int)pid);
		struct pollfd p = {pidfd, POLLIN, 0};
		(void)sys_poll(&p, pidfd >= 0 ? 1 : 0, 1);
	}
}

/*
 * Helps a task that dies to give its memory back (Linux 5.15): both of us take what the other has not taken yet, 16 ms a GiB in place of 24. Where many die they use all
 * processors anyway.
 */
#define FEW 16
static void help_release(uint32_t pid)
{
	autofd pidfd = (int)sys_pidfd_open((int)pid);
	if (pidfd >= 0) (void)sys_process_mrelease(pidfd);
}

struct fail req_kill(struct request *rq, struct reply *rp)
{
	if (rq->size % 4 != 0) return failed(SF_AT_DECODE, 0, -EBADMSG);
	uint32_t n = rq->size / 4;
	const uint32_t *pids = (const uint32_t *)rq->payload;
	int32_t *out = buffer_extend(&rp->out, n * sizeof *out);
	if (out == 0) return failed(SF_AT_MEMORY, 0, -ENOMEM);
	for (uint32_t i = 0; i < n; i++) {
		POINT(SF_AT_KILL, pids[i]);
		/* 0 and negative numbers would be groups, 1 is init */
		out[i] = pids[i] < 2 || pids[i] > 0x7fffffff ? -EINVAL : (int32_t)sys_kill((int)pids[i], SIGKILL);
	}
	for (uint32_t i = 0; i < n && n <= FEW; i++) {
		if (out[i] == 0) help_release(pids[i]);
	}
	uint64_t until = now_ms() + SEIZE_TIMEOUT;
	for (uint32_t i = 0; i < n; i++) {
		if (out[i] == 0) out[i] = wait_dead(pids[i], until);
	}
	return OK;
}
