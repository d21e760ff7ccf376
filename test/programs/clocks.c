/*
 * The monotonic clocks: each stands where it is expected (argument: seconds by which the images were altered between dump and restore), by the
 * vDSO and by system call, in a process, a thread and a child that is made afterwards. Who sleeps until a point of time that has come wakes up,
 * who sleeps until a later one sleeps on, in clock_nanosleep and in futex; what was left of a timer is left of it.
 */
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#define SOON 20000L
#define LATER 5000000L

static struct timespec start[2];
static const clockid_t clocks[2] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME };
static double moved;

static double seconds(struct timespec t) { return t.tv_sec + t.tv_nsec / 1e9; }

static void look(const char *who)
{
	for (int i = 0; i < 2; i++) {
		struct timespec first, fast, last;

		must(syscall(SYS_clock_gettime, clocks[i], &first));
		must(clock_gettime(clocks[i], &fast));
		must(syscall(SYS_clock_gettime, clocks[i], &last));
		check(seconds(first) <= seconds(fast) && seconds(fast) <= seconds(last), "vDSO and system call agree", "%s, clock %d: %f %f %f", who, clocks[i],
		      seconds(first), seconds(fast), seconds(last));
		double passed = seconds(first) - seconds(start[i]) - moved;
		check(passed >= 0 && passed < 5000, "the clock goes on", "%s, clock %d: %f s passed", who, clocks[i], passed);
	}
}

static struct sleeper { long after; int futex; volatile int word, woke; } sleepers[4] = {
	{ SOON, 0, 0, 0 }, { LATER, 0, 0, 0 }, { SOON, 1, 0, 0 }, { LATER, 1, 0, 0 },
};

static void *sleeper(void *argument)
{
	struct sleeper *s = argument;
	struct timespec until = start[0];

	until.tv_sec += s->after;
	if (s->futex)
		while (syscall(SYS_futex, &s->word, FUTEX_WAIT_BITSET, 0, &until, NULL, FUTEX_BITSET_MATCH_ANY) == 0 || errno == EINTR)
			;
	else
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
			;
	s->woke = 1;
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[4];
	struct itimerspec spec = { { 0, 0 }, { 3000, 0 } };
	int status;

	moved = argc > 1 ? atof(argv[1]) : 0;
	must(clock_gettime(clocks[0], &start[0])), must(clock_gettime(clocks[1], &start[1]));
	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, sleeper, &sleepers[i]))
			must(-1);
	int timer = must(timerfd_create(CLOCK_BOOTTIME, 0));
	must(timerfd_settime(timer, 0, &spec, NULL));
	sleep_ms(50);
	ready_and_wait();
	look("process");
	must(timerfd_gettime(timer, &spec));
	check(seconds(spec.it_value) > 0 && seconds(spec.it_value) < 3000, "a timer's rest", "%f s", seconds(spec.it_value));
	for (int i = 0; i < 4; i++) {
		if (sleepers[i].after <= moved)
			pthread_join(threads[i], NULL), ok("woke up");
		else
			check(!sleepers[i].woke, "sleeps on", "sleeper %d woke up", i);
	}
	pid_t child = must(fork());
	if (child == 0) {
		look("child");
		_exit(7);
	}
	check(waitpid(child, &status, 0) == child && status == 7 << 8, "child", "%#x", status);
	return done();
}
