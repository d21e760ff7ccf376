/*
 * The vDSO's functions, by the addresses that libc found at the start, in a process, a thread and a child of it: each must say what the system call says.
 */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <sys/time.h>
#include <sys/wait.h>

static struct timespec before;

static void look(const char *who)
{
	struct timespec fast, slow;
	struct timeval day;
	unsigned cpu = ~0u;

	for (int clock = CLOCK_REALTIME; clock <= CLOCK_MONOTONIC; clock++) {
		check(clock_gettime(clock, &fast) == 0 && syscall(SYS_clock_gettime, clock, &slow) == 0, "clock_gettime", "%s: failed", who);
		double apart = (double)(slow.tv_sec - fast.tv_sec) + (double)(slow.tv_nsec - fast.tv_nsec) / 1e9;
		check(apart >= 0 && apart < 0.5, "clock_gettime", "%s, clock %d: %f s before the system call", who, clock, apart);
	}
	check(fast.tv_sec > before.tv_sec || (fast.tv_sec == before.tv_sec && fast.tv_nsec > before.tv_nsec), "time goes on", "%s: it does not", who);
	check(gettimeofday(&day, NULL) == 0 && day.tv_sec - time(NULL) >= -1 && day.tv_sec - time(NULL) <= 0, "gettimeofday, time", "%s: %ld, %ld", who, day.tv_sec, time(NULL));
	check(getcpu(&cpu, NULL) == 0 && cpu < 4096, "getcpu", "%s: %u", who, cpu);
	check(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &fast) == 0, "a clock that needs the system call", "%s: failed", who);
}

static void *thread(void *argument)
{
	wait_for_go();
	look("thread");
	return argument;
}

int main(void)
{
	pthread_t other;
	int status;

	must(clock_gettime(CLOCK_MONOTONIC, &before));
	pid_t child = must(fork());
	if (child == 0) {
		wait_for_go();
		look("child");
		_exit(7);
	}
	if (pthread_create(&other, NULL, thread, NULL))
		must(-1);
	ready_and_wait();
	look("process");
	pthread_join(other, NULL);
	check(waitpid(child, &status, 0) == child && status == 7 << 8, "child", "%#x", status);
	return done();
}
