/* Named pipes: data in flight, one end only, both, deleted, shared by tasks, changed size. */
#include "check.h"
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int queued(int fd)
{
	int n = -1;

	ioctl(fd, FIONREAD, &n);
	return n;
}

int main(void)
{
	char got[65536];
	int status, answer[2];

	must(mkfifo("plain", 0600)), must(mkfifo("reader", 0640)), must(mkfifo("writer", 0600)), must(mkfifo("deleted", 0600)), must(mkfifo("talk", 0600));
	int in = must(open("plain", O_RDONLY | O_NONBLOCK)), out = must(open("plain", O_WRONLY | O_CLOEXEC)), both = must(open("plain", O_RDWR));
	must(write(out, "one ", 4)), must(write(both, "two ", 4));
	int size = must(fcntl(out, F_SETPIPE_SZ, 128 * 1024));
	int reader = must(open("reader", O_RDONLY | O_NONBLOCK));
	int last = must(open("reader", O_WRONLY));
	must(write(last, "last words", 10)), close(last);
	int keep = must(open("writer", O_RDWR)), writer = must(open("writer", O_WRONLY | O_NONBLOCK));
	close(keep);
	int gone = must(open("deleted", O_RDWR | O_NONBLOCK)), gone2 = must(open("deleted", O_RDONLY | O_NONBLOCK));
	must(write(gone, "kept", 4)), must(unlink("deleted"));
	int path = must(open("plain", O_PATH));
	must(pipe(answer));
	pid_t child = must(fork());
	if (child == 0) {
		close(out), close(both), close(in);
		int from = must(open("talk", O_RDONLY));
		ssize_t n;
		must(write(answer[1], "r", 1));
		while ((n = read(from, got, sizeof(got))) > 0)
			must(write(answer[1], got, n));
		_exit(n == 0 ? 5 : 6);
	}
	int to = must(open("talk", O_WRONLY));
	must(read(answer[0], got, 1));
	ready_and_wait();

	check(queued(in) == 8 && queued(both) == 8, "bytes queued", "%d %d", queued(in), queued(both));
	must(write(out, "three", 5));
	memset(got, 0, sizeof(got));
	check(read(in, got, sizeof(got)) == 13 && !strcmp(got, "one two three"), "data in flight", "'%s'", got);
	check(read(in, got, 1) == -1 && errno == EAGAIN, "empty, and not at its end", "%s", strerror(errno));
	close(out), close(both);
	check(read(in, got, 1) == 0, "end of file after the last writer", "%s", strerror(errno));
	check(fcntl(in, F_GETPIPE_SZ) == size, "size", "%d, was %d", fcntl(in, F_GETPIPE_SZ), size);
	memset(got, 0, sizeof(got));
	check(read(reader, got, sizeof(got)) == 10 && !strcmp(got, "last words") && read(reader, got, 1) == 0, "reader alone", "'%s'", got);
	signal(SIGPIPE, SIG_IGN);
	check(write(writer, "x", 1) == -1 && errno == EPIPE, "writer alone", "%s", strerror(errno));
	memset(got, 0, sizeof(got));
	check(read(gone2, got, sizeof(got)) == 4 && !strcmp(got, "kept"), "deleted fifo's data", "'%s'", got);
	must(write(gone, "again", 5));
	check(read(gone2, got, sizeof(got)) == 5, "deleted fifo's ends", "not joined");
	check(access("deleted", F_OK) == -1, "deleted stays deleted", "it is there");
	struct stat a, b;
	must(fstat(path, &a)), must(stat("plain", &b));
	check(a.st_ino == b.st_ino && fcntl(path, F_GETFL) & O_PATH, "a path only", "%#x", fcntl(path, F_GETFL));
	must(write(to, "hello", 5)), close(to);
	memset(got, 0, sizeof(got));
	close(answer[1]);
	check(waitpid(child, &status, 0) == child && status == 5 << 8, "other task's end", "%#x", status);
	check(read(answer[0], got, sizeof(got)) == 5 && !strcmp(got, "hello"), "between two tasks", "'%s'", got);
	return done();
}
