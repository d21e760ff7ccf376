/*
 * Signals: handlers of every flavour, masks, ignored ones, pending ones with their siginfo (the process's queue and a thread's, in
 * order), the alternate stack in use, a signal arriving after the restore.
 */
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>

static volatile int handled[65], on_stack, code_seen, value_seen;
static char *stack_memory;

static void plain(int signal)
{
	handled[signal]++;
}

static void with_info(int signal, siginfo_t *info, void *context)
{
	char here;

	(void)context;
	handled[signal]++;
	code_seen = info->si_code;
	value_seen = info->si_value.sival_int;
	on_stack = &here >= stack_memory && &here < stack_memory + 65536;
}

static pthread_t other;
static volatile pid_t other_tid;

static void *thread(void *unused)
{
	sigset_t all;
	siginfo_t info;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	other_tid = syscall(SYS_gettid);
	wait_for_go();
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 5);
	for (int i = 0; i < 3; i++) {
		int got = sigtimedwait(&set, &info, &(struct timespec){ 0 });
		check(got == SIGRTMIN + 5 && info.si_value.sival_int == 500 + i && info.si_code == SI_QUEUE, "thread's pending queue",
		      "number %d: signal %d value %d code %d", i, got, info.si_value.sival_int, info.si_code);
	}
	check(sigtimedwait(&set, &info, &(struct timespec){ 0 }) == -1, "thread's queue has an end", "one more");
	return unused;
}

static void queue(pid_t pid, int signal, int value)
{
	must(sigqueue(pid, signal, (union sigval){ .sival_int = value }));
}

/* the action as the kernel has it */
struct action { void *handler; unsigned long flags; void *restorer; uint64_t mask; };

