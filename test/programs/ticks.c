/*
 * Timers that fire at any moment, also while the program is looked at: ITIMER_REAL, a POSIX timer and a SIGEV_THREAD_ID one that are set again each
 * time they fire, and a periodic POSIX timer. Each must go on for ever. ticks MICROSECONDS [periodic]: so is ITIMER_REAL.
 */
#include "check.h"

#include <signal.h>
#include <sys/time.h>
#include <time.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { REAL, POSIX, THREAD, POSIX_PERIODIC, KINDS };
static const char *const names[KINDS] = { "ITIMER_REAL", "POSIX timer", "POSIX timer of a thread", "POSIX timer with an interval" };
static const int signals[KINDS] = { SIGALRM, SIGUSR2, SIGHUP, SIGWINCH };
static volatile unsigned long count[KINDS];
static timer_t timers[KINDS];
static long period;
static int periodic;

static void arm(int kind, long every)
{
	struct itimerval interval = { { 0, every }, { 0, period } };
	struct itimerspec at = { { 0, every * 1000 }, { 0, period * 1000 } };

	must(kind == REAL ? setitimer(ITIMER_REAL, &interval, NULL) : timer_settime(timers[kind], 0, &at, NULL));
}

static void fired(int signal)
{
	for (int kind = 0; kind < KINDS; kind++) {
		if (signals[kind] != signal)
			continue;
		count[kind]++;
		if (kind == POSIX || kind == THREAD || (kind == REAL && !periodic))
			arm(kind, 0);
	}
}

/* Many periods long. */
static void look(void)
{
	unsigned long before[KINDS];

	for (int kind = 0; kind < KINDS; kind++)
		before[kind] = count[kind];
	for (int i = 0; i < 40; i++)
		sleep_ms(5);
	for (int kind = 0; kind < KINDS; kind++)
		check(count[kind] > before[kind], "timer", "%s fires no more", names[kind]);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = fired, .sa_flags = SA_RESTART };

	period = argc > 1 ? atol(argv[1]) : 1000;
	periodic = argc > 2;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sigevent event = { .sigev_notify = kind == THREAD ? SIGEV_THREAD_ID : SIGEV_SIGNAL, .sigev_signo = signals[kind] };
		if (kind == THREAD)
			event.sigev_notify_thread_id = getpid();
		must(sigaction(signals[kind], &action, NULL));
		if (kind != REAL)
			must(timer_create(CLOCK_MONOTONIC, &event, &timers[kind]));
	}
	arm(REAL, periodic ? period : 0), arm(POSIX, 0), arm(THREAD, 0), arm(POSIX_PERIODIC, period);
	say("ready");
	while (access("go", F_OK)) {
		if (access("look", F_OK) == 0) {
			look();
			must(unlink("look"));
		}
		sleep_ms(2);
	}
	look();
	return done();
}
