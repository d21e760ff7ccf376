/*
 * Signal-driven I/O: who gets the signal of a descriptor (process, thread, group, nobody), which signal, with which descriptor in it; and a signal
 * number that is set though nobody gets it.
 */
#include "check.h"
#include <pthread.h>
#include <sys/inotify.h>
#include <sys/wait.h>

static volatile int signals, from, who;
static void got(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	from = info->si_fd;
	who = syscall(SYS_gettid);
	signals++;
}

static volatile int tid, stop;
static void *other(void *arg)
{
	(void)arg;
	tid = syscall(SYS_gettid);
	while (!stop)
		sleep_ms(2);
	return NULL;
}

static void owned(int fd, int type, int pid, int sig)
{
	struct f_owner_ex owner = { type, pid };

	must(fcntl(fd, F_SETOWN_EX, &owner));
	must(fcntl(fd, F_SETSIG, sig));
	must(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC | O_NONBLOCK));
}

static int is(int fd, int type, int pid, int sig)
{
	struct f_owner_ex owner;

	must(fcntl(fd, F_GETOWN_EX, &owner));
	return (int)owner.type == type && owner.pid == pid && fcntl(fd, F_GETSIG) == sig;
}

static int poke(int fd)
{
	int before = signals;

	must(write(fd, "x", 1));
	for (int i = 0; i < 200 && signals == before; i++)
		sleep_ms(1);
	return signals - before;
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = got, .sa_flags = SA_SIGINFO | SA_RESTART };
	int process[2], thread[2], group[2], quiet[2], status;
	pthread_t id;

	sigaction(SIGRTMIN + 1, &action, NULL), sigaction(SIGRTMIN + 2, &action, NULL), sigaction(SIGIO, &action, NULL);
	must(pthread_create(&id, NULL, other, NULL));
	while (!tid)
		sleep_ms(1);
	must(pipe(process)), must(pipe(thread)), must(pipe(group)), must(pipe(quiet));
	pid_t child = must(fork());
	if (child == 0) {
		must(setpgid(0, 0));
		while (!signals && getppid() != 1)
			sleep_ms(2);
		_exit(from == group[0] ? 9 : 10);
	}
	setpgid(child, child);
	owned(process[0], F_OWNER_PID, getpid(), SIGRTMIN + 1);
	int copy = must(dup(process[0]));
	owned(thread[0], F_OWNER_TID, tid, SIGRTMIN + 2);
	owned(group[0], F_OWNER_PGRP, child, SIGRTMIN + 1);
	must(fcntl(quiet[0], F_SETSIG, SIGUSR2));
	int watch = must(inotify_init1(IN_NONBLOCK));
	must(inotify_add_watch(watch, ".", IN_CREATE | IN_DELETE));
	owned(watch, F_OWNER_PID, getpid(), 0);
	ready_and_wait();
	/* the file that says go has appeared in the watched directory */
	sleep_ms(20);

	check(is(process[0], F_OWNER_PID, getpid(), SIGRTMIN + 1), "a process", "another");
	check(is(thread[0], F_OWNER_TID, tid, SIGRTMIN + 2), "a thread", "another");
	check(is(group[0], F_OWNER_PGRP, child, SIGRTMIN + 1), "a group", "another");
	check(fcntl(quiet[0], F_GETSIG) == SIGUSR2 && fcntl(quiet[0], F_GETOWN) == 0, "a signal for nobody", "%d", fcntl(quiet[0], F_GETSIG));
	check(fcntl(process[0], F_GETFL) & O_ASYNC && fcntl(process[0], F_GETFL) & O_NONBLOCK, "status flags", "%#x", fcntl(process[0], F_GETFL));
	check(!(fcntl(quiet[0], F_GETFL) & O_ASYNC), "status flags of a quiet one", "%#x", fcntl(quiet[0], F_GETFL));
	check(signals >= 1, "the watch has told of the file", "%d signals", signals);
	check(poke(process[1]) == 1 && from == process[0], "signal to the process", "%d signals, descriptor %d, not %d", signals, from, process[0]);
	check(poke(thread[1]) == 1 && from == thread[0] && who == tid, "signal to the thread", "descriptor %d, thread %d, not %d", from, who, tid);
	check(fcntl(copy, F_GETSIG) == SIGRTMIN + 1, "seen through a dup", "%d", fcntl(copy, F_GETSIG));
	must(write(group[1], "x", 1));
	check(waitpid(child, &status, 0) == child && status == 9 << 8, "signal to the group", "%#x", status);
	stop = 1;
	pthread_join(id, NULL);
	return done();
}
