/*
 * Timers: the three interval timers, POSIX timers with gaps in their ids, of several clocks, armed and not, one-shot and periodic,
 * signalling the process or one thread, one already expired and pending. Those that count real time must neither lose what had
 * passed before nor fire at once; those that count CPU time continue.
 */
#include "check.h"
#include <sys/time.h>

#ifndef SIGEV_THREAD_ID
#define SIGEV_THREAD_ID 4
#endif
#define TIMERS 7
static volatile int alarms, ticks[TIMERS], overruns;

static void on_alarm(int signal)
{
	(void)signal;
	alarms++;
}

static void on_timer(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	if (info->si_code == SI_TIMER && info->si_value.sival_int >= 0 && info->si_value.sival_int < TIMERS) {
		ticks[info->si_value.sival_int]++;
		overruns += info->si_overrun;
	}
}

static double seconds(struct timespec t) { return t.tv_sec + t.tv_nsec / 1e9; }
static double useconds(struct timeval t) { return t.tv_sec + t.tv_usec / 1e6; }

int main(void)
{
	static const struct { clockid_t clock; double first, every; int notify; } rows[TIMERS] = {
		{ CLOCK_MONOTONIC, 1000, 500, SIGEV_SIGNAL },
		{ CLOCK_REALTIME, 2000, 0, SIGEV_SIGNAL },
		{ CLOCK_MONOTONIC, 0, 0, SIGEV_SIGNAL },
		{ CLOCK_BOOTTIME, 3000, 1, SIGEV_NONE },
		{ CLOCK_PROCESS_CPUTIME_ID, 100, 0.5, SIGEV_SIGNAL },
		{ CLOCK_MONOTONIC, 0.02, 0.02, SIGEV_THREAD_ID },
		{ CLOCK_REALTIME, 4000, 0, SIGEV_THREAD_ID },
	};
	int ids[TIMERS], gap, fresh;
	struct itimerval interval, interval_before[3];
	struct itimerspec spec, spec_before[TIMERS];
	struct sigaction action = { .sa_sigaction = on_timer, .sa_flags = SA_SIGINFO };

	must(sigaction(SIGRTMIN + 1, &action, NULL));
	action = (struct sigaction){ .sa_handler = on_alarm };
	must(sigaction(SIGALRM, &action, NULL)), must(sigaction(SIGVTALRM, &action, NULL)), must(sigaction(SIGPROF, &action, NULL));
	interval = (struct itimerval){ { 700, 5000 }, { 600, 250000 } };
	must(setitimer(ITIMER_REAL, &interval, NULL));
	interval = (struct itimerval){ { 0, 0 }, { 500, 0 } };
	must(setitimer(ITIMER_VIRTUAL, &interval, NULL));
	interval = (struct itimerval){ { 3, 0 }, { 400, 0 } };
	must(setitimer(ITIMER_PROF, &interval, NULL));

	for (int i = 0; i < TIMERS; i++) {
		struct sigevent event = { .sigev_notify = rows[i].notify, .sigev_signo = SIGRTMIN + 1, .sigev_value.sival_int = i };
		event._sigev_un._tid = rows[i].notify == SIGEV_THREAD_ID ? syscall(SYS_gettid) : 0;
		/* raw calls: the C library hides the ids */
		if (i % 2) {
			must(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &gap));
			must(syscall(SYS_timer_create, rows[i].clock, &event, &ids[i]));
			must(syscall(SYS_timer_delete, gap));
		} else {
			must(syscall(SYS_timer_create, rows[i].clock, &event, &ids[i]));
		}
		spec.it_value.tv_sec = rows[i].first, spec.it_value.tv_nsec = (rows[i].first - (long)rows[i].first) * 1e9;
		spec.it_interval.tv_sec = rows[i].every, spec.it_interval.tv_nsec = (rows[i].every - (long)rows[i].every) * 1e9;
		must(syscall(SYS_timer_settime, ids[i], 0, &spec, NULL));
	}
	sleep_ms(100);
	for (int i = 0; i < 3; i++)
		must(getitimer(i, &interval_before[i]));
	for (int i = 0; i < TIMERS; i++)
		must(syscall(SYS_timer_gettime, ids[i], &spec_before[i]));
	double start = now();
	say("ready");
	wait_for_go();
	double passed = now() - start;

	for (int i = 0; i < 3; i++) {
		must(getitimer(i, &interval));
		double left = useconds(interval.it_value), was = useconds(interval_before[i].it_value);
		check(useconds(interval.it_interval) == useconds(interval_before[i].it_interval), "interval timer's period", "%d: %f, was %f", i,
		      useconds(interval.it_interval), useconds(interval_before[i].it_interval));
		check(left <= was + 0.02 && left >= was - passed - 0.02, "interval timer's rest", "%d: %f left, were %f, %f passed", i, left, was, passed);
	}
	for (int i = 0; i < TIMERS; i++) {
		if (syscall(SYS_timer_gettime, ids[i], &spec)) {
			check(0, "POSIX timer", "%d (id %d): %s", i, ids[i], strerror(errno));
			continue;
		}
		double left = seconds(spec.it_value), was = seconds(spec_before[i].it_value);
		check(seconds(spec.it_interval) == seconds(spec_before[i].it_interval), "POSIX timer's period", "%d: %f, was %f", i,
		      seconds(spec.it_interval), seconds(spec_before[i].it_interval));
		if (i != 5)
			check((was == 0) == (left == 0) && left <= was + 0.02 && left >= was - passed - 0.02, "POSIX timer's rest", "%d: %f left, were %f, %f passed",
			      i, left, was, passed);
	}
	check(alarms == 0 && ticks[0] == 0 && ticks[1] == 0 && ticks[4] == 0, "no timer fired too early", "%d %d %d %d", alarms, ticks[0], ticks[1], ticks[4]);
	int then = ticks[5];
	double until = now() + 0.2;
	while (now() < until)
		;
	check(ticks[5] - then >= 5 && ticks[5] - then <= 15, "periodic timer of a thread goes on", "%d ticks in 200 ms, one each 20 ms", ticks[5] - then);
	interval = (struct itimerval){ { 0, 0 }, { 0, 20000 } };
	must(setitimer(ITIMER_REAL, &interval, NULL));
	until = now() + 0.1;
	while (now() < until)
		;
	check(alarms == 1, "a timer set afterwards fires", "%d times", alarms);
	struct sigevent event = { .sigev_notify = SIGEV_NONE };
	must(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &fresh));
	for (int i = 0; i < TIMERS; i++)
		if (ids[i] == fresh)
			check(0, "a new timer's id", "%d is taken", fresh);
	return done();
}
