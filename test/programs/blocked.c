/*
 * Interrupted system calls: one thread each asleep in a call when the checkpoint comes. None may see EINTR, none may end before its
 * time, and none may wait longer than what it had left (plus the time that passed outside). The last five are those that the kernel itself ends with EINTR
 * on every stop, a debugger's too.
 */
#include "check.h"
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/wait.h>

#define WAIT 1.2 /* seconds: longer than a dump and a restore */

static int data[2], silent[2], leave[2];
static int epoll, semaphores;
static int word, word_to_wake;
static pid_t child;
static volatile int started, ended;

static struct timespec in(double seconds, int clock)
{
	struct timespec t = { 0 };

	if (clock >= 0)
		clock_gettime(clock, &t);
	long ns = t.tv_nsec + (long)((seconds - (long)seconds) * 1e9);
	return (struct timespec){ t.tv_sec + (long)seconds + ns / 1000000000, ns % 1000000000 };
}

static long call_nanosleep(void) { struct timespec t = in(WAIT, -1); return syscall(SYS_nanosleep, &t, &t); }
static long call_clock_nanosleep(void) { struct timespec t = in(WAIT, -1); return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, &t); }
static long call_absolute(void) { struct timespec t = in(WAIT, CLOCK_MONOTONIC); return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL); }
static long call_absolute_wall(void) { struct timespec t = in(WAIT, CLOCK_REALTIME); return syscall(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL); }
static long call_poll(void) { return poll(&(struct pollfd){ silent[0], POLLIN, 0 }, 1, (int)(WAIT * 1000)); }
static long call_ppoll(void) { struct timespec t = in(WAIT, -1); return syscall(SYS_ppoll, &(struct pollfd){ silent[0], POLLIN, 0 }, 1, &t, NULL, 8); }
static long call_select(void) { fd_set set; FD_ZERO(&set); FD_SET(silent[0], &set); struct timeval t = { 1, 200000 }; return syscall(SYS_select, silent[0] + 1, &set, NULL, NULL, &t); }
static long call_futex(void)
{
	struct timespec t = in(WAIT, -1);
	register long value asm("rdx") = 0;
	register struct timespec *timeout asm("r10") = &t;
	long result;

	/* as programs do it: with the number of the call right before it */
	asm volatile("movl $202, %%eax; syscall" : "=&a"(result) : "D"(&word), "S"((long)FUTEX_WAIT), "r"(value), "r"(timeout) : "rcx", "r11", "memory");
	errno = (int)-result;
	return -(result != -ETIMEDOUT);
}
static long call_futex_absolute(void) { struct timespec t = in(WAIT, CLOCK_MONOTONIC); return -(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &t, NULL, ~0) == -1 && errno != ETIMEDOUT); }
/* these wait for something to happen */
static long call_read(void) { char c; return syscall(SYS_read, data[0], &c, 1) == 1 && c == 'r' ? 0 : -1; }
static long call_futex_wake(void) { return syscall(SYS_futex, &word_to_wake, FUTEX_WAIT, 0, NULL, NULL, 0); }
static long call_wait(void) { int status; return syscall(SYS_wait4, child, &status, 0, NULL) == child && status == 5 << 8 ? 0 : -1; }
static long call_poll_forever(void) { return syscall(SYS_poll, &(struct pollfd){ silent[0], POLLIN, 0 }, 1, -1) == 1 ? 0 : -1; }

static long call_epoll(void) { struct epoll_event e; return syscall(SYS_epoll_wait, epoll, &e, 1, -1) == 1 ? 0 : -1; }
static long call_epoll_pwait(void) { struct epoll_event e; uint64_t mask = ~0ul; return syscall(SYS_epoll_pwait, epoll, &e, 1, -1, &mask, 8) == 1 ? 0 : -1; }
static long call_epoll_pwait2(void) { struct epoll_event e; return syscall(441, epoll, &e, 1, NULL, NULL, 8) == 1 ? 0 : -1; }
static long call_semop(void) { return syscall(SYS_semop, semaphores, &(struct sembuf){ 0, -1, 0 }, 1); }
static long call_sigwait(void) { uint64_t set = 1ul << (SIGRTMIN + 5 - 1); return syscall(SYS_rt_sigtimedwait, &set, NULL, NULL, 8) == SIGRTMIN + 5 ? 0 : -1; }

