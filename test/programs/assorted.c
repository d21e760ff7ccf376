/*
 * One of each thing that takes steps of its own to restore, as small as it gets: a thread, a child that inherits memory, one in a
 * session of its own, zombies, a pipe with data, a deleted file, shared memory, a mapped file, timers, a pending signal.
 * For tests that make every single step fail.
 */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

static void *wait_in_thread(void *unused)
{
	(void)unused;
	wait_for_go();
	return (void *)42;
}

int main(void)
{
	int ends[2], ghost = must(open("deleted", O_RDWR | O_CREAT, 0600)), mapped = must(open("mapped", O_RDWR | O_CREAT, 0600));
	char text[32] = "";
	pthread_t thread;
	timer_t timer;
	struct itimerspec hour = { { 0, 0 }, { 3600, 0 } };
	int *shared = must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	char *own = must(mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	memset(own, 1, 8 * 4096);
	must(mprotect(own + 4096, 4096, PROT_READ));
	must(ftruncate(mapped, 4096));
	char *file = must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 0));
	strcpy(file, "in the file");
	must(write(ghost, "still open", 10));
	must(unlink("deleted"));
	must(pipe(ends));
	must(write(ends[1], "in the pipe", 11));
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must(sigprocmask(SIG_BLOCK, &set, NULL));
	must(timer_create(CLOCK_MONOTONIC, &(struct sigevent){ .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 }, &timer));
	must(timer_settime(timer, 0, &hour, NULL));
	must(setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 3600, 0 } }, NULL));

	pid_t dead = must(fork()), killed, child, leader;
	if (dead == 0)
		_exit(7);
	killed = must(fork());
	if (killed == 0)
		raise(SIGKILL);
	child = must(fork());
	if (child == 0) {
		own[4096 * 2] = 2;
		shared[0] = 1;
		wait_for_go();
		_exit(own[0] == 1 && own[4096] == 1 && own[4096 * 2] == 2 && own[4096 * 3] == 1 ? 3 : 4);
	}
	leader = must(fork());
	if (leader == 0) {
		must(setsid());
		shared[1] = 1;
		wait_for_go();
		_exit(getsid(0) == getpid() ? 5 : 6);
	}
	siginfo_t info;
	must(waitid(P_PID, dead, &info, WEXITED | WNOWAIT));
	must(waitid(P_PID, killed, &info, WEXITED | WNOWAIT));
	while (!((volatile int *)shared)[0] || !((volatile int *)shared)[1])
		sleep_ms(1);
	must(kill(getpid(), SIGUSR1));
	if (pthread_create(&thread, NULL, wait_in_thread, NULL))
		_exit(122);
	ready_and_wait();

	int status = 0;
	void *value = NULL;
	check(waitpid(dead, &status, 0) == dead && status == 7 << 8, "zombie that ended", "status %#x", status);
	check(waitpid(killed, &status, 0) == killed && status == SIGKILL, "zombie that was killed", "status %#x", status);
	check(waitpid(child, &status, 0) == child && status == 3 << 8, "child's inherited memory", "status %#x", status);
	check(waitpid(leader, &status, 0) == leader && status == 5 << 8, "session leader", "status %#x", status);
	check(pthread_join(thread, &value) == 0 && value == (void *)42, "thread", "value %p", value);
	check(read(ends[0], text, sizeof text) == 11 && !strcmp(text, "in the pipe"), "pipe", "'%s'", text);
	check(pread(ghost, text, sizeof text, 0) == 10 && !strncmp(text, "still open", 10), "deleted file", "'%s'", text);
	check(!strcmp(file, "in the file") && own[0] == 1 && own[4096 * 2] == 1, "memory", "%d %d", own[0], own[4096 * 2]);
	check(sigtimedwait(&set, &info, &(struct timespec){ 0, 0 }) == SIGUSR1, "pending signal", "%s", strerror(errno));
	struct itimerspec left;
	check(timer_gettime(timer, &left) == 0 && left.it_value.tv_sec > 3500, "timer", "%ld s left", (long)left.it_value.tv_sec);
	struct itimerval real;
	check(getitimer(ITIMER_REAL, &real) == 0 && real.it_value.tv_sec > 3500, "interval timer", "%ld s left", (long)real.it_value.tv_sec);
	return done();
}
