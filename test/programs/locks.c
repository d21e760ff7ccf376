/*
 * File locks: POSIX (ranges, read and write, of two processes), flock (shared by fork), of open file descriptions, leases (read, write, being
 * broken). Another process must find them just as held as before.
 */
#include "check.h"
#include <sys/file.h>
#include <sys/wait.h>

static int make(const char *name)
{
	int fd = must(open(name, O_CREAT | O_RDWR, 0600));

	must(ftruncate(fd, 1000));
	return fd;
}

static int set(int fd, int command, int type, off_t start, off_t length)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };

	return fcntl(fd, command, &lock);
}

/* Who another process finds in the way: 0 nobody, -1 an open file description. */
static int holder(const char *name, int type, off_t start, off_t length)
{
	int status;
	pid_t pid = must(fork());

	if (pid == 0) {
		struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
		int answer[1];
		int other = open(name, O_RDWR), out = open("answer", O_CREAT | O_WRONLY | O_TRUNC, 0600);
		answer[0] = fcntl(other, F_GETLK, &lock) ? -2 : lock.l_type == F_UNLCK ? 0 : lock.l_pid;
		_exit(write(out, answer, sizeof(answer)) != sizeof(answer));
	}
	must(waitpid(pid, &status, 0));
	int in = must(open("answer", O_RDONLY)), found = -3;
	must(read(in, &found, sizeof(found)));
	close(in);
	return found;
}

static int flocked(const char *name, int how)
{
	int fd = must(open(name, O_RDWR)), free = flock(fd, how | LOCK_NB) == 0;

	close(fd);
	return !free;
}

/* Opens a file in another process, without waiting; 0 or errno. */
static int opens(const char *name, int flags)
{
	int status;
	pid_t pid = must(fork());

	if (pid == 0)
		_exit(open(name, flags | O_NONBLOCK) < 0 ? errno : 0);
	must(waitpid(pid, &status, 0));
	return WEXITSTATUS(status);
}

static volatile int broken;
static void breaking(int sig) { (void)sig, broken++; }

