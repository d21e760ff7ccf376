/*
 * tcp: TCP connections with both ends in the tree, in the states that stay: idle, with data not read, with more than fits, half closed in each
 * direction, closed by both, reset, shared with a child. Every byte is checked. Argument `closed`: they are to be found closed.
 */
#include "sockopt.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Both ends of a connection over `text` ("::1", "127.0.0.1", "::ffff:127.0.0.1"). */
static void connection(const char *text, int end[2])
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in a4 = { .sin_family = AF_INET };
	int v6 = inet_pton(AF_INET6, text, &a6.sin6_addr) == 1;
	struct sockaddr *a = v6 ? (void *)&a6 : (void *)&a4;
	socklen_t n = v6 ? sizeof(a6) : sizeof(a4);

	if (!v6)
		inet_pton(AF_INET, text, &a4.sin_addr);
	int listener = must(socket(a->sa_family, SOCK_STREAM, 0));
	must(bind(listener, a, n));
	must(listen(listener, 1));
	must(getsockname(listener, a, &n));
	end[0] = must(socket(a->sa_family, SOCK_STREAM, 0));
	must(connect(end[0], a, n));
	end[1] = must(accept(listener, 0, 0));
	close(listener);
}

static unsigned char byte_at(long at, int seed) { return pattern(at, seed) >> 13; }

/* Sends the next bytes of a pattern. */
static long send_some(int fd, long from, long count, int seed, int flags)
{
	static unsigned char buffer[65536];
	long done = 0;

	while (done < count) {
		long part = count - done < (long)sizeof(buffer) ? count - done : (long)sizeof(buffer);

		for (long i = 0; i < part; i++)
			buffer[i] = byte_at(from + done + i, seed);
		long n = send(fd, buffer, part, flags | MSG_NOSIGNAL);
		if (n < 0)
			break;
		done += n;
	}
	return done;
}

/* Reads `count` bytes of it; -1: one was wrong or missing. */
static long expect_some(int fd, long from, long count, int seed)
{
	static unsigned char buffer[65536];
	long done = 0;

	while (done < count) {
		long want = count - done < (long)sizeof(buffer) ? count - done : (long)sizeof(buffer);
		struct pollfd p = { fd, POLLIN, 0 };
		long n = poll(&p, 1, 10000) == 1 ? recv(fd, buffer, want, 0) : 0;

		if (n <= 0)
			return say("# %ld of %ld bytes came (%s)", done, count, n < 0 ? strerror(errno) : "the end"), -1;
		for (long i = 0; i < n; i++)
			if (buffer[i] != byte_at(from + done + i, seed))
				return say("# byte %ld is wrong", from + done + i), -1;
		done += n;
	}
	return done;
}

static int at_end(int fd)
{
	char byte;
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, 5000) == 1 && recv(fd, &byte, 1, 0) == 0;
}

static int state_of(int fd)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0 ? -1 : info.tcpi_state;
}

static void alive(const char *name, int a, int b)
{
	int good = send_some(a, 0, 5000, 91, 0) == 5000 && expect_some(b, 0, 5000, 91) == 5000 && send_some(b, 0, 5000, 92, 0) == 5000 && expect_some(a, 0, 5000, 92) == 5000;

	check(good, "goes on in both directions", "%s", name);
}

