/*
 * inet: internet sockets without connections, in every state and with every kind of option. Each option that the kernel tells (all numbers of
 * all levels) must be the same afterwards, and each socket must still do its work. "common": without what CRIU has no place for.
 */
#include "sockopt.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define MAX 48
static struct kept { const char *name; int fd; unsigned char sock[28], peer[28]; unsigned char value[6][160][68]; int size[6][160]; } kept[MAX];
static int nkept;
static const int LEVELS[6] = { SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_IPV6, IPPROTO_UDP, 136 };

/* Reading them changes something, or they change by themselves: cookies, errors, memory in use, the last CPU, measured times, pidfds. */
static int moves(int level, int name)
{
	if (level == SOL_SOCKET)
		return name == 4 || name == 26 || name == 31 || name == 49 || name == 55 || name == 56 || name == 57 || name == 77 || name == 59;
	if (level == IPPROTO_TCP)
		return name == TCP_INFO || name == 12 || name == 24 || name == 26 || name == 28 || name == 33 || name == 35 || name == 38 || name == 39 || name == 40;
	if (level == IPPROTO_IP)
		return name >= 64; /* tables */
	return level == IPPROTO_IPV6 && (name == 24 || name >= 64) && name != 66 && name != 67 && name != 70 && name != 72 && name != 73 && name != 75 && name != 78;
}

static void look(struct kept *k)
{
	socklen_t n = 28;

	getsockname(k->fd, (void *)k->sock, &n);
	n = 28;
	getpeername(k->fd, (void *)k->peer, &n);
	for (int level = 0; level < 6; level++)
		for (int name = 0; name < 160; name++) {
			socklen_t size = 68;

			memset(k->value[level][name], 0, 68);
			k->size[level][name] = moves(LEVELS[level], name) || getsockopt(k->fd, LEVELS[level], name, k->value[level][name], &size) < 0 ? -1 : (int)size;
		}
}

static int keep(const char *name, int fd)
{
	kept[nkept].name = name;
	kept[nkept].fd = fd;
	look(&kept[nkept++]);
	return fd;
}

static void compare(void)
{
	static struct kept after;

	for (int i = 0; i < nkept; i++) {
		int wrong = 0;

		memset(&after, 0, sizeof(after));
		after.fd = kept[i].fd;
		look(&after);
		if (memcmp(after.sock, kept[i].sock, 56)) {
			fail("addresses of %s: they differ", kept[i].name);
			wrong++;
		}
		for (int level = 0; level < 6; level++)
			for (int name = 0; name < 160; name++)
				if (after.size[level][name] != kept[i].size[level][name] || memcmp(after.value[level][name], kept[i].value[level][name], 68)) {
					fail("option %d of level %d of %s: %d bytes %x, were %d bytes %x", name, LEVELS[level], kept[i].name, after.size[level][name],
					     *(int *)after.value[level][name], kept[i].size[level][name], *(int *)kept[i].value[level][name]);
					wrong++;
				}
		if (!wrong)
			ok("options and addresses of %s", kept[i].name);
	}
}

static struct sockaddr_in v4(int port) { return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }; }
static struct sockaddr_in6 v6(int port, const char *text)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	inet_pton(AF_INET6, text, &a.sin6_addr);
	return a;
}

static int port_of(int fd)
{
	struct sockaddr_in6 a;
	socklen_t n = sizeof(a);

	must(getsockname(fd, (void *)&a, &n));
	return ntohs(a.sin6_port);
}

static int bound4(int type, int protocol, int port, int reuse)
{
	struct sockaddr_in a = v4(port);
	int fd = must(socket(AF_INET, type, protocol));

	if (reuse)
		set(fd, SOL_SOCKET, reuse, 1);
	must(bind(fd, (void *)&a, sizeof(a)));
	return fd;
}

static int bound6(int type, int protocol, int port, const char *text, int v6only)
{
	struct sockaddr_in6 a = v6(port, text);
	int fd = must(socket(AF_INET6, type, protocol));

	set(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6only);
	must(bind(fd, (void *)&a, sizeof(a)));
	return fd;
}

