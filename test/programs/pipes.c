/*
 * Pipes: data in flight, shared between tasks and by dup, full, empty, with an end closed, changed size, flags,
 * (`packets`) in packet mode. A pipe
 * is one object: what one task writes after the restore the other one must read, behind what was already in it.
 */
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

/* Packets that wait stay packets, and a fifo's do. */
static int packets(void)
{
	static char big[4096], got[8192];
	int ends[2], fifo, size;

	must(pipe2(ends, O_DIRECT)), must(mkfifo("fifo", 0600)), fifo = must(open("fifo", O_RDWR)), must(fcntl(fifo, F_SETFL, O_DIRECT));
	fill(big, sizeof(big), 9);
	must(write(ends[1], "one", 3)), must(write(ends[1], big, sizeof(big))), must(write(ends[1], "three", 5));
	must(write(fifo, "a", 1)), must(write(fifo, "bc", 2));
	ready_and_wait();
	check((fcntl(ends[1], F_GETFL) & O_DIRECT) && !(fcntl(fifo, F_GETFL) & O_NONBLOCK) && (fcntl(fifo, F_GETFL) & O_DIRECT), "flags", "%#x %#x", fcntl(ends[1], F_GETFL), fcntl(fifo, F_GETFL));
	check((size = read(ends[0], got, sizeof(got))) == 3 && !memcmp(got, "one", 3), "first packet", "%d bytes", size);
	check((size = read(ends[0], got, sizeof(got))) == 4096 && !memcmp(got, big, 4096), "largest packet", "%d bytes", size);
	check((size = read(ends[0], got, 2)) == 2 && !memcmp(got, "th", 2), "part of a packet", "%d bytes", size);
	must(write(ends[1], "after", 5)), must(write(ends[1], "wards", 5));
	check((size = read(ends[0], got, sizeof(got))) == 5 && !memcmp(got, "after", 5), "packets afterwards", "%d bytes", size);
	check((size = read(fifo, got, sizeof(got))) == 1 && got[0] == 'a', "a fifo's packet", "%d bytes", size);
	check((size = read(fifo, got, sizeof(got))) == 2 && got[1] == 'c', "its second", "%d bytes", size);
	return done();
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "packets"))
		return packets();
	static char big[1 << 20], got[1 << 20];
	int plain[2], full[2], empty[2], closed[2], both[2], back[2], copy, status;
	ssize_t n, size;

	must(pipe(plain)), must(pipe2(full, O_NONBLOCK)), must(pipe(empty)), must(pipe2(closed, O_CLOEXEC));
	must(pipe(both)), must(pipe(back));
	must(write(plain[1], "first ", 6));
	copy = must(dup(plain[1]));
	must(write(copy, "second ", 7));

	size = must(fcntl(full[1], F_SETPIPE_SZ, 256 * 1024));
	fill(big, sizeof(big), 5);
	ssize_t filled = 0;
	while ((n = write(full[1], big + filled, 4096)) > 0)
		filled += n;

	must(write(closed[1], "last words", 10));
	close(closed[1]);

	/* the child holds `both` only for reading, we only for writing; it answers over `back` */
	pid_t child = must(fork());
	if (child == 0) {
		close(both[1]), close(back[0]), close(plain[1]), close(copy);
		while ((n = read(both[0], got, sizeof(got))) > 0)
			if (write(back[1], got, n) != n)
				_exit(3);
		_exit(n == 0 ? 42 : 4);
	}
	close(both[0]), close(back[1]);
	must(write(both[1], "early ", 6));
	must(fcntl(empty[0], F_SETFL, O_NONBLOCK));
	sleep_ms(20);
	ready_and_wait();

	check(queued(plain[0]) == 13, "bytes queued", "%d, were 13", queued(plain[0]));
	must(write(plain[1], "third", 5));
	memset(got, 0, sizeof(got));
	n = read(plain[0], got, sizeof(got));
	check(n == 18 && !strcmp(got, "first second third"), "data in flight", "%zd bytes: '%s'", n, got);
	must(fcntl(copy, F_SETFL, O_NONBLOCK | O_WRONLY));
	check(fcntl(plain[1], F_GETFL) & O_NONBLOCK, "a dup is one description", "flags %#x", fcntl(plain[1], F_GETFL));
	close(plain[1]), close(copy);
	check(read(plain[0], got, 1) == 0, "end of file after the last writer", "no end of file");

	check(fcntl(full[1], F_GETPIPE_SZ) == size, "pipe's size", "%d, was %zd", fcntl(full[1], F_GETPIPE_SZ), size);
	check(write(full[1], "x", 1) == -1 && errno == EAGAIN, "a full pipe is full", "took a byte");
	for (size = 0; (n = read(full[0], got + size, sizeof(got) - size)) > 0;)
		size += n;
	check(size == filled && !memcmp(got, big, filled), "a full pipe's data", "%zd bytes of %zd", size, filled);

	check(read(empty[0], got, 1) == -1 && errno == EAGAIN, "an empty pipe is empty", "it is not");
	must(write(empty[1], "y", 1));
	check(read(empty[0], got, 1) == 1 && got[0] == 'y', "an empty pipe's two ends", "not joined");

	n = read(closed[0], got, sizeof(got));
	check(n == 10 && !memcmp(got, "last words", 10) && read(closed[0], got, 1) == 0, "pipe without a writer", "%zd bytes", n);
	check(fcntl(closed[0], F_GETFD) == FD_CLOEXEC && fcntl(plain[0], F_GETFD) == 0, "close-on-exec", "%d %d", fcntl(closed[0], F_GETFD), fcntl(plain[0], F_GETFD));

	must(write(both[1], "late", 4));
	close(both[1]);
	for (size = 0; (n = read(back[0], got + size, sizeof(got) - size)) > 0;)
		size += n;
	check(size == 10 && !memcmp(got, "early late", 10), "between two tasks", "%zd bytes", size);
	check(waitpid(child, &status, 0) == child && status == 42 << 8, "other task's end", "%#x", status);
	return done();
}
