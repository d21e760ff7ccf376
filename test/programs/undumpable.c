/*
 * undumpable WHAT...: holds what a dump has to refuse, then waits. Prints `skip` where this machine has no such thing.
 */
#include "check.h"
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int skip(const char *why)
{
	say("skip %s", why);
	pause();
	return 0;
}

/* May not make directories any more (Landlock, by number: not every libc has the names). */
static void confine(void)
{
	uint64_t handled = 1 << 7;
	int ruleset = syscall(444, &handled, sizeof handled, 0);

	if (ruleset < 0)
		skip("no Landlock");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)), must(syscall(446, ruleset, 0)), must(close(ruleset));
	check(mkdir("confined", 0700) == -1 && errno == EACCES, "confined", "it can make a directory");
}

static void unshare_thread(void)
{
	must(unshare(CLONE_FS | CLONE_FILES));
}

static void *other_thread(void *does)
{
	void (*volatile *act)(void) = does;

	(*act)();
	*act = NULL;
	pause();
	return NULL;
}

/* Another thread does it, and stays. */
static void in_thread(void (*act)(void))
{
	void (*volatile does)(void) = act;
	pthread_t thread;

	must(pthread_create(&thread, NULL, other_thread, (void *)&does) == 0 ? 0 : -1);
	while (does)
		sleep_ms(1);
}

static void hold(const char *what)
{
	if (!strcmp(what, "vsock")) {
		if (socket(AF_VSOCK, SOCK_STREAM, 0) < 0)
			skip("no AF_VSOCK");
	} else if (!strcmp(what, "alg")) {
		if (socket(AF_ALG, SOCK_SEQPACKET, 0) < 0)
			skip("no AF_ALG");
	} else if (!strcmp(what, "xdp")) {
		if (socket(AF_XDP, SOCK_RAW, 0) < 0)
			skip("no AF_XDP");
	} else if (!strcmp(what, "huge")) {
		if (mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0) == MAP_FAILED)
			skip("no huge pages");
	} else if (!strcmp(what, "sysv")) {
		int id = must(shmget(IPC_PRIVATE, 8192, 0600));
		char *at = (char *)must((long)shmat(id, NULL, 0));
		must(munmap(at + 4096, 4096));
		must(shmctl(id, IPC_RMID, NULL));
	} else if (!strcmp(what, "ghost")) {
		char block[4096];
		int fd = must(open("ghost", O_RDWR | O_CREAT, 0600));
		memset(block, 'g', sizeof(block));
		for (int i = 0; i < 3 << 20; i += sizeof(block))
			must(write(fd, block, sizeof(block)));
		must(unlink("ghost"));
	} else if (!strcmp(what, "replaced")) {
		must(open("replaced", O_RDWR | O_CREAT, 0600));
		must(link("replaced", "kept")), must(unlink("replaced"));
		/* the kernel marks its name as deleted; one with that very name takes its place */
		must(close(must(open("replaced (deleted)", O_RDWR | O_CREAT, 0600))));
		must(close(must(open("other", O_RDWR | O_CREAT, 0600))));
	} else if (!strcmp(what, "renamed")) {
		must(open("renamed", O_RDWR | O_CREAT, 0600));
		must(link("renamed", "elsewhere")), must(unlink("renamed"));
	} else if (!strcmp(what, "namespace")) {
		if (unshare(CLONE_NEWNET) != 0)
			skip("no right to make a namespace");
	} else if (!strcmp(what, "children")) {
		must(unshare(CLONE_NEWTIME));
	} else if (!strcmp(what, "queue")) {
		must(unshare(CLONE_NEWIPC));
		must(mq_close(must(mq_open("/sf-undumpable", O_RDWR | O_CREAT | O_EXCL, 0600, NULL))));
	} else if (!strcmp(what, "clocks")) {
		int ours = must(open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC));
		must(unshare(CLONE_NEWTIME));
		if (must(fork()) == 0) {
			must(prctl(PR_SET_PDEATHSIG, SIGKILL));
			for (;;) pause();
		}
		must(setns(ours, CLONE_NEWTIME));
		must(close(ours));
	} else if (!strcmp(what, "undo")) {
		struct sembuf up = { 0, 3, SEM_UNDO };
		int set = must(semget(IPC_PRIVATE, 2, 0600));
		must(semop(set, &up, 1));
		say("set %d", set); /* the test takes it away */
	} else if (!strcmp(what, "mqueue")) {
		mqd_t queue = must(mq_open("/sf-undumpable", O_RDWR | O_CREAT | O_EXCL, 0600, NULL));
		must(mq_unlink("/sf-undumpable")), must(mq_send(queue, "x", 1, 0));
	} else if (!strcmp(what, "notify")) {
		mqd_t queue = must(mq_open("/sf-undumpable", O_RDWR | O_CREAT | O_EXCL, 0600, NULL));
		struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
		must(mq_unlink("/sf-undumpable")), must(mq_notify(queue, &event));
	} else if (!strcmp(what, "vfork")) {
		say("ready");
		int child = vfork();
		if (child == 0) {
			pause(); /* a signal ends it, and its parent goes on */
			_exit(0);
		}
		must(waitpid(child, NULL, 0));
		say("went on");
	} else if (!strcmp(what, "io_uring")) {
		char params[256] = { 0 };
		int ring = must(syscall(SYS_io_uring_setup, 4, params));
		must((long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0));
	} else if (!strcmp(what, "userfaultfd")) {
		int fd = must(syscall(SYS_userfaultfd, O_CLOEXEC));
		struct uffdio_api api = { .api = UFFD_API };
		void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct uffdio_register range = { { must((long)memory), 4096 }, UFFDIO_REGISTER_MODE_MISSING, 0 };
		must(ioctl(fd, UFFDIO_API, &api)), must(ioctl(fd, UFFDIO_REGISTER, &range));
	} else if (!strcmp(what, "secret")) {
		int fd = must(syscall(SYS_memfd_secret, 0));
		must(ftruncate(fd, 4096));
		must((long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	} else if (!strcmp(what, "perf")) {
		struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE, .size = sizeof attr, .config = PERF_COUNT_SW_DUMMY };
		must(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
	} else if (!strcmp(what, "bpf")) {
		struct { uint32_t type, key, value, entries, flags, rest[20]; } map = { 2, 4, 4, 1, 0, { 0 } };
		must(syscall(SYS_bpf, 0, &map, sizeof map));
	} else if (!strcmp(what, "landlock")) {
		confine();
	} else if (!strcmp(what, "landlock-user")) {
		must(setresgid(1234, 1234, 1234)), must(setresuid(1234, 1234, 1234)), must(prctl(PR_SET_DUMPABLE, 1));
		confine();
	} else if (!strcmp(what, "landlock-thread")) {
		in_thread(confine);
	} else if (!strcmp(what, "unshare")) {
		in_thread(unshare_thread);
	} else if (!strcmp(what, "device")) {
		must(open("/dev/fuse", O_RDWR));
	} else {
		_exit(122);
	}
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		hold(argv[i]);
	say("ready");
	for (;;)
		pause();
}