/* A connection to a listener goes through, and so does a byte. */
static void works(const char *name, int listener)
{
	struct sockaddr_in6 a;
	socklen_t n = sizeof(a);
	char byte = 0;

	getsockname(listener, (void *)&a, &n);
	int from = socket(a.sin6_family, SOCK_STREAM, 0);
	int to = connect(from, (void *)&a, n) < 0 ? -1 : accept(listener, 0, 0);
	int good = to >= 0 && write(from, "x", 1) == 1 && read(to, &byte, 1) == 1 && byte == 'x';

	if (good)
		ok("%s accepts", name);
	else
		fail("%s accepts: %s", name, strerror(errno));
	if (to >= 0)
		close(to);
	close(from);
}

static void datagram(const char *name, int from, int to, const void *address, socklen_t size)
{
	char got[8] = "";
	struct pollfd p = { to, POLLIN, 0 };

	if (sendto(from, "ping", 4, 0, address, size) == 4 && poll(&p, 1, 2000) == 1 && recv(to, got, 8, 0) == 4 && !memcmp(got, "ping", 4))
		ok("%s", name);
	else
		fail("%s: %s", name, strerror(errno));
}

int main(int argc, char **argv)
{
	int common = argc > 1 && !strcmp(argv[1], "common"), un = -1, cpu = -1;
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, 0xffffffff) };
	struct sock_fprog filter = { 1, code };

	/* TCP */
	int l4 = bound4(SOCK_STREAM, 0, 0, SO_REUSEADDR);
	must(listen(l4, 7));
	keep("a listener (IPv4)", l4);
	int l6 = bound6(SOCK_STREAM, 0, 0, "::1", 0);
	must(listen(l6, 5));
	keep("a listener (IPv6)", l6);
	int any6 = bound6(SOCK_STREAM, 0, 0, "::", 1), both = port_of(any6);
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(both) };
	int any4 = must(socket(AF_INET, SOCK_STREAM, 0));
	must(bind(any4, (void *)&any, sizeof(any)));
	must(listen(any6, 3));
	must(listen(any4, 3));
	keep("a listener (IPv6 only)", any6);
	keep("a listener (same port, IPv4)", any4);
	int mapped = bound6(SOCK_STREAM, 0, 0, "::ffff:127.0.0.1", 0);
	must(listen(mapped, 3));
	keep("a listener (v4-mapped)", mapped);
	int group1 = bound4(SOCK_STREAM, 0, 0, SO_REUSEPORT), group2 = bound4(SOCK_STREAM, 0, port_of(group1), SO_REUSEPORT);
	must(listen(group1, 4));
	must(listen(group2, 4));
	keep("one of a reuseport group", group1);
	keep("another of a reuseport group", group2);
	int was = bound4(SOCK_STREAM, 0, 0, SO_REUSEPORT), still = bound4(SOCK_STREAM, 0, port_of(was), SO_REUSEPORT);
	must(listen(was, 4));
	must(listen(still, 4));
	set(was, SOL_SOCKET, SO_REUSEPORT, 0);
	keep("one that had been of a reuseport group", was);
	keep("one that still is of that group", still);
	int first = bound4(SOCK_STREAM, 0, 0, SO_REUSEADDR), second = bound4(SOCK_STREAM, 0, port_of(first), SO_REUSEADDR);
	must(listen(second, 1));
	keep("bound, beside a listener", first);
	keep("a listener beside a bound one", second);
	set(first, SOL_SOCKET, SO_REUSEADDR, 0);
	look(&kept[nkept - 2]);
	int plain = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	set(plain, IPPROTO_TCP, TCP_NODELAY, 1);
	set(plain, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(plain, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	set(plain, IPPROTO_TCP, TCP_KEEPINTVL, 7);
	set(plain, IPPROTO_TCP, TCP_KEEPCNT, 3);
	set(plain, SOL_SOCKET, SO_RCVBUF, 65536);
	set(plain, SOL_SOCKET, SO_SNDBUF, 40000);
	set(plain, SOL_SOCKET, SO_PRIORITY, 3);
	set(plain, SOL_SOCKET, SO_MARK, 0x17);
	set(plain, IPPROTO_IP, IP_TTL, 33);
	set(plain, IPPROTO_IP, IP_TOS, 0x10);
	must(setsockopt(plain, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 5 }, sizeof(struct linger)));
	must(setsockopt(plain, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 3, 250000 }, sizeof(struct timeval)));
	must(setsockopt(plain, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)));
	must(setsockopt(plain, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	keep("an unconnected one with options", plain);
	int corked = must(socket(AF_INET6, SOCK_STREAM, 0));
	set(corked, IPPROTO_TCP, TCP_CORK, 1);
	keep("a corked one", corked);
	struct sockaddr_in nowhere = { .sin_family = AF_INET, .sin_port = htons(4711), .sin_addr.s_addr = htonl(0xc6336401) };
	int free4 = must(socket(AF_INET, SOCK_STREAM, 0));
	set(free4, IPPROTO_IP, IP_FREEBIND, 1);
	if (!common) /* CRIU binds it before it may */
		must(bind(free4, (void *)&nowhere, sizeof(nowhere)));
	keep("bound to an address that is not there (freebind)", free4);
	if (!common) {
		int fancy = must(socket(AF_INET, SOCK_STREAM, 0));

		set(fancy, IPPROTO_TCP, TCP_USER_TIMEOUT, 12345);
		set(fancy, IPPROTO_TCP, TCP_DEFER_ACCEPT, 7);
		set(fancy, IPPROTO_TCP, TCP_SYNCNT, 4);
		set(fancy, IPPROTO_TCP, TCP_LINGER2, 17);
		set(fancy, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384);
		set(fancy, IPPROTO_TCP, TCP_MAXSEG, 1000);
		set(fancy, IPPROTO_TCP, TCP_WINDOW_CLAMP, 20000);
		must(setsockopt(fancy, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
		set(fancy, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
		set(fancy, IPPROTO_IP, IP_RECVERR, 1);
		set(fancy, IPPROTO_IP, IP_TRANSPARENT, 1);
		set(fancy, IPPROTO_IP, 21, 5);
		set(fancy, SOL_SOCKET, SO_ZEROCOPY, 1);
		set(fancy, SOL_SOCKET, SO_BUSY_POLL, 50);
		must(setsockopt(fancy, SOL_SOCKET, SO_MAX_PACING_RATE, &(uint64_t){ 5000000000 }, 8));
		keep("one with options that CRIU loses", fancy);
	}

	/* UDP and the like */
	int u4 = bound4(SOCK_DGRAM, 0, 0, 0), u4port = port_of(u4);
	set(u4, SOL_SOCKET, SO_BROADCAST, 1);
	set(u4, IPPROTO_IP, IP_PKTINFO, 1);
	keep("UDP (IPv4)", u4);
	int uc = bound4(SOCK_DGRAM, 0, 0, 0);
	struct sockaddr_in u4address = v4(u4port), ucaddress = v4(port_of(uc));
	must(connect(uc, (void *)&u4address, sizeof(u4address)));
	keep("UDP, connected", uc);
	int u6 = bound6(SOCK_DGRAM, 0, 0, "::1", 0);
	struct sockaddr_in6 u6address = v6(port_of(u6), "::1");
	keep("UDP (IPv6)", u6);
	int us = bound4(SOCK_DGRAM, 0, 0, 0);
	must(connect(us, (void *)&u4address, sizeof(u4address)));
	must(shutdown(us, SHUT_WR));
	keep("UDP, shut down for sending", us);
	int same1 = bound4(SOCK_DGRAM, 0, 0, SO_REUSEADDR), same2 = bound4(SOCK_DGRAM, 0, port_of(same1), SO_REUSEADDR);
	keep("UDP, one of two on a port", same1);
	keep("UDP, the other of two on a port", same2);
	int lite = bound4(SOCK_DGRAM, 136, 0, 0);
	struct sockaddr_in liteaddress = v4(port_of(lite));
	if (!common)
		set(lite, 136, 11, 12);
	keep("UDP-Lite", lite);
	int ur = must(socket(AF_INET, SOCK_DGRAM, 0));
	keep("UDP, not bound", ur);
	int raw = must(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	must(setsockopt(raw, 255, 1, &(int){ 0x123 }, 4));
	keep("raw ICMP", raw);
	int raw6 = must(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
	keep("raw ICMPv6", raw6);
	if (!common) {
		int uf = bound6(SOCK_DGRAM, 0, 0, "::", 0);

		set(uf, IPPROTO_UDP, UDP_CORK, 1);
		set(uf, IPPROTO_UDP, 104, 1);
		set(uf, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
		set(uf, IPPROTO_IPV6, IPV6_TCLASS, 0x20);
		set(uf, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9);
		set(uf, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 3);
		set(uf, IPPROTO_IP, IP_TTL, 44);
		for (int name = 2; name <= 8; name += 6) /* IPV6_2292PKTINFO, IPV6_2292HOPLIMIT */
			set(uf, IPPROTO_IPV6, name, 1);
		set(uf, IPPROTO_IPV6, 11 /* IPV6_FLOWINFO */, 1);
		set(uf, IPPROTO_IPV6, 30 /* IPV6_ROUTER_ALERT_ISOLATE */, 1);
		must(setsockopt(uf, IPPROTO_IPV6, IPV6_HOPOPTS, (char[8]){ 0, 0, 5, 2, 0, 0, 1, 0 }, 8));
		set(uf, SOL_SOCKET, 41 /* SO_WIFI_STATUS */, 1);
		set(uf, SOL_SOCKET, SO_TIMESTAMPNS, 1);
		must(setsockopt(uf, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)));
		set(uf, SOL_SOCKET, SO_LOCK_FILTER, 1);
		keep("UDP with options that CRIU loses", uf);
		un = bound4(SOCK_DGRAM, 0, 0, 0);
		set(un, SOL_SOCKET, 63 /* SO_TIMESTAMP_NEW */, 1);
		set(un, SOL_SOCKET, 65 /* SO_TIMESTAMPING_NEW */, 8);
		set(un, SOL_SOCKET, SO_INCOMING_CPU, 0);
		keep("UDP with times as of after 2038", un);
		int alert = must(socket(AF_INET, SOCK_RAW, IPPROTO_RSVP));
		set(alert, IPPROTO_IP, 5 /* IP_ROUTER_ALERT */, 1);
		keep("raw, with router alerts", alert);
	}
	int shared = must(fork());
	if (!shared) {
		wait_for_go();
		_exit(write(uc, "kid", 3) == 3 ? 7 : 8);
	}

	ready_and_wait();
	compare();
	if (!common) {
		getsockopt(un, SOL_SOCKET, SO_INCOMING_CPU, &cpu, &(socklen_t){ sizeof(cpu) });
		check(cpu == 0, "incoming cpu", "%d", cpu);
	}
	works("the listener (IPv4)", l4);
	works("the listener (IPv6)", l6);
	works("the listener (IPv6 only)", any6);
	works("the listener (same port, IPv4)", any4);
	works("the listener (v4-mapped)", mapped);
	works("the listener beside a bound one", second);
	int status, answer;
	char got[8] = "";
	struct pollfd p = { u4, POLLIN, 0 };
	must(waitpid(shared, &status, 0));
	check(WEXITSTATUS(status) == 7 && poll(&p, 1, 2000) == 1 && recv(u4, got, 8, 0) == 3 && !memcmp(got, "kid", 3), "a child sends over the shared socket", "status %x", status);
	datagram("UDP, connected, sends", uc, u4, 0, 0);
	datagram("UDP, connected, receives", u4, uc, &ucaddress, sizeof(ucaddress));
	datagram("UDP (IPv6)", u6, u6, &u6address, sizeof(u6address));
	datagram("UDP-Lite", lite, lite, &liteaddress, sizeof(liteaddress));
	answer = send(us, "x", 1, MSG_NOSIGNAL);
	check(answer < 0 && errno == EPIPE, "UDP, shut down, does not send", "%d %s", answer, strerror(errno));
	int other = bound4(SOCK_STREAM, 0, port_of(group1), SO_REUSEPORT);
	check(other >= 0, "one more joins the reuseport group", "%s", strerror(errno));
	return done();
}
