/*
 * The guard: a process that takes back what the helper did outside of itself, when the helper dies before it says that all is well. It holds
 * copies of the helper's descriptors and waits for the end of a pipe; then it runs a block. What the block takes back it does not know.
 */
#include "executor.h"
#include "helper.h"

#define SCHED_FIFO 1

static int lifeline = -1, guard_pid;

/* First come, first served: threads that the helper traces are let go while it dies, and must not run before this has. */
static void hurry(void)
{
	int priority = 1;
	(void)sys_sched_setscheduler(0, SCHED_FIFO, &priority);
}

static __attribute__((noreturn)) void stand_guard(int end, struct sf_block *block)
{
	char byte;
	int64_t n;
	(void)sys_close(wire_socket);
	(void)sys_close(lifeline);
	hurry();
	do n = sys_read(end, &byte, 1); while (n == -EINTR);
	if (n == 0) sf_executor_run(block);
	sys_exit_group(0);
}

/* All is well: it goes without a deed. */
static void dismiss(int line, int pid)
{
	int status;
	if (line < 0) return;
	(void)sys_write(line, "", 1);
	(void)sys_close(line);
	(void)sys_wait4(pid, &status, WALL);
}

/* block -> nothing: it stands guard, in place of the last one. Nothing -> nothing: dismissed. */
struct fail req_guard(struct request *rq, struct reply *rp)
{
	(void)rp;
	if (rq->size == 0) {
		POINT(SF_AT_CLONE, 0);
		dismiss(lifeline, guard_pid);
		lifeline = -1;
		return OK;
	}
	const struct sf_block *given = (const struct sf_block *)rq->payload;
	TRY(check(SF_AT_DECODE, 0, sf_executor_check(given, rq->size)));
	if (given->shared != 0) return failed(SF_AT_DECODE, 0, -EINVAL);
	autobuffer memory = {0, 0, 0};
	TRY(buffer_reserve(&memory, given->size));
	memcpy(memory.data, rq->payload, rq->size);
	int ends[2];
	POINT(SF_AT_FD, 0);
	TRY(check(SF_AT_FD, 0, sys_pipe2(ends, O_CLOEXEC)));
	autofd end = ends[0];
	int last = lifeline;
	lifeline = ends[1];
	struct clone_args args = {.exit_signal = SIGCHLD};
	int64_t pid = sys_clone3(&args);
	if (pid == 0) {
		if (last >= 0) (void)sys_close(last);
		stand_guard(end, (struct sf_block *)memory.data);
	}
	if (pid < 0) {
		(void)sys_close(lifeline);
		lifeline = last;
	}
	TRY(check(SF_AT_CLONE, 0, pid));
	/* only now: without a gap, and what both would take back is taken back once more without harm */
	dismiss(last, guard_pid);
	guard_pid = (int)pid;
	POINT(SF_AT_CLONE, guard_pid);
	return OK;
}
