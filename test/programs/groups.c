/*
 * groups: UDP sockets that are members of multicast groups, with and without sources, of both families, and one that is of none. Their filters must
 * be the same afterwards, and each must get what it asked for and nothing else.
 */
#include "sockopt.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define PORT 40404
#define NSOCKETS 6
static int fds[NSOCKETS];
static struct kept { int error; struct { struct group_filter head; struct sockaddr_storage more[7]; } filter; } before[NSOCKETS][2];

static struct sockaddr_storage v4(const char *text, int port)
{
	struct sockaddr_storage a = { 0 };
	struct sockaddr_in *in = (void *)&a;

	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	inet_pton(AF_INET, text, &in->sin_addr);
	return a;
}

static struct sockaddr_storage v6(const char *text, int port)
{
	struct sockaddr_storage a = { 0 };
	struct sockaddr_in6 *in = (void *)&a;

	in->sin6_family = AF_INET6;
	in->sin6_port = htons(port);
	in->sin6_scope_id = if_nametoindex("lo");
	inet_pton(AF_INET6, text, &in->sin6_addr);
	return a;
}

static int bound(int family)
{
	int fd = must(socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	struct sockaddr_storage a = family == AF_INET ? v4("0.0.0.0", PORT) : v6("::", PORT);

	if (family == AF_INET6) {
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		((struct sockaddr_in6 *)&a)->sin6_scope_id = 0;
		set(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
	} else {
		set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	}
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	must(bind(fd, (void *)&a, family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)));
	return fd;
}

static void join(int fd, int level, struct sockaddr_storage group)
{
	struct group_req request = { .gr_interface = if_nametoindex("lo"), .gr_group = group };

	must(setsockopt(fd, level, MCAST_JOIN_GROUP, &request, sizeof(request)));
}

static void source(int fd, int level, int name, struct sockaddr_storage group, struct sockaddr_storage from)
{
	struct group_source_req request = { .gsr_interface = if_nametoindex("lo"), .gsr_group = group, .gsr_source = from };

	must(setsockopt(fd, level, name, &request, sizeof(request)));
}

static void look(int i, struct kept kept[2])
{
	for (int v = 0; v < 2; v++) {
		struct kept *k = &kept[v];
		socklen_t n = sizeof(k->filter);

		memset(k, 0, sizeof(*k));
		k->filter.head.gf_interface = if_nametoindex("lo");
		k->filter.head.gf_group = v ? v6("ff02::77", 0) : v4("239.1.2.3", 0);
		k->filter.head.gf_numsrc = 8;
		k->error = getsockopt(fds[i], v ? IPPROTO_IPV6 : IPPROTO_IP, MCAST_MSFILTER, &k->filter, &n) < 0 ? errno : 0;
	}
}

/* What of fds has something to be read, as bits; takes it. */
static int received(void)
{
	char text[16];
	int bits = 0;

	sleep_ms(20);
	for (int i = 0; i < NSOCKETS; i++)
		while (recv(fds[i], text, sizeof(text), 0) > 0)
			bits |= 1 << i;
	return bits;
}

/* (The loopback has no route for multicast of IPv6.) */
static int send_to(const char *from)
{
	int fd = must(socket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr_storage a = v4(from, 0), to = v4("239.1.2.3", PORT);
	struct ip_mreqn device = { .imr_ifindex = if_nametoindex("lo") };

	must(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &device, sizeof(device)));
	must(bind(fd, (void *)&a, sizeof(struct sockaddr_in)));
	must(sendto(fd, "x", 1, 0, (void *)&to, sizeof(struct sockaddr_in)));
	close(fd);
	return received();
}

int main(void)
{
	struct kept after[2];

	for (int i = 0; i < NSOCKETS; i++)
		fds[i] = bound(i < 4 ? AF_INET : AF_INET6);
	join(fds[0], IPPROTO_IP, v4("239.1.2.3", 0));
	source(fds[1], IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, v4("239.1.2.3", 0), v4("127.0.0.1", 0));
	source(fds[1], IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, v4("239.1.2.3", 0), v4("127.0.0.9", 0));
	join(fds[2], IPPROTO_IP, v4("239.1.2.3", 0));
	source(fds[2], IPPROTO_IP, MCAST_BLOCK_SOURCE, v4("239.1.2.3", 0), v4("127.0.0.1", 0));
	join(fds[4], IPPROTO_IPV6, v6("ff02::77", 0));
	for (int i = 0; i < NSOCKETS; i++)
		look(i, before[i]);
	check(send_to("127.0.0.1") == 3 && send_to("127.0.0.2") == 5, "who gets what, before", "somebody else");
	ready_and_wait();
	for (int i = 0; i < NSOCKETS; i++) {
		look(i, after);
		check(!memcmp(after, before[i], sizeof(after)), "filters", "socket %d: errno %d and %d, were %d and %d; %u sources, were %u", i, after[0].error, after[1].error, before[i][0].error,
		      before[i][1].error, after[0].filter.head.gf_numsrc, before[i][0].filter.head.gf_numsrc);
	}
	int got[2] = { send_to("127.0.0.1"), send_to("127.0.0.2") };
	check(got[0] == 3 && got[1] == 5, "who gets what", "bits %x, %x", got[0], got[1]);
	return done();
}