static const struct row { const char *name; long (*call)(void); int timed; } rows[] = {
	{ "nanosleep", call_nanosleep, 1 }, { "clock_nanosleep", call_clock_nanosleep, 1 }, { "clock_nanosleep absolute", call_absolute, 1 },
	{ "clock_nanosleep absolute, wall clock", call_absolute_wall, 1 }, { "poll", call_poll, 1 }, { "ppoll", call_ppoll, 1 },
	{ "select", call_select, 1 }, { "futex", call_futex, 1 }, { "futex absolute", call_futex_absolute, 1 },
	{ "read", call_read, 0 }, { "futex without end", call_futex_wake, 0 },
	{ "wait", call_wait, 0 }, { "poll without end", call_poll_forever, 0 },
	{ "epoll_wait", call_epoll, 0 }, { "epoll_pwait", call_epoll_pwait, 0 }, { "epoll_pwait2", call_epoll_pwait2, 0 },
	{ "semop", call_semop, 0 }, { "sigtimedwait", call_sigwait, 0 },
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
static struct { long result; int error; double took; } results[ROWS];

/* The wall's clock goes on while a program does not run; the monotonic one stands still. */
static double wall(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_REALTIME, &t));
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void *run(void *argument)
{
	int i = (long)argument;

	__sync_fetch_and_add(&started, 1);
	double (*clock)(void) = rows[i].call == call_absolute_wall ? wall : now;
	double start = clock();
	errno = 0;
	results[i].result = rows[i].call();
	results[i].error = errno;
	results[i].took = clock() - start;
	__sync_fetch_and_add(&ended, 1);
	return NULL;
}

int main(void)
{
	pthread_t thread;

	must(pipe(data)), must(pipe(silent)), must(pipe(leave));
	epoll = must(epoll_create1(0));
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, silent[0], &(struct epoll_event){ .events = EPOLLIN }));
	semaphores = must(semget(IPC_PRIVATE, 1, 0600));
	must((int)syscall(SYS_rt_sigprocmask, SIG_BLOCK, &(uint64_t){ 1ul << (SIGRTMIN + 5 - 1) }, NULL, 8));
	child = must(fork());
	if (child == 0) {
		char c;
		_exit(read(leave[0], &c, 1) == 1 ? 5 : 6);
	}
	double start = now();
	for (long i = 0; i < ROWS; i++)
		if (pthread_create(&thread, NULL, run, (void *)i))
			must(-1);
	while (started < ROWS)
		sleep_ms(1);
	sleep_ms(50);
	say("ready");
	int timed = 0;
	for (int i = 0; i < ROWS; i++)
		timed += rows[i].timed;
	/* how long it did not run: the longest step of a clock that is read every few milliseconds */
	double away = 0;
	for (double last = wall(), next; access("go", F_OK) || ended < timed; last = next) {
		sleep_ms(2);
		next = wall();
		away = next - last > away ? next - last : away;
		if (now() - start > 60)
			break;
	}
	/* those with a timeout have ended by themselves */
	sleep_ms(50);
	for (int i = 0; i < ROWS; i++)
		if (!rows[i].timed)
			check(results[i].took == 0, "still waiting", "%s: result %ld errno %d", rows[i].name, results[i].result, results[i].error);
	must(write(data[1], "r", 1)), must(write(silent[1], "s", 1)), must(write(leave[1], "l", 1));
	must(semop(semaphores, &(struct sembuf){ 0, 1, 0 }, 1)), must(kill(getpid(), SIGRTMIN + 5));
	word_to_wake = 1;
	syscall(SYS_futex, &word_to_wake, FUTEX_WAKE, 1, NULL, NULL, 0);
	for (start = now(); ended < ROWS && now() - start < 5;)
		sleep_ms(5);
	for (int i = 0; i < ROWS; i++) {
		check(results[i].took > 0, "call ended", "%s: it still waits", rows[i].name);
		check(results[i].result == 0, "call's result", "%s: %ld, errno %d (%s)", rows[i].name, results[i].result, results[i].error, strerror(results[i].error));
		if (rows[i].timed)
			/* what it had left at the freeze, plus what passed meanwhile, is never more than the whole time once more */
			check(results[i].took >= WAIT - 0.002 && results[i].took < 2 * WAIT + away + 0.3, "call's time", "%s: %f of %f s, %f away", rows[i].name, results[i].took, WAIT, away);
	}
	must(semctl(semaphores, 0, IPC_RMID));
	say("took %f", results[0].took);
	return done();
}
