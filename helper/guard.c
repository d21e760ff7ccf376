/*
 * The guard: a process that takes back what the helper did outside of itself, when the helper dies before it says that all is well. It holds
 * copies of the helper's descriptors and traces the helper: with PTRACE_O_TRACEEXIT whoever dies, also of SIGKILL, stops first and is held there, so
 * the helper's own tracees go on only after the guard has run its block. What the block takes back it does not know.
 *
 * Where it may not trace the helper (somebody else does: strace) it waits at a robust futex (get_robust_list(2)), which the kernel marks early in a
 * task's end: before its memory and its descriptors go, and so before its tracees are let go. Then it is a race, which the guard nearly always wins.
 */
#include "executor.h"
#include "helper.h"

#define SCHED_FIFO 1

/* <linux/futex.h>: whose the word is, that somebody waits, that its owner died. */
#define FUTEX_WAITERS 0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u

/* How far a guard is. The helper has one tracer at a time: the last guard goes before the new one traces. */
enum { COMES, MAY_TRACE, STANDS };

/* What guards and helper share. The robust list has the two slots: a new guard waits before the last one goes. */
struct slot { void *next; uint32_t word, stage; };
struct lifeline {
	struct { void *next; int64_t offset; void *pending; } head;
	struct slot slots[2];
};
static struct lifeline *lifeline;
static int guard_pid; /* 0: nobody */
static unsigned guard_slot;

/* First come, first served: threads that the helper traces are let go while it dies, and must not run before this has. */
static void hurry(void)
{
	int priority = 1;
	(void)sys_sched_setscheduler(0, SCHED_FIFO, &priority);
}

/* Until the helper is dead or dying; in the second case it is held until this process ends. */
static void trace_to_the_end(int helper)
{
	for (;;) {
		int status;
		int64_t n = sys_wait4(helper, &status, WALL);
		if (n == -EINTR) continue;
		if (n != helper || !W_STOPPED(status) || W_EVENT(status) == PTRACE_EVENT_EXIT) return;
		int signal = W_STOPSIG(status);
		if (W_EVENT(status) == 0) (void)sys_ptrace(PTRACE_CONT, helper, 0, U(signal & 0x7f));
		else (void)sys_ptrace(signal == SIGTRAP ? PTRACE_CONT : PTRACE_LISTEN, helper, 0, 0);
	}
}

static void wait_for_mark(uint32_t *word, uint32_t alive)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == alive) (void)sys_futex(word, FUTEX_WAIT, alive, 0);
}

static __attribute__((noreturn)) void stand_guard(struct slot *slot, uint32_t alive, struct sf_block *block)
{
	int helper = (int)(alive & ~FUTEX_WAITERS);
	(void)sys_close(wire_socket);
	hurry();
	/* it may die before this one traces it */
	while (__atomic_load_n(&slot->word, __ATOMIC_ACQUIRE) == alive && __atomic_load_n(&slot->stage, __ATOMIC_ACQUIRE) == COMES) (void)sys_futex(&slot->word, FUTEX_WAIT, alive, 0);
	bool traces = sys_ptrace(PTRACE_SEIZE, helper, 0, PTRACE_O_TRACEEXIT) == 0;
	__atomic_store_n(&slot->stage, STANDS, __ATOMIC_RELEASE);
	(void)sys_futex(&slot->stage, FUTEX_WAKE, 1, 0);
	if (traces) trace_to_the_end(helper);
	else wait_for_mark(&slot->word, alive);
	sf_executor_run(block);
	sys_exit_group(0);
}

/* All is well: the one that stands goes without a deed. */
static void dismiss(void)
{
	int status;
	if (guard_pid == 0) return;
	(void)sys_kill(guard_pid, SIGKILL);
	(void)sys_wait4(guard_pid, &status, WALL);
	__atomic_store_n(&lifeline->slots[guard_slot].word, 0, __ATOMIC_RELEASE);
	guard_pid = 0;
}

/* The new one may trace, as nobody else does. */
static MUST_CHECK struct fail install(int pid, struct slot *slot)
{
	struct timespec look = {0, 10000000};
	int status;
	__atomic_store_n(&slot->stage, MAY_TRACE, __ATOMIC_RELEASE);
	while (__atomic_load_n(&slot->stage, __ATOMIC_ACQUIRE) != STANDS) {
		(void)sys_futex(&slot->word, FUTEX_WAKE, 1, 0);
		(void)sys_futex(&slot->stage, FUTEX_WAIT, MAY_TRACE, &look);
		if (sys_wait4(pid, &status, WALL | WNOHANG) == pid) return failed(SF_AT_CLONE, (uint32_t)pid, -ECHILD);
	}
	return OK;
}

/* The words that the end of this task marks. */
static MUST_CHECK struct fail tie_lifeline(void)
{
	if (lifeline != 0) return OK;
	int64_t at = sys_mmap(0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TRY(check(SF_AT_FD, 0, at));
	struct lifeline *one = (struct lifeline *)at;
	one->head.next = &one->slots[0];
	one->head.offset = (char *)&one->slots[0].word - (char *)&one->slots[0];
	one->slots[0].next = &one->slots[1];
	one->slots[1].next = &one->head;
	TRY(check(SF_AT_FD, 0, sys_set_robust_list(&one->head, sizeof(one->head))));
	lifeline = one;
	return OK;
}

/* block -> nothing: it stands guard, in place of the last one. Nothing -> nothing: dismissed. */
struct fail req_guard(struct request *rq, struct reply *rp)
{
	(void)rp;
	if (rq->size == 0) {
		POINT(SF_AT_CLONE, 0);
		dismiss();
		return OK;
	}
	const struct sf_block *given = (const struct sf_block *)rq->payload;
	TRY(check(SF_AT_DECODE, 0, sf_executor_check(given, rq->size)));
	if (given->shared != 0) return failed(SF_AT_DECODE, 0, -EINVAL);
	autobuffer memory = {0, 0, 0};
	TRY(buffer_reserve(&memory, given->size));
	memcpy(memory.data, rq->payload, rq->size);
	POINT(SF_AT_FD, 0);
	TRY(tie_lifeline());
	unsigned slot = 1 - guard_slot;
	struct slot *next = &lifeline->slots[slot];
	uint32_t alive = (uint32_t)sys_gettid() | FUTEX_WAITERS;
	next->stage = COMES;
	__atomic_store_n(&next->word, alive, __ATOMIC_RELEASE);
	struct clone_args args = {.exit_signal = SIGCHLD};
	int64_t pid = sys_clone3(&args);
	if (pid == 0) stand_guard(next, alive, (struct sf_block *)memory.data);
	if (pid < 0) __atomic_store_n(&next->word, 0, __ATOMIC_RELEASE);
	TRY(check(SF_AT_CLONE, 0, pid));
	/* only now, and what both would take back is taken back once more without harm */
	dismiss();
	TRY(install((int)pid, next));
	guard_pid = (int)pid;
	guard_slot = slot;
	POINT(SF_AT_CLONE, guard_pid);
	return OK;
}
