/*
 * pty COMMAND...: runs a command in a new pseudo-terminal of 80 columns, as its session leader; copies standard input to the
 * terminal's keyboard and what appears on its screen to standard output. Ends when standard input ends, by hanging up.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <unistd.h>

static int copy(int from, int to)
{
	char bytes[4096];
	ssize_t n = read(from, bytes, sizeof(bytes));

	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0)
		return -1;
	for (ssize_t at = 0, wrote; at < n; at += wrote)
		if ((wrote = write(to, bytes + at, n - at)) <= 0)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	int master;

	if (argc < 2)
		return fprintf(stderr, "usage: pty COMMAND...\n"), 2;
	pid_t child = forkpty(&master, NULL, NULL, &size);
	if (child < 0)
		return perror("forkpty"), 1;
	if (child == 0) {
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	struct pollfd fds[2] = { { 0, POLLIN, 0 }, { master, POLLIN, 0 } };
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return 1;
		if ((fds[1].revents & POLLIN) && copy(master, 1))
			return 0;
		if ((fds[1].revents & (POLLHUP | POLLERR)) && !(fds[1].revents & POLLIN))
			return 0;
		if ((fds[0].revents & (POLLIN | POLLHUP)) && copy(0, master))
			return 0;
	}
}