int main(int argc, char **argv)
{
	int idle[2], six[2], mapped[2], waiting[2], full[2], half[2], over[2], reset[2], shared[2], options[2];
	int closed = argc > 1 && !strcmp(argv[1], "closed");
	int common = argc > 1 && !strcmp(argv[1], "common"); /* without what CRIU has no place for */

	connection("127.0.0.1", idle);
	connection("::1", six);
	connection("::ffff:127.0.0.1", mapped);
	connection("127.0.0.1", waiting);
	connection("127.0.0.1", full);
	connection("127.0.0.1", half);
	connection("::1", over);
	connection("127.0.0.1", reset);
	connection("127.0.0.1", shared);
	connection("127.0.0.1", options);
	send_some(waiting[0], 0, 12345, 1, 0);
	send_some(waiting[1], 0, 100000, 2, 0);
	long sent = send_some(full[0], 0, 1 << 26, 3, MSG_DONTWAIT);
	send_some(half[0], 0, 999, 4, 0);
	shutdown(half[0], SHUT_WR);
	send_some(over[1], 0, 77, 5, 0);
	shutdown(over[0], SHUT_WR);
	shutdown(over[1], SHUT_WR);
	must(setsockopt(reset[1], SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger)));
	close(reset[1]);
	set(options[0], IPPROTO_TCP, TCP_NODELAY, 1);
	set(options[0], SOL_SOCKET, SO_KEEPALIVE, 1);
	set(options[0], IPPROTO_TCP, TCP_KEEPIDLE, 99);
	set(options[1], IPPROTO_TCP, TCP_CORK, 1);
	set(options[0], SOL_SOCKET, SO_RCVBUF, 50000);
	set(options[0], IPPROTO_TCP, TCP_USER_TIMEOUT, 5555);
	int child = must(fork());
	if (!child) {
		wait_for_go();
		_exit(expect_some(shared[1], 0, 3000, 6) == 3000 && send_some(shared[1], 0, 4000, 7, 0) == 4000 ? 7 : 8);
	}
	sleep_ms(300);
	int before[3] = { state_of(half[0]), state_of(half[1]), state_of(over[0]) };

	ready_and_wait();
	if (closed) {
		int *all[] = { idle, six, mapped, waiting, full, half, options };

		for (int i = 0; i < 7; i++)
			check(at_end(all[i][0]) && at_end(all[i][1]) && send(all[i][0], "x", 1, MSG_NOSIGNAL) < 0, "a connection is closed", "number %d is not", i);
		must(waitpid(child, 0, 0));
		return done();
	}
	alive("idle", idle[0], idle[1]);
	alive("IPv6", six[0], six[1]);
	alive("v4-mapped", mapped[1], mapped[0]);
	check(expect_some(waiting[1], 0, 12345, 1) == 12345 && expect_some(waiting[0], 0, 100000, 2) == 100000, "what waited is there", "see above");
	alive("had data", waiting[0], waiting[1]);
	check(expect_some(full[1], 0, sent, 3) == sent, "more than fits is there", "of %ld bytes", sent);
	alive("was full", full[0], full[1]);
	check(state_of(half[0]) == before[0] && state_of(half[1]) == before[1], "half closed", "states %d %d, were %d %d", state_of(half[0]), state_of(half[1]), before[0], before[1]);
	check(expect_some(half[1], 0, 999, 4) == 999 && at_end(half[1]), "half closed: data, then the end", "see above");
	check(send_some(half[1], 0, 70000, 8, MSG_DONTWAIT) == 70000 && expect_some(half[0], 0, 70000, 8) == 70000, "half closed: the other direction goes on", "see above");
	shutdown(half[1], SHUT_WR);
	check(at_end(half[0]), "half closed: and ends", "it does not");
	check(state_of(over[0]) == before[2], "closed by both: state", "%d, was %d", state_of(over[0]), before[2]);
	check(expect_some(over[0], 0, 77, 5) == 77 && at_end(over[0]) && at_end(over[1]), "closed by both: data, then the end", "see above");
	check(send(over[0], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE, "closed by both: nothing can be sent", "%s", strerror(errno));
	check(send(reset[0], "x", 1, MSG_NOSIGNAL) < 0, "reset: nothing can be sent", "something can");
	int status, value = 0;
	socklen_t size = 4;
	check(send_some(shared[0], 0, 3000, 6, 0) == 3000 && expect_some(shared[0], 0, 4000, 7) == 4000, "shared with a child", "see above");
	must(waitpid(child, &status, 0));
	check(WEXITSTATUS(status) == 7, "the child has all", "status %x", status);
	getsockopt(options[0], IPPROTO_TCP, TCP_KEEPIDLE, &value, &size);
	check(value == 99, "keepalive", "%d", value);
	getsockopt(options[0], IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &size);
	check(common || value == 5555, "user timeout", "%d", value);
	getsockopt(options[1], IPPROTO_TCP, TCP_CORK, &value, &size);
	check(value == 1, "cork", "%d", value);
	getsockopt(options[0], SOL_SOCKET, SO_REUSEADDR, &value, &size);
	check(value == 0, "SO_REUSEADDR", "%d", value);
	set(options[1], IPPROTO_TCP, TCP_CORK, 0);
	alive("with options", options[0], options[1]);
	return done();
}
