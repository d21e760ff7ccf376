/*
 * Asynchronous I/O contexts: unused, with events that wait, with a ring that has been gone round, and (`fork`) a child, which has
 * the memory of a context but not the context.
 */
#include "check.h"
#include <linux/aio_abi.h>
#include <sys/wait.h>

static int null;

static long submit(aio_context_t context, uint64_t tag)
{
	static char byte;
	struct iocb cb = { .aio_data = tag, .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = null, .aio_buf = (uint64_t)&byte, .aio_nbytes = 1 };
	struct iocb *list = &cb;

	return syscall(SYS_io_submit, context, 1, &list);
}

/* How many events there are of those with tags from `first` on, in order. */
static int reap(aio_context_t context, uint64_t first, int most)
{
	struct io_event event;
	struct timespec none = { 0, 0 };
	int n;

	for (n = 0; n < most && syscall(SYS_io_getevents, context, 0, 1, &event, &none) == 1; n++)
		if (event.data != first + n || event.res != 1)
			return -1 - n;
	return n;
}

int main(int argc, char **argv)
{
	int forks = argc > 1 && !strcmp(argv[1], "fork");
	aio_context_t fresh = 0, waiting = 0, round = 0;
	unsigned *ring;
	int status, rounds;

	null = must(open("/dev/null", O_WRONLY));
	must(syscall(SYS_io_setup, 1, &fresh)), must(syscall(SYS_io_setup, 1000, &waiting)), must(syscall(SYS_io_setup, 64, &round));
	for (int i = 0; i < 20; i++)
		must(submit(waiting, 100 + i));
	must(reap(waiting, 100, 7) == 7 ? 0 : -1);
	ring = (unsigned *)round;
	/* until the place written to lies before the one read from */
	for (rounds = 0; rounds < 5000 && ring[3] >= ring[2]; rounds++) {
		must(submit(round, rounds));
		if (rounds >= 30)
			must(reap(round, rounds - 30, 1) == 1 ? 0 : -1);
	}
	int left = rounds < 30 ? rounds : 30;
	pid_t child = forks ? must(fork()) : -1;
	if (child == 0) {
		wait_for_go();
		_exit(syscall(SYS_io_getevents, waiting, 0, 0, NULL, NULL) == -1 && errno == EINVAL ? 7 : 8);
	}
	unsigned nr = ring[1], head = ring[2], tail = ring[3];
	ready_and_wait();
	check(ring[1] == nr && ring[2] == head && ring[3] == tail, "positions", "%u %u %u, were %u %u %u", ring[1], ring[2], ring[3], nr, head, tail);
	check(tail < head, "the ring was gone round", "%u %u", tail, head);
	check(reap(waiting, 107, 100) == 13, "events that waited", "they are others");
	check(reap(round, rounds - left, 100) == left, "events that waited across the ring's end", "they are others");
	check(reap(fresh, 0, 1) == 0, "an unused context has none", "it has");
	int good = 0;
	for (int i = 0; i < 3000; i++)
		good += submit(round, i) == 1 && submit(fresh, i) == 1 && reap(round, i, 1) == 1 && reap(fresh, i, 1) == 1;
	check(good == 3000, "requests", "%d of 3000", good);
	if (forks) {
		must(waitpid(child, &status, 0));
		check(WIFEXITED(status) && WEXITSTATUS(status) == 7, "a child has no context", "%#x", status);
	}
	check(syscall(SYS_io_destroy, waiting) == 0 && syscall(SYS_io_destroy, round) == 0, "destroyed", "%s", strerror(errno));
	return done();
}
