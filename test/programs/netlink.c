/*
 * Netlink sockets: bound and not, of several protocols, in groups (also beyond the first 32), connected, with options and filters, and one
 * that goes on talking to the kernel. `waiting` as argument: with an answer that was not read; `ebpf`: with an eBPF filter; `criu`: only what CRIU can.
 */
#include "sockopt.h"
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif
enum { PLAIN, ROUTE, GENERIC, UEVENT, PEER, USER, FAR, KINDS };
static const char *names[KINDS] = { "unbound", "route", "generic", "uevent", "connected", "user", "far groups" };
static int s[KINDS], kinds = KINDS;
static struct sockaddr_nl bound[KINDS], peer[KINDS];

static int made(int type, int protocol)
{
	return must(socket(AF_NETLINK, type | SOCK_CLOEXEC, protocol));
}

static void bind_to(int fd, unsigned port, unsigned groups)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_pid = port, .nl_groups = groups };

	must(bind(fd, (void *)&a, sizeof(a)));
}

static void request(int fd, unsigned seq)
{
	struct {
		struct nlmsghdr h;
		struct rtgenmsg g;
	} m = { { NLMSG_LENGTH(sizeof(struct rtgenmsg)), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, seq, 0 }, { AF_UNSPEC } };

	must(send(fd, &m, m.h.nlmsg_len, 0));
}

/* Reads an answer to its end: how many links. */
static int links(int fd, unsigned seq, unsigned port)
{
	static char buffer[65536];
	int found = 0;

	for (;;) {
		int n = recv(fd, buffer, sizeof(buffer), 0);
		if (n <= 0)
			return -1;
		for (struct nlmsghdr *h = (void *)buffer; NLMSG_OK(h, (unsigned)n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_seq != seq || h->nlmsg_pid != port)
				return -2;
			if (h->nlmsg_type == NLMSG_DONE)
				return found;
			if (h->nlmsg_type == NLMSG_ERROR)
				return -3;
			found++;
		}
	}
}

static void name(int fd, struct sockaddr_nl *own, struct sockaddr_nl *its)
{
	socklen_t size = sizeof(*own);

	must(getsockname(fd, (void *)own, &size));
	size = sizeof(*its);
	must(getpeername(fd, (void *)its, &size));
}

