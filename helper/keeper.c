/*
 * KEEP: a process of its own that holds a descriptor for a task after we are gone. It is this program again, executed anew: no memory of
 * ours, no descriptor but the three it is for, no terminal, no directory. It ends with the address space it is for, or when it is killed;
 * whatever its descriptor did ends with it. Another helper finds it by its command line and takes the descriptor by pidfd_getfd.
 */
#include "helper.h"

/* Its descriptors. */
enum { KEPT = 3, SPACE = 4, TASK = 5, FIRST_FREE = 6 };

/* Nothing tells of a task that executes another program: so often it is asked for. */
#define LOOK_MS 5000
/* Any page: what is read of the page tables does not matter, only whether there are any. */
#define SOME_PAGE 16ull

/* Reading the page tables of an address space that is gone gives the end of file (fs/proc/task_mmu.c pagemap_read). */
static bool space_lives(void)
{
	uint64_t entry;
	return sys_pread(SPACE, &entry, sizeof entry, SOME_PAGE * sizeof entry) != 0;
}

void keep(void)
{
	struct pollfd task = {TASK, POLLIN, 0};
	while (space_lives()) {
		/* readable: the task has ended; an error: we were started without one */
		if (sys_poll(&task, 1, LOOK_MS) > 0) break;
	}
	sys_exit_group(0);
}

static MUST_CHECK int64_t place(int from, int to) { return from < 0 ? 0 : raw3(NR_dup3, from, to, 0); }

/* In the new process: only returns when something failed. */
static int64_t become_keeper(int kept, int space, int task, char *const *words)
{
	uint64_t none = 0;
	/* above the places they are for, so that none is overwritten before it has moved */
	int64_t high[3] = {kept < 0 ? -1 : sys_fcntl(kept, F_DUPFD_CLOEXEC, 16), sys_fcntl(space, F_DUPFD_CLOEXEC, 16), sys_fcntl(task, F_DUPFD_CLOEXEC, 16)};
	int64_t null = sys_open("/dev/null", O_RDWR | O_CLOEXEC), n;
	if (null < 0) return null;
	for (int fd = 0; fd < 3; fd++) if ((n = place((int)null, fd)) < 0) return n;
	for (int i = 0; i < 3; i++) if ((n = place((int)high[i], KEPT + i)) < 0) return n;
	if (kept < 0) (void)sys_close(KEPT);
	if ((n = raw3(NR_close_range, FIRST_FREE, ~0u, CLOSE_RANGE_CLOEXEC)) < 0) return n;
	if ((n = raw0(NR_setsid)) < 0) return n;
	if ((n = raw1(NR_chdir, "/")) < 0) return n;
	if ((n = sys_sigprocmask(SIG_SETMASK, &none, 0)) < 0) return n;
	char *const nothing[1] = {0};
	return raw3(NR_execve, "/proc/self/exe", words, nothing);
}

/* struct sf_keep, words -> s32 pid. It runs when this returns. */
struct fail req_keep(struct request *rq, struct reply *rp)
{
	struct sf_keep q;
	char *words[SF_KEEP_WORDS + 1] = {0};
	if (rq->size < sizeof q) return failed(SF_AT_DECODE, 0, -EBADMSG);
	memcpy(&q, rq->payload, sizeof q);
	if (q.size == 0 || q.size != rq->size - sizeof q) return failed(SF_AT_DECODE, q.pid, -EBADMSG);
	autobuffer text = {0, 0, 0};
	TRY(buffer_append(&text, rq->payload + sizeof q, q.size));
	if (text.data[q.size - 1] != 0) return failed(SF_AT_DECODE, q.pid, -EBADMSG);
	uint32_t n = 0;
	for (uint32_t at = 0; at < q.size; at++) {
		if (at > 0 && text.data[at - 1] != 0) continue;
		if (n == SF_KEEP_WORDS) return failed(SF_AT_DECODE, q.pid, -EBADMSG);
		words[n++] = (char *)text.data + at;
	}
	POINT(SF_AT_OPEN, q.pid);
	autofd task = (int)sys_pidfd_open((int)q.pid);
	TRY(check(SF_AT_OPEN, q.pid, task));
	int32_t ends[2];
	TRY(check(SF_AT_FD, q.pid, raw2(NR_pipe2, ends, O_CLOEXEC)));
	autofd from = ends[0], to = ends[1];
	POINT(SF_AT_CLONE, q.pid);
	struct clone_args args;
	memset(&args, 0, sizeof args);
	args.exit_signal = SIGCHLD;
	int64_t pid = sys_clone3(&args);
	if (pid == 0) {
		int64_t high = sys_fcntl(to, F_DUPFD_CLOEXEC, 16), why = become_keeper(q.fd, q.space, task, words);
		(void)raw3(NR_write, high, &why, sizeof why);
		sys_exit_group(1);
	}
	TRY(check(SF_AT_CLONE, q.pid, pid));
	fd_cleanup(&to);
	to = -1;
	int64_t why = 0, got;
	do got = sys_read(from, &why, sizeof why); while (got == -EINTR); /* the end of file: it was executed */
	if (got > 0) {
		(void)sys_wait4((int)pid, 0, WALL);
		return failed(SF_AT_CLONE, q.pid, why);
	}
	int32_t number = (int32_t)pid;
	struct fail f = buffer_append(&rp->out, &number, sizeof number);
	POINT(SF_AT_CLONE, q.pid);
	return f;
}
