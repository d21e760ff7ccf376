/*
 * Descriptors that are about processes: pidfds (of itself, a child, a zombie, a process that is gone, a thread; shared by fork) and files below
 * /proc (its own, a child's, a thread's, of a process that is gone; partly read).
 * Argument `criu`: without what CRIU 4.2 refuses (pidfds and files of threads).
 */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PIDFD_THREAD O_EXCL

static int open_pidfd(pid_t pid, unsigned flags) { return syscall(SYS_pidfd_open, pid, flags); }
static int send(int fd, int sig) { return syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0); }

static int of(int fd)
{
	char path[64], text[1024], *at;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	slurp(path, text, sizeof(text));
	return (at = strstr(text, "Pid:")) ? atoi(at + 4) : -2;
}

static int ready(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, 0) == 1 && p.revents & POLLIN;
}

static volatile int tid, stop;
static void *idle(void *arg)
{
	(void)arg;
	tid = syscall(SYS_gettid);
	while (!stop)
		sleep_ms(5);
	return NULL;
}

static char *field(const char *text, const char *name)
{
	static char value[256];
	const char *at = strstr(text, name);

	value[0] = 0;
	if (at)
		sscanf(at + strlen(name), " %255s", value);
	return value;
}

static pid_t gone(void)
{
	pid_t pid = must(fork());

	if (pid == 0) {
		pause();
		_exit(0);
	}
	return pid;
}

int main(int argc, char **argv)
{
	int all = argc < 2, status, ask[2];
	char text[65536], path[64], byte;
	pthread_t thread;
	siginfo_t info;
	(void)argv;

	must(pipe(ask));
	must(pthread_create(&thread, NULL, idle, NULL));
	while (!tid)
		sleep_ms(1);

	int self = must(open_pidfd(getpid(), 0)), nonblock = must(open_pidfd(getpid(), O_NONBLOCK));
	pid_t dead = gone(), dead2 = gone();
	int late = must(open_pidfd(dead, 0)), late2 = must(open_pidfd(dead, 0)), other = must(open_pidfd(dead2, 0));
	snprintf(path, sizeof(path), "/proc/%d/status", dead);
	int deadfile = must(open(path, O_RDONLY));
	snprintf(path, sizeof(path), "/proc/%d", dead);
	int deaddir = must(open(path, O_RDONLY | O_DIRECTORY));
	must(kill(dead, SIGKILL)), must(waitpid(dead, NULL, 0)), must(kill(dead2, SIGKILL)), must(waitpid(dead2, NULL, 0));
	pid_t zombie = must(fork());
	if (zombie == 0)
		_exit(7);
	must(waitid(P_PID, zombie, &info, WEXITED | WNOWAIT));
	int ended = must(open_pidfd(zombie, 0));
	int leader = all ? must(open_pidfd(getpid(), PIDFD_THREAD)) : -1, one = all ? must(open_pidfd(tid, PIDFD_THREAD)) : -1;

	int own = must(open("/proc/self/status", O_RDONLY)), dir = must(open("/proc/self/fd", O_RDONLY | O_DIRECTORY)), maps = must(open("/proc/self/maps", O_RDONLY));
	int uptime = must(open("/proc/uptime", O_RDONLY)), mem = must(open("/proc/self/mem", O_RDWR));
	must(read(own, text, 40));
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	int thread_file = all ? must(open(path, O_RDONLY)) : -1;

	pid_t child = must(fork());
	if (child == 0) {
		close(ask[1]);
		while (read(ask[0], &byte, 1) == 1)
			;
		_exit(fcntl(nonblock, F_GETFL) & O_NONBLOCK ? 1 : of(self) == getppid() ? 33 : 2);
	}
	close(ask[0]);
	int younger = must(open_pidfd(child, 0));
	snprintf(path, sizeof(path), "/proc/%d/status", child);
	int child_file = must(open(path, O_RDONLY));
	ready_and_wait();

	check(of(self) == getpid(), "pidfd of itself", "%d, is %d", of(self), getpid());
	check(!ready(self) && send(self, 0) == 0, "its process runs", "%s", strerror(errno));
	check(of(younger) == child && !ready(younger), "pidfd of a child", "%d, is %d", of(younger), child);
	check(of(late) == -1 && ready(late) && send(late, 0) == -1 && errno == ESRCH, "pidfd of a process that is gone", "%d %s", of(late), strerror(errno));
	struct stat a, b, c;
	must(fstat(late, &a)), must(fstat(late2, &b)), must(fstat(other, &c));
	check(a.st_ino == b.st_ino, "two pidfds of the same", "%ld %ld", (long)a.st_ino, (long)b.st_ino);
	check(a.st_ino != c.st_ino, "and one of another", "%ld", (long)c.st_ino);
	check(of(ended) == zombie && ready(ended), "pidfd of a zombie", "%d", of(ended));
	check(waitid(P_PIDFD, ended, &info, WEXITED) == 0 && info.si_status == 7, "waiting by pidfd", "%d", info.si_status);
	check(fcntl(nonblock, F_GETFL) & O_NONBLOCK, "its status flag", "%#x", fcntl(nonblock, F_GETFL));
	must(fcntl(nonblock, F_SETFL, 0));
	if (all) {
		check(of(leader) == getpid() && of(one) == tid && !ready(one), "pidfds of threads", "%d %d", of(leader), of(one));
		check(fcntl(one, F_GETFL) & O_EXCL, "flag of a thread's", "%#x", fcntl(one, F_GETFL));
	}

	memset(text, 0, sizeof(text));
	check(lseek(own, 0, SEEK_CUR) == 40, "position in a file of its own", "%ld", (long)lseek(own, 0, SEEK_CUR));
	must(lseek(own, 0, SEEK_SET)), must(read(own, text, sizeof(text) - 1));
	check(atoi(field(text, "\nPid:")) == getpid(), "file of its own", "%s", field(text, "\nPid:"));
	snprintf(path, sizeof(path), "%d", self);
	check(faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0, "directory of its own", "%s", strerror(errno));
	memset(text, 0, sizeof(text));
	must(read(maps, text, sizeof(text) - 1));
	check(strstr(text, "processes"), "its mappings", "%s", text);
	uint64_t word = 0x1234, got = 0;
	check(pread(mem, &got, 8, (off_t)(uintptr_t)&word) == 8 && got == word, "its memory", "%s", strerror(errno));
	check(read(uptime, text, 32) > 3, "a file of nobody's", "%s", strerror(errno));
	memset(text, 0, sizeof(text));
	must(read(child_file, text, sizeof(text) - 1));
	check(atoi(field(text, "\nPid:")) == child, "file of a child", "%s, is %d", field(text, "\nPid:"), child);
	check(read(deadfile, text, 10) == -1 && errno == ESRCH, "file of a process that is gone", "%s", strerror(errno));
	check(faccessat(deaddir, "status", F_OK, 0) == -1 && (errno == ENOENT || errno == ESRCH), "directory of a process that is gone", "%s", strerror(errno));
	if (all) {
		memset(text, 0, sizeof(text));
		must(read(thread_file, text, sizeof(text) - 1));
		check(atoi(text) == tid, "file of a thread", "%s", text);
	}
	close(ask[1]);
	check(waitpid(child, &status, 0) == child && status == 33 << 8, "a pidfd shared with a child", "%#x", status);
	check(ready(younger), "a child's end is seen", "it is not");
	stop = 1;
	pthread_join(thread, NULL);
	return done();
}
