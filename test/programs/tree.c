/*
 * A tree of tasks: children and grandchildren, sessions, process groups with and without a leader, zombies with every kind
 * of exit status, a session whose leader is gone. What each sees of itself and its family is written into shared memory before
 * and after, and the root compares.
 */
#include "check.h"
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

struct seen { pid_t pid, parent, group, session; int death_signal; };
static struct seen *before, *after;
static volatile int *started, *finished, *expected;
static pid_t leader;
static const char *names[16];
static int members;

static void look(struct seen *seen)
{
	*seen = (struct seen){ getpid(), getppid(), getpgrp(), getsid(0), 0 };
	prctl(PR_GET_PDEATHSIG, &seen->death_signal);
}

static void live(int index)
{
	look(&before[index]);
	__sync_fetch_and_add(started, 1);
	wait_for_go();
	look(&after[index]);
	__sync_fetch_and_add(finished, 1);
	while (*finished < *expected) /* who goes first would be seen by its children */
		sleep_ms(5);
}

/* Forks a member of the family: `setup` runs in it before it lives. */
static pid_t member(const char *name, void (*setup)(void))
{
	int index = members++;

	names[index] = name;
	pid_t pid = must(fork());
	if (pid)
		return pid;
	prctl(PR_SET_NAME, name);
	prctl(PR_SET_PDEATHSIG, index == 0 ? SIGUSR2 : 0);
	if (setup)
		setup();
	live(index);
	_exit(index);
}

static void own_group(void) { must(setpgid(0, 0)); }
static void in_a_group(void) { must(setpgid(0, leader)); }
static void own_session(void) { must(setsid()); }

static void session_of_its_own_with_a_child(void)
{
	own_session();
	pid_t pid = must(fork());
	if (pid == 0) {
		prctl(PR_SET_NAME, "job");
		own_group();
		live(15);
		_exit(15);
	}
}

static pid_t zombie(int status, int signal)
{
	pid_t pid = must(fork());

	if (pid == 0) {
		if (signal)
			raise(signal);
		_exit(status);
	}
	return pid;
}

int main(int argc, char **argv)
{
	int high = argc > 1 ? atoi(argv[1]) : 100;
	struct { pid_t pid; int status; } dead[6];
	pid_t living[16];
	char *shared = must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	int count = 0, status, expect = 0;

	before = (void *)shared, after = (void *)(shared + 1024);
	started = (void *)(shared + 2048), finished = (void *)(shared + 2052), expected = (void *)(shared + 2056);
	signal(SIGQUIT, SIG_DFL);

	living[count++] = member("plain", NULL);
	living[count++] = member("own-group", own_group);
	leader = living[count - 1];
	must(setpgid(leader, leader));
	living[count++] = member("in-a-group", in_a_group);
	living[count++] = member("own-session", own_session);
	living[count++] = member("session+child", session_of_its_own_with_a_child);
	*expected = expect = count + 1;
	names[15] = "job";

	/* a process group whose leader is a zombie */
	leader = zombie(0, 0);
	siginfo_t info;
	must(waitid(P_PID, leader, &info, WEXITED | WNOWAIT));
	(void)info;
	dead[0].pid = leader, dead[0].status = 0;
	dead[1].pid = zombie(7, 0), dead[1].status = 7 << 8;
	dead[2].pid = zombie(high, 0), dead[2].status = high << 8;
	dead[3].pid = zombie(0, SIGKILL), dead[3].status = SIGKILL;
	dead[4].pid = zombie(0, SIGTERM), dead[4].status = SIGTERM;
	dead[5].pid = zombie(0, SIGUSR2), dead[5].status = SIGUSR2;
	for (int i = 0; i < 6; i++)
		must(waitid(P_PID, dead[i].pid, &info, WEXITED | WNOWAIT));
	while (*started < expect)
		sleep_ms(5);
	struct seen self_before, self_after;
	look(&self_before);
	ready_and_wait();
	look(&self_after);
	check(self_before.pid == self_after.pid && self_before.group == self_after.group && self_before.session == self_after.session,
	      "root's ids", "pid %d group %d session %d, were %d %d %d", self_after.pid, self_after.group, self_after.session,
	      self_before.pid, self_before.group, self_before.session);
	for (int i = 0; i < 500 && *finished < expect; i++)
		sleep_ms(10);
	check(*finished == expect, "all live on", "%d of %d", *finished, expect);
	for (int i = 0; i < 16; i++) {
		if (!names[i])
			continue;
		check(!memcmp(&before[i], &after[i], sizeof(before[i])), "ids in the family",
		      "%s: pid %d parent %d group %d session %d death signal %d, were %d %d %d %d %d", names[i], after[i].pid, after[i].parent,
		      after[i].group, after[i].session, after[i].death_signal, before[i].pid, before[i].parent, before[i].group, before[i].session, before[i].death_signal);
	}
	for (int i = 0; i < 6; i++) {
		status = -1;
		pid_t pid = waitpid(dead[i].pid, &status, 0);
		/* what dumps a core need not be said the same way */
		check(pid == dead[i].pid && (status & ~0x80) == dead[i].status, "zombie", "%d: waitpid %d status %#x, expected %#x", i, pid, status, dead[i].status);
	}
	for (int i = 0; i < count; i++) {
		status = -1;
		check(waitpid(living[i], &status, 0) == living[i] && status == i << 8, "child's end", "%s: %#x", names[i], status);
	}
	check(waitpid(-1, &status, 0) == -1 && errno == ECHILD, "no other child", "one more");
	return done();
}