int main(void)
{
	int ask[2], answer[2], status;
	char byte, text[4096], path[64];

	signal(SIGIO, breaking);
	int a = make("posix"), b = make("flock"), c = make("ofd");
	must(set(a, F_SETLK, F_WRLCK, 10, 20)), must(set(a, F_SETLK, F_RDLCK, 100, 50)), must(set(a, F_SETLK, F_WRLCK, 900, 0));
	must(flock(b, LOCK_EX));
	int b2 = must(dup(b));
	int shared = make("shared"), shared2 = must(open("shared", O_RDWR));
	must(flock(shared, LOCK_SH)), must(flock(shared2, LOCK_SH));
	must(set(c, F_OFD_SETLK, F_WRLCK, 0, 5)), must(set(c, F_OFD_SETLK, F_RDLCK, 50, 0));
	close(make("read")), close(make("write")), close(make("broken")), close(make("downgraded"));
	int reading = must(open("read", O_RDONLY)), writing = must(open("write", O_RDWR)), breaks = must(open("broken", O_RDWR)), down = must(open("downgraded", O_RDWR));
	must(fcntl(reading, F_SETLEASE, F_RDLCK)), must(fcntl(writing, F_SETLEASE, F_WRLCK));
	must(fcntl(breaks, F_SETLEASE, F_WRLCK)), must(fcntl(down, F_SETLEASE, F_WRLCK));
	if (opens("broken", O_WRONLY) != EWOULDBLOCK || opens("downgraded", O_RDONLY) != EWOULDBLOCK)
		fail("setup: a lease is not in the way");
	must(pipe(ask)), must(pipe(answer));
	pid_t child = must(fork());
	if (child == 0) {
		close(ask[1]);
		int mine = must(open("posix", O_RDWR));
		must(set(mine, F_SETLK, F_WRLCK, 500, 10));
		must(write(answer[1], "r", 1));
		while (read(ask[0], &byte, 1) == 1)
			;
		_exit(3);
	}
	close(ask[0]);
	must(read(answer[0], &byte, 1));
	int before = broken;
	ready_and_wait();

	check(holder("posix", F_WRLCK, 0, 10) == 0, "a free range", "held by %d", holder("posix", F_WRLCK, 0, 10));
	check(holder("posix", F_RDLCK, 29, 1) == getpid(), "end of a write lock", "%d", holder("posix", F_RDLCK, 29, 1));
	check(holder("posix", F_RDLCK, 30, 1) == 0, "behind it", "%d", holder("posix", F_RDLCK, 30, 1));
	check(holder("posix", F_RDLCK, 100, 50) == 0 && holder("posix", F_WRLCK, 149, 1) == getpid(), "read lock", "%d", holder("posix", F_WRLCK, 149, 1));
	check(holder("posix", F_WRLCK, 5000, 1) == getpid(), "lock to the end", "%d", holder("posix", F_WRLCK, 5000, 1));
	check(holder("posix", F_WRLCK, 505, 1) == child, "the child's lock", "%d, not %d", holder("posix", F_WRLCK, 505, 1), child);
	check(flocked("flock", LOCK_SH), "flock", "free");
	close(b);
	check(flocked("flock", LOCK_SH), "flock of two descriptors and a child", "free");
	must(flock(b2, LOCK_UN));
	check(!flocked("flock", LOCK_EX), "given up for all of them", "held");
	check(!flocked("shared", LOCK_SH) && flocked("shared", LOCK_EX), "shared flocks", "%d %d", flocked("shared", LOCK_SH), flocked("shared", LOCK_EX));
	must(flock(shared, LOCK_UN));
	check(flocked("shared", LOCK_EX), "the second one", "free");
	must(flock(shared2, LOCK_UN));
	check(!flocked("shared", LOCK_EX), "none left", "held");
	check(holder("ofd", F_RDLCK, 4, 1) == -1 && holder("ofd", F_RDLCK, 5, 1) == 0, "lock of an open file description", "%d %d", holder("ofd", F_RDLCK, 4, 1), holder("ofd", F_RDLCK, 5, 1));
	check(holder("ofd", F_RDLCK, 60, 1) == 0 && holder("ofd", F_WRLCK, 60, 1) == -1, "and to read", "%d", holder("ofd", F_WRLCK, 60, 1));
	check(fcntl(reading, F_GETLEASE) == F_RDLCK && fcntl(writing, F_GETLEASE) == F_WRLCK, "leases", "%d %d", fcntl(reading, F_GETLEASE), fcntl(writing, F_GETLEASE));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", breaks);
	slurp(path, text, sizeof(text));
	check(fcntl(breaks, F_GETLEASE) == F_UNLCK && strstr(text, "BREAKING"), "a lease being broken", "%d %s", fcntl(breaks, F_GETLEASE), text);
	check(fcntl(down, F_GETLEASE) == F_RDLCK, "one to be downgraded", "%d", fcntl(down, F_GETLEASE));
	check(broken == before, "no signal of the restore", "%d, were %d", broken, before);
	check(opens("read", O_WRONLY) == EWOULDBLOCK && broken == before + 1, "breaking a lease tells its holder", "%d", broken);
	check(opens("read", O_RDONLY) == 0, "a read lease lets others read", "it does not");
	must(fcntl(breaks, F_SETLEASE, F_UNLCK));
	check(opens("broken", O_WRONLY) == 0, "a lease given up", "still in the way");
	close(ask[1]);
	must(waitpid(child, &status, 0));
	check(status == 3 << 8 && holder("posix", F_WRLCK, 505, 1) == 0, "locks go with their process", "%d", holder("posix", F_WRLCK, 505, 1));
	must(close(must(open("posix", O_RDONLY))));
	check(holder("posix", F_WRLCK, 0, 0) == 0, "closing any descriptor drops them", "%d", holder("posix", F_WRLCK, 0, 0));
	(void)c;
	return done();
}