static void ebpf_filter(int fd)
{
	struct bpf_insn code[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = -1 }, { .code = BPF_JMP | BPF_EXIT } };
	union bpf_attr a = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = 2, .insns = (uintptr_t)code, .license = (uintptr_t)"GPL" };
	int program = must(syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a)));

	must(setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)));
	close(program);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	struct sock_filter all[] = { { BPF_RET | BPF_K, 0, 0, 0xffffffff } };
	struct sock_fprog filter = { 1, all };

	s[PLAIN] = made(SOCK_RAW, NETLINK_ROUTE);
	s[ROUTE] = made(SOCK_RAW, NETLINK_ROUTE), bind_to(s[ROUTE], getpid(), RTMGRP_LINK | RTMGRP_IPV4_IFADDR);
	set(s[ROUTE], SOL_SOCKET, SO_RCVBUF, 300000), set(s[ROUTE], SOL_SOCKET, SO_PASSCRED, 1);
	must(setsockopt(s[ROUTE], SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)));
	s[GENERIC] = made(SOCK_RAW, NETLINK_GENERIC), bind_to(s[GENERIC], 0, 0);
	set(s[GENERIC], SOL_NETLINK, NETLINK_CAP_ACK, 1), set(s[GENERIC], SOL_NETLINK, NETLINK_EXT_ACK, 1);
	s[UEVENT] = made(SOCK_DGRAM, NETLINK_KOBJECT_UEVENT), bind_to(s[UEVENT], 77777, 1);
	must(fcntl(s[UEVENT], F_SETFL, O_NONBLOCK)), set(s[UEVENT], SOL_NETLINK, NETLINK_NO_ENOBUFS, 1), set(s[UEVENT], SOL_SOCKET, SO_RCVMARK, 1);
	s[USER] = made(SOCK_RAW, NETLINK_USERSOCK), bind_to(s[USER], 4242, 0);
	s[PEER] = made(SOCK_RAW, NETLINK_USERSOCK), bind_to(s[PEER], 4343, 0);
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_pid = 4242 };
	must(connect(s[PEER], (void *)&to, sizeof(to)));
	s[FAR] = made(SOCK_RAW, NETLINK_ROUTE);
	if (!strcmp(how, "criu"))
		close(s[FAR]), kinds--;
	else
		set(s[FAR], SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, 34 /* RTNLGRP_NEXTHOP and above */), set(s[FAR], SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, RTNLGRP_NEIGH);
	for (int i = 0; i < kinds; i++)
		name(s[i], &bound[i], &peer[i]);
	request(s[ROUTE], 1);
	int before = links(s[ROUTE], 1, getpid());
	if (!strcmp(how, "waiting"))
		request(s[GENERIC] = s[ROUTE], 2);
	if (!strcmp(how, "ebpf"))
		ebpf_filter(s[USER]);
	ready_and_wait();
	if (!strcmp(how, "waiting")) {
		check(links(s[ROUTE], 2, getpid()) == before, "the answer is still there", "it is not");
		return done();
	}
	for (int i = 0; i < kinds; i++) {
		struct sockaddr_nl own, its;
		name(s[i], &own, &its);
		check(!memcmp(&own, &bound[i], sizeof(own)), "address", "%s: port %u groups %x, was %u %x", names[i], own.nl_pid, own.nl_groups, bound[i].nl_pid, bound[i].nl_groups);
		if (!strcmp(how, "criu"))
			its.nl_groups = peer[i].nl_groups; /* CRIU makes group 32 of none */
		check(!memcmp(&its, &peer[i], sizeof(its)), "peer", "%s: port %u groups %x", names[i], its.nl_pid, its.nl_groups);
	}
	int rcvbuf = get(s[ROUTE], SOL_SOCKET, SO_RCVBUF);
	check(rcvbuf == 600000 || rcvbuf == 425984, "SO_RCVBUF", "%d", rcvbuf);
	check(get(s[ROUTE], SOL_SOCKET, SO_PASSCRED) == 1, "SO_PASSCRED", "off");
	socklen_t filters = 0;
	check(!getsockopt(s[ROUTE], SOL_SOCKET, SO_GET_FILTER, NULL, &filters) && filters == 1, "filter", "%u", filters);
	check(fcntl(s[UEVENT], F_GETFL) & O_NONBLOCK, "O_NONBLOCK", "off");
	if (kinds == KINDS) {
		check(get(s[GENERIC], SOL_NETLINK, NETLINK_CAP_ACK) == 1 && get(s[GENERIC], SOL_NETLINK, NETLINK_EXT_ACK) == 1, "netlink options", "off");
		check(get(s[UEVENT], SOL_NETLINK, NETLINK_NO_ENOBUFS) == 1, "NETLINK_NO_ENOBUFS", "off");
		check(get(s[UEVENT], SOL_SOCKET, SO_RCVMARK) == 1, "SO_RCVMARK", "off");
		check(get(s[UEVENT], SOL_SOCKET, SO_TYPE) == SOCK_DGRAM, "type", "%d", get(s[UEVENT], SOL_SOCKET, SO_TYPE));
		unsigned groups[16] = { 0 };
		socklen_t size = sizeof(groups);
		must(getsockopt(s[FAR], SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &size));
		check(groups[0] == 1u << (RTNLGRP_NEIGH - 1) && groups[1] == 1u << 1, "groups beyond the 32nd", "%x %x", groups[0], groups[1]);
	}
	request(s[ROUTE], 3);
	int after = links(s[ROUTE], 3, getpid());
	check(after == before, "talks to the kernel", "%d links, were %d", after, before);
	request(s[PLAIN], 4);
	name(s[PLAIN], &bound[PLAIN], &peer[PLAIN]);
	check(links(s[PLAIN], 4, bound[PLAIN].nl_pid) == before, "the unbound one too", "no");
	char text[16] = "";
	must(send(s[PEER], "hello", 6, 0));
	check(recv(s[USER], text, sizeof(text), MSG_DONTWAIT) == 6 && !strcmp(text, "hello"), "talks to its peer", "%s", strerror(errno));
	return done();
}
