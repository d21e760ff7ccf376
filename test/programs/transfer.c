/*
 * transfer BYTES: a server with one client outside of the tree. Prints "port N"; then both send BYTES (a multiple of 4) to each other at once: the words of
 * a stream that both know (seed 1 to the client, 2 from it). At the end: that every word was right, and "hash H", over what it received.
 */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

static uint32_t word_at(uint32_t i, uint32_t seed)
{
	uint32_t x = (i + seed * 0x9e3779b9u) * 2654435761u;

	x = (x ^ x >> 15) * 2246822519u;
	return x ^ x >> 13;
}

static unsigned char byte_at(size_t i, uint32_t seed)
{
	return word_at(i / 4, seed) >> i % 4 * 8;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	static unsigned char out[50000], in[70000];
	size_t total = argc > 1 ? atol(argv[1]) : 1 << 20, sent = 0, received = 0, wrong = 0;
	uint32_t hash = 2166136261u;
	int listener = must(socket(AF_INET, SOCK_STREAM, 0));

	must(bind(listener, (void *)&a, n));
	must(listen(listener, 1));
	must(getsockname(listener, (void *)&a, &n));
	say("port %d", ntohs(a.sin_port));
	int fd = must(accept4(listener, 0, 0, SOCK_NONBLOCK));
	while (sent < total || received < total) {
		struct pollfd both = { fd, (sent < total ? POLLOUT : 0) | (received < total ? POLLIN : 0), 0 };

		must(poll(&both, 1, -1));
		if (both.revents & (POLLIN | POLLHUP | POLLERR)) {
			ssize_t got = read(fd, in, sizeof(in));
			if (got == 0 || (got < 0 && errno != EAGAIN)) {
				fail("reads: %s after %zu bytes", got ? strerror(errno) : "the end", received);
				return done();
			}
			for (ssize_t i = 0; i < got; i++) {
				wrong += in[i] != byte_at(received + i, 2);
				hash = (hash ^ in[i]) * 16777619u;
			}
			received += got > 0 ? got : 0;
		}
		if (both.revents & POLLOUT) {
			size_t size = total - sent < sizeof(out) ? total - sent : sizeof(out);
			for (size_t i = 0; i < size; i++)
				out[i] = byte_at(sent + i, 1);
			ssize_t put = send(fd, out, size, MSG_NOSIGNAL);
			if (put < 0 && errno != EAGAIN) {
				fail("sends: %s after %zu bytes", strerror(errno), sent);
				return done();
			}
			sent += put > 0 ? put : 0;
		}
	}
	check(wrong == 0, "every byte", "%zu of %zu were wrong", wrong, received);
	say("hash %08x", hash);
	wait_for_go();
	return done();
}