int main(void)
{
	struct action before[65], after[65];
	struct sigaction action = { .sa_handler = plain };
	sigset_t mask, pending_before, pending_after, now_mask;
	siginfo_t info;

	memset(before, 0, sizeof(before)), memset(after, 0, sizeof(after));
	stack_memory = malloc(65536);
	must(sigaltstack(&(stack_t){ .ss_sp = stack_memory, .ss_size = 65536 }, NULL));
	sigaddset(&action.sa_mask, SIGHUP);
	action.sa_flags = SA_RESTART;
	must(sigaction(SIGUSR1, &action, NULL));
	action.sa_flags = SA_NODEFER | SA_RESETHAND;
	must(sigaction(SIGUSR2, &action, NULL));
	action.sa_handler = SIG_IGN, action.sa_flags = 0;
	must(sigaction(SIGPIPE, &action, NULL)), must(sigaction(SIGTSTP, &action, NULL)), must(sigaction(SIGRTMAX, &action, NULL));
	action.sa_sigaction = with_info, action.sa_flags = SA_SIGINFO | SA_ONSTACK;
	must(sigaction(SIGRTMIN + 3, &action, NULL));
	action.sa_handler = SIG_DFL, action.sa_flags = SA_NOCLDSTOP | SA_NOCLDWAIT;
	must(sigaction(SIGCHLD, &action, NULL));

	sigemptyset(&mask);
	for (int i = 0; i < 3; i++)
		sigaddset(&mask, SIGRTMIN + i);
	sigaddset(&mask, SIGTERM), sigaddset(&mask, SIGALRM), sigaddset(&mask, SIGUSR1);
	must(sigprocmask(SIG_SETMASK, &mask, NULL));
	for (int i = 0; i < 5; i++)
		queue(getpid(), SIGRTMIN + 1, 10 + i);
	queue(getpid(), SIGRTMIN, 7);
	must(kill(getpid(), SIGTERM));
	must(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGALRM));
	if (pthread_create(&other, NULL, thread, NULL))
		must(-1);
	while (!other_tid)
		sleep_ms(1);
	sleep_ms(10);
	for (int i = 0; i < 3; i++)
		pthread_sigqueue(other, SIGRTMIN + 5, (union sigval){ .sival_int = 500 + i });
	for (int s = 1; s < 65; s++)
		syscall(SYS_rt_sigaction, s, NULL, &before[s], 8);
	sigpending(&pending_before);
	ready_and_wait();

	pthread_join(other, NULL);
	sigprocmask(SIG_SETMASK, NULL, &now_mask);
	check(!memcmp(&mask, &now_mask, 8), "signal mask", "%#lx, was %#lx", *(long *)&now_mask, *(long *)&mask);
	sigpending(&pending_after);
	check(!memcmp(&pending_before, &pending_after, 8), "pending set", "%#lx, was %#lx", *(long *)&pending_after, *(long *)&pending_before);
	int wrong = 0;
	for (int s = 1; s < 65; s++) {
		syscall(SYS_rt_sigaction, s, NULL, &after[s], 8);
		if (memcmp(&before[s], &after[s], sizeof(before[s])))
			wrong = s;
	}
	check(!wrong, "actions", "signal %d: handler %p flags %#lx mask %#lx, was %p %#lx %#lx", wrong, after[wrong].handler, after[wrong].flags,
	      after[wrong].mask, before[wrong].handler, before[wrong].flags, before[wrong].mask);

	sigset_t one;
	sigemptyset(&one), sigaddset(&one, SIGRTMIN + 1);
	for (int i = 0; i < 5; i++) {
		int got = sigtimedwait(&one, &info, &(struct timespec){ 0 });
		check(got == SIGRTMIN + 1 && info.si_code == SI_QUEUE && info.si_value.sival_int == 10 + i && info.si_pid == getpid() && info.si_uid == getuid(),
		      "process's pending queue", "number %d: signal %d code %d value %d pid %d", i, got, info.si_code, info.si_value.sival_int, info.si_pid);
	}
	check(sigtimedwait(&one, &info, &(struct timespec){ 0 }) == -1, "process's queue has an end", "one more");
	sigemptyset(&one), sigaddset(&one, SIGTERM);
	check(sigtimedwait(&one, &info, &(struct timespec){ 0 }) == SIGTERM && info.si_code == SI_USER && info.si_pid == getpid(), "signal sent by kill",
	      "code %d pid %d", info.si_code, info.si_pid);
	sigemptyset(&one), sigaddset(&one, SIGALRM);
	/* raw: the C library calls it SI_USER */
	check(syscall(SYS_rt_sigtimedwait, &one, &info, &(struct timespec){ 0 }, 8) == SIGALRM && info.si_code == SI_TKILL, "signal sent to a thread", "code %d", info.si_code);

	queue(getpid(), SIGRTMIN + 3, 33);
	check(handled[SIGRTMIN + 3] == 1 && code_seen == SI_QUEUE && value_seen == 33 && on_stack, "handler on the alternate stack",
	      "ran %d times, code %d value %d on its stack %d", handled[SIGRTMIN + 3], code_seen, value_seen, on_stack);
	raise(SIGUSR1);
	check(handled[SIGUSR1] == 0, "blocked signal", "it was handled");
	sigemptyset(&one), sigaddset(&one, SIGUSR1);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	check(handled[SIGUSR1] == 1, "unblocked signal", "handled %d times", handled[SIGUSR1]);
	raise(SIGUSR2);
	struct sigaction reset;
	sigaction(SIGUSR2, NULL, &reset);
	check(handled[SIGUSR2] == 1 && reset.sa_handler == SIG_DFL, "handler that resets itself", "%d times", handled[SIGUSR2]);
	raise(SIGPIPE), raise(SIGTSTP), raise(SIGRTMAX);
	check(1, "ignored signals", " ");
	pid_t child = must(fork());
	if (child == 0)
		_exit(1);
	check(waitpid(child, NULL, 0) == -1 && errno == ECHILD, "children that leave no zombie", "one was left");
	return done();
}
