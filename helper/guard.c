/*
 * The guard: a process that takes back what the helper did outside of itself, when the helper dies before it says that all is well. It holds
 * copies of the helper's descriptors and runs a block then; what the block takes back it does not know. It traces the helper, which the kernel therefore
 * stops as the first thing of its end (PTRACE_EVENT_EXIT, ptrace(2)), also when it is killed: until the block has run, the helper's own tracees
 * stay stopped. Where the helper cannot be traced (somebody else does, Yama forbids it) a robust futex (get_robust_list(2)) tells of its end; then
 * the tracees are let go while the block runs.
 */
#include "executor.h"
#include "helper.h"

#define SCHED_FIFO 1

/* <linux/futex.h>: whose the word is, that somebody waits, that its owner died. */
#define FUTEX_WAITERS 0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u

enum watch { NOT_ASKED, ASKED, TRACES, WAITS }; /* how a guard learns of the end; it is asked when the last one is gone */
#define ASK_MS 1 /* between two calls to look */
#define ASK_TIMES 10000

/* What guards and helper share. The robust list has the two slots: a new guard stands before the last one goes. */
struct slot { void *next; uint32_t word, watch; };
struct lifeline {
	struct { void *next; int64_t offset; void *pending; } head;
	struct slot slots[2];
};
static struct lifeline *lifeline;
static int guard_pid; /* 0: nobody */
static unsigned guard_slot;

/* Without tracing: first come, first served. */
static void hurry(void)
{
	int priority = 1;
	(void)sys_sched_setscheduler(0, SCHED_FIFO, &priority);
}

static bool traces(int helper)
{
	return sys_ptrace(PTRACE_SEIZE, helper, 0, PTRACE_O_TRACEEXIT) == 0;
}

/* Until it ends: its stop on the way, or that it is no more. Its other stops (signals of its own timer) are none of ours. */
static void wait_for_end(int helper)
{
	int status;
	while (sys_wait4(helper, &status, WALL) == helper && (status & 0xff) == 0x7f) {
		int event = status >> 16, sig = (status >> 8) & 0xff;
		if (event == PTRACE_EVENT_EXIT) return;
		if (event == PTRACE_EVENT_STOP && sig != SIGTRAP) (void)sys_ptrace(PTRACE_LISTEN, helper, 0, 0); /* stopped by a signal, like anybody */
		else (void)sys_ptrace(PTRACE_CONT, helper, 0, event == 0 ? U(sig) : 0);
	}
}

static __attribute__((noreturn)) void stand_guard(struct slot *slot, uint32_t alive, int helper, struct sf_block *block)
{
	uint32_t now;
	(void)sys_close(wire_socket);
	hurry();
	while ((now = __atomic_load_n(&slot->word, __ATOMIC_ACQUIRE)) == alive) {
		if (__atomic_load_n(&slot->watch, __ATOMIC_ACQUIRE) != ASKED) {
			(void)sys_futex(&slot->word, FUTEX_WAIT, alive, 0);
			continue;
		}
		bool held = traces(helper);
		__atomic_store_n(&slot->watch, held ? TRACES : WAITS, __ATOMIC_RELEASE);
		(void)sys_futex(&slot->watch, FUTEX_WAKE, 1, 0);
		if (!held) continue;
		wait_for_end(helper);
		sf_executor_run(block);
		sys_exit_group(0); /* lets the helper go on to its end */
	}
	if ((now & FUTEX_OWNER_DIED) != 0) sf_executor_run(block);
	sys_exit_group(0);
}

/* All is well: the one that stands goes without a deed. */
static void dismiss(void)
{
	int status;
	if (guard_pid == 0) return;
	__atomic_store_n(&lifeline->slots[guard_slot].word, 0, __ATOMIC_RELEASE);
	(void)sys_kill(guard_pid, SIGKILL);
	(void)sys_wait4(guard_pid, &status, WALL);
	guard_pid = 0;
}

/* Has the guard that stands trace this task, now that no other does. */
static MUST_CHECK struct fail ask_to_trace(struct slot *slot)
{
	static const struct timespec pause = {0, ASK_MS * 1000000};
	uint32_t watch;
	__atomic_store_n(&slot->watch, ASKED, __ATOMIC_RELEASE);
	for (int times = 0; (watch = __atomic_load_n(&slot->watch, __ATOMIC_ACQUIRE)) == ASKED; times++) {
		if (times == ASK_TIMES) return failed(SF_AT_CLONE, (uint32_t)guard_pid, -ETIMEDOUT);
		(void)sys_futex(&slot->word, FUTEX_WAKE, 1, 0); /* again each time: it may have been on its way to sleep */
		(void)sys_futex(&slot->watch, FUTEX_WAIT, ASKED, &pause);
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
	struct slot *one = &lifeline->slots[slot];
	int self = (int)sys_gettid();
	uint32_t alive = (uint32_t)self | FUTEX_WAITERS;
	__atomic_store_n(&one->watch, NOT_ASKED, __ATOMIC_RELEASE);
	__atomic_store_n(&one->word, alive, __ATOMIC_RELEASE);
	struct clone_args args = {.exit_signal = SIGCHLD};
	int64_t pid = sys_clone3(&args);
	if (pid == 0) stand_guard(one, alive, self, (struct sf_block *)memory.data);
	if (pid < 0) __atomic_store_n(&one->word, 0, __ATOMIC_RELEASE);
	TRY(check(SF_AT_CLONE, 0, pid));
	/* only now: without a gap, and what both would take back is taken back once more without harm */
	dismiss();
	guard_pid = (int)pid;
	guard_slot = slot;
	TRY(ask_to_trace(one));
	POINT(SF_AT_CLONE, guard_pid);
	return OK;
}
