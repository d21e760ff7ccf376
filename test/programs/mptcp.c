/*
 * mptcp: MPTCP sockets without a connection (fresh, bound, listening) with their options, and the TCP connection that one of them accepted from a peer who
 * speaks TCP only. Afterwards each accepts both kinds of peer. Argument `connected`: an MPTCP connection, to be found closed; `fallen`: one to a
 * server that speaks TCP only.
 */
#include "sockopt.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static int bound(int family, int protocol)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = must(socket(family, SOCK_STREAM, protocol));

	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (family == AF_INET6)
		must(bind(fd, (void *)&a6, sizeof(a6)));
	else
		must(bind(fd, (void *)&a4, sizeof(a4)));
	return fd;
}

static int port(int fd)
{
	struct sockaddr_in6 a;
	socklen_t n = sizeof(a);

	must(getsockname(fd, (void *)&a, &n));
	return ntohs(a.sin6_port);
}

/* Connects to a listener over IPv4. */
static int client(int listener, int protocol)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port(listener)) };
	int fd = must(socket(AF_INET, SOCK_STREAM, protocol));

	must(connect(fd, (void *)&a, sizeof(a)));
	return fd;
}

static int talk(int from, int to)
{
	char text[6] = "";

	return send(from, "hello", 5, MSG_NOSIGNAL) == 5 && recv(to, text, 5, MSG_WAITALL) == 5 && !strcmp(text, "hello");
}

/* A connection is accepted as what its peer speaks. */
static void accepts(const char *name, int listener)
{
	for (int mptcp = 0; mptcp < 2; mptcp++) {
		int there = client(listener, mptcp ? IPPROTO_MPTCP : IPPROTO_TCP), here = must(accept(listener, 0, 0));

		check(talk(there, here) && talk(here, there), "accepts", "%s, mptcp %d", name, mptcp);
		check(get(here, SOL_SOCKET, SO_PROTOCOL) == (mptcp ? IPPROTO_MPTCP : IPPROTO_TCP), "accepted protocol", "%s: %d", name, get(here, SOL_SOCKET, SO_PROTOCOL));
		close(there), close(here);
	}
}

static int connected(int protocol)
{
	char byte;
	int listener = bound(AF_INET, protocol);

	must(listen(listener, 1));
	int there = client(listener, IPPROTO_MPTCP), here = must(accept(listener, 0, 0));
	must(send(here, "x", 1, 0));
	ready_and_wait();
	int n = recv(there, &byte, 1, MSG_DONTWAIT);
	check(n == 0 || (n < 0 && errno != EAGAIN) || (n == 1 && !access("refused", F_OK)), "closed, or untouched", "recv %d %s", n, strerror(errno));
	if (n != 1) {
		check(send(there, "x", 1, MSG_NOSIGNAL) < 0, "no sending", "it sends");
		check(get(there, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_MPTCP, "protocol", "%d", get(there, SOL_SOCKET, SO_PROTOCOL));
		close(there), close(here);
		there = client(listener, IPPROTO_MPTCP), here = must(accept(listener, 0, 0));
	}
	check(talk(here, there), "talks", "%s", strerror(errno));
	return done();
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "criu"))
		return connected(!strcmp(argv[1], "fallen") ? IPPROTO_TCP : IPPROTO_MPTCP);
	int criu = argc > 1;
	int fresh = must(socket(AF_INET6, SOCK_STREAM, IPPROTO_MPTCP)), idle = bound(AF_INET, IPPROTO_MPTCP);
	int v4 = bound(AF_INET, IPPROTO_MPTCP), v6 = bound(AF_INET6, IPPROTO_MPTCP);
	int ports[] = { port(idle), port(v4), port(v6) };

	set(fresh, SOL_TCP, TCP_KEEPIDLE, 77), set(fresh, SOL_TCP, TCP_NODELAY, 1), set(fresh, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(idle, SOL_SOCKET, SO_RCVBUF, 100000), set(v4, SOL_TCP, TCP_DEFER_ACCEPT, 3);
	must(listen(v4, 5)), must(listen(v6, 6));
	must(fcntl(v4, F_SETFL, O_NONBLOCK));
	set(v4, SOL_TCP, TCP_DEFER_ACCEPT, 0);
	int rcvbuf = get(idle, SOL_SOCKET, SO_RCVBUF);
	int there = client(v6, IPPROTO_TCP), here = must(accept(v6, 0, 0));
	ready_and_wait();
	int now[] = { port(idle), port(v4), port(v6) };
	int all[] = { fresh, idle, v4, v6 };
	for (int i = 0; i < 3; i++)
		check(now[i] == ports[i], "port", "%d: %d, was %d", i, now[i], ports[i]);
	for (int i = 0; i < 4; i++)
		check(criu || get(all[i], SOL_SOCKET, SO_PROTOCOL) == IPPROTO_MPTCP, "protocol", "%d: %d", i, get(all[i], SOL_SOCKET, SO_PROTOCOL));
	check(get(fresh, SOL_TCP, TCP_KEEPIDLE) == 77, "keepidle", "%d", get(fresh, SOL_TCP, TCP_KEEPIDLE));
	check(get(fresh, SOL_TCP, TCP_NODELAY) == 1, "nodelay", "%d", get(fresh, SOL_TCP, TCP_NODELAY));
	check(get(fresh, SOL_SOCKET, SO_KEEPALIVE) == 1, "keepalive", "%d", get(fresh, SOL_SOCKET, SO_KEEPALIVE));
	check(get(idle, SOL_SOCKET, SO_RCVBUF) == rcvbuf, "rcvbuf", "%d, was %d", get(idle, SOL_SOCKET, SO_RCVBUF), rcvbuf);
	check(fcntl(v4, F_GETFL) & O_NONBLOCK, "flags", "%x", fcntl(v4, F_GETFL));
	check(get(v4, SOL_SOCKET, SO_REUSEADDR) == 1, "reuseaddr", "%d", get(v4, SOL_SOCKET, SO_REUSEADDR));
	struct tcp_info info;
	socklen_t size = sizeof(info);
	must(getsockopt(v6, SOL_TCP, TCP_INFO, &info, &size));
	check(info.tcpi_state == TCP_LISTEN && info.tcpi_sacked == 6, "backlog", "state %d, %u", info.tcpi_state, info.tcpi_sacked);
	check(talk(there, here) && talk(here, there), "the connection goes on", "%s", strerror(errno));
	if (!criu) {
		must(fcntl(v4, F_SETFL, 0));
		must(listen(idle, 2));
		accepts("v4", v4), accepts("v6", v6), accepts("bound", idle);
	}
	return done();
}
