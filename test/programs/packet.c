/*
 * packet: packet sockets on the loopback device, with every option, memberships, a fanout group, and rings of every version in the middle of being read. Nobody
 * else uses the protocols (EtherTypes for experiments). Argument `criu`: only what CRIU can; `sent`: a ring that was sent from.
 */
#include "sockopt.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <linux/netlink.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif
#ifndef PACKET_VNET_HDR_SZ
#define PACKET_VNET_HDR_SZ 24
#endif

/* Two more are the restore's. */
enum { RAW = 0x9000, DGRAM, OLD, GROUP, RING1, RING2, RING3, SENT };
static int sender, lo;

static int made(int type, int protocol, int device)
{
	int fd = must(socket(AF_PACKET, type, 0));
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = device };

	must(bind(fd, (void *)&a, sizeof(a)));
	return fd;
}

static void emit(int protocol, unsigned number)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = lo, .sll_halen = 6 };
	unsigned packet[20] = { number };

	must(sendto(sender, packet, sizeof(packet), 0, (void *)&a, sizeof(a)));
}

/* The number in the next packet of a socket without a ring. */
static int received(int fd, int at)
{
	unsigned char packet[200] = "";
	struct pollfd p = { fd, POLLIN, 0 };
	int number = -1;

	if (poll(&p, 1, 5000) == 1 && recv(fd, packet, sizeof(packet), 0) >= at + 4)
		memcpy(&number, packet + at, 4);
	return number;
}

struct ring {
	const char *name;
	int fd, version, protocol, frames, next;
	unsigned number;
	char *memory;
};

enum { BLOCKS = 4, BLOCK = 4096, FRAME = 1024, MAPPED = BLOCKS * BLOCK };

static struct ring ring(const char *name, int version, int protocol, int send)
{
	struct ring r = { .name = name, .version = version, .protocol = protocol, .frames = version == TPACKET_V3 ? BLOCKS : MAPPED / FRAME };
	struct tpacket_req3 q = { BLOCK, BLOCKS, FRAME, MAPPED / FRAME, version == TPACKET_V3 && !send ? 20 : 0, 0, 0 };

	r.fd = must(socket(AF_PACKET, SOCK_RAW, 0));
	set(r.fd, SOL_PACKET, PACKET_VERSION, version);
	must(setsockopt(r.fd, SOL_PACKET, send ? PACKET_TX_RING : PACKET_RX_RING, &q, version == TPACKET_V3 ? sizeof(q) : sizeof(struct tpacket_req)));
	r.memory = must(mmap(0, MAPPED, PROT_READ | PROT_WRITE, MAP_SHARED, r.fd, 0));
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(send ? 0 : protocol), .sll_ifindex = lo };
	must(bind(r.fd, (void *)&a, sizeof(a)));
	return r;
}

/* Waits until the program's turn has come at its frame or block. */
static int ready_at(struct ring *r, volatile unsigned *status)
{
	struct pollfd p = { r->fd, POLLIN, 0 };

	for (int i = 0; i < 1000 && !(*status & TP_STATUS_USER); i++)
		poll(&p, 1, 5);
	return (*status & TP_STATUS_USER) != 0;
}

/* Reads the frame (block) that is next, which has to have `count` packets. */
static int takes(struct ring *r, int count)
{
	char *at = r->memory + r->next * (r->version == TPACKET_V3 ? BLOCK : FRAME);
	unsigned number;

	if (r->version == TPACKET_V3) {
		struct tpacket_block_desc *b = (void *)at;
		if (!ready_at(r, &b->hdr.bh1.block_status) || (int)b->hdr.bh1.num_pkts < 1 || (int)b->hdr.bh1.num_pkts > count)
			return say("%s: status %x, %u packets at %d", r->name, b->hdr.bh1.block_status, b->hdr.bh1.num_pkts, r->next), 0;
		struct tpacket3_hdr *h = (void *)(at + b->hdr.bh1.offset_to_first_pkt);
		for (unsigned i = 0; i < b->hdr.bh1.num_pkts; i++, h = (void *)((char *)h + h->tp_next_offset)) {
			memcpy(&number, (char *)h + h->tp_net, 4);
			if (number != r->number++)
				return say("%s: packet %u, expected %u", r->name, number, r->number - 1), 0;
		}
		count = b->hdr.bh1.num_pkts;
		b->hdr.bh1.block_status = TP_STATUS_KERNEL;
	} else {
		struct tpacket2_hdr *h2 = (void *)at;
		struct tpacket_hdr *h1 = (void *)at;
		if (!ready_at(r, (void *)at))
			return say("%s: nothing at %d", r->name, r->next), 0;
		memcpy(&number, at + (r->version == TPACKET_V2 ? h2->tp_net : h1->tp_net), 4);
		if (number != r->number++)
			return say("%s: packet %u, expected %u at %d", r->name, number, r->number - 1, r->next), 0;
		if (r->version == TPACKET_V2)
			h2->tp_status = TP_STATUS_KERNEL;
		else
			h1->tp_status = TP_STATUS_KERNEL;
		count = 1;
	}
	r->next = (r->next + 1) % r->frames;
	return count;
}

/* Sends so many packets, each read at once. */
static int passes(struct ring *r, int count)
{
	for (int i = 0; i < count; i++) {
		emit(r->protocol, r->number);
		if (takes(r, 1) != 1)
			return 0;
	}
	return 1;
}

/* Memberships as the kernel lists them: how many, and the one of a type. */
static int memberships(int fd, struct packet_diag_mclist *found, int type)
{
	static char answer[65536];
	struct {
		struct nlmsghdr h;
		struct packet_diag_req r;
	} q = { { sizeof(q), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 }, { .sdiag_family = AF_PACKET, .pdiag_show = PACKET_SHOW_MCLIST } };
	int diag = must(socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG)), count = -1;
	struct stat st;

	must(fstat(fd, &st));
	must(send(diag, &q, sizeof(q), 0));
	for (int more = 1; more;) {
		int n = must(recv(diag, answer, sizeof(answer), 0));
		for (struct nlmsghdr *h = (void *)answer; NLMSG_OK(h, (unsigned)n); h = NLMSG_NEXT(h, n)) {
			struct packet_diag_msg *m = NLMSG_DATA(h);
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
				more = 0;
				break;
			}
			if (m->pdiag_ino != st.st_ino)
				continue;
			for (struct nlattr *a = (void *)(m + 1); (char *)a < (char *)h + h->nlmsg_len; a = (void *)((char *)a + NLA_ALIGN(a->nla_len))) {
				if (a->nla_type != PACKET_DIAG_MCLIST)
					continue;
				struct packet_diag_mclist *l = (void *)(a + 1);
				count = (a->nla_len - sizeof(*a)) / sizeof(*l);
				for (int i = 0; i < count; i++)
					if (l[i].pdmc_type == type)
						*found = l[i];
			}
		}
	}
	close(diag);
	return count;
}

static int sends(struct ring *r, int at, unsigned number)
{
	struct tpacket2_hdr *h = (void *)(r->memory + at * FRAME);
	char *data = (char *)h + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll);
	struct ethhdr e = { .h_proto = htons(SENT) };

	memcpy(data, &e, sizeof(e));
	memset(data + sizeof(e), 0, 80);
	memcpy(data + sizeof(e), &number, 4);
	h->tp_len = sizeof(e) + 80;
	h->tp_status = TP_STATUS_SEND_REQUEST;
	return send(r->fd, 0, 0, 0) > 0;
}

int main(int argc, char **argv)
{
	int criu = argc > 1 && !strcmp(argv[1], "criu"), used = argc > 1 && !strcmp(argv[1], "sent"), n = criu ? 1 : 2;
	struct sock_filter code[] = { { BPF_RET | BPF_K, 0, 0, 0xffff } };
	struct sock_fprog filter = { 1, code };
	struct sock_txtime txtime = { CLOCK_MONOTONIC, SOF_TXTIME_REPORT_ERRORS }, then = { 0 };

	lo = must((int)if_nametoindex("lo") ?: -1);
	sender = must(socket(AF_PACKET, SOCK_DGRAM, 0));
	int raw = made(SOCK_RAW, RAW, lo), dgram = made(SOCK_DGRAM, DGRAM, 0), sent = made(SOCK_DGRAM, SENT, lo), quiet = must(socket(AF_PACKET, SOCK_RAW, 0)), vnet = must(socket(AF_PACKET, SOCK_RAW, 0));
	set(raw, SOL_PACKET, PACKET_AUXDATA, 1), set(raw, SOL_PACKET, PACKET_ORIGDEV, 1), set(raw, SOL_PACKET, PACKET_TIMESTAMP, 64);
	set(raw, SOL_PACKET, PACKET_COPY_THRESH, 500), set(raw, SOL_PACKET, PACKET_RESERVE, 64), set(raw, SOL_SOCKET, SO_RCVBUF, 100000);
	must(setsockopt(raw, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)));
	must(fcntl(raw, F_SETFL, O_NONBLOCK));
	set(vnet, SOL_PACKET, PACKET_VNET_HDR, 1), set(vnet, SOL_PACKET, PACKET_LOSS, 1);
	if (!criu)
		set(raw, SOL_PACKET, PACKET_QDISC_BYPASS, 1), set(raw, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1), set(vnet, SOL_PACKET, PACKET_VNET_HDR_SZ, 12), set(vnet, SOL_SOCKET, SO_NOFCS, 1), set(vnet, SOL_SOCKET, SO_INCOMING_CPU, 0), must(setsockopt(vnet, SOL_SOCKET, SO_TXTIME, &txtime, sizeof(txtime)));
	struct packet_mreq many = { lo, PACKET_MR_MULTICAST, 6, { 1, 0, 0x5e, 1, 2, 3 } }, all = { lo, PACKET_MR_ALLMULTI, 0, { 0 } };
	must(setsockopt(dgram, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &many, sizeof(many)));
	for (int i = 0; i < n; i++)
		must(setsockopt(dgram, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)));
	int shared[2];
	int group = (getpid() & 0xffff) | (PACKET_FANOUT_LB | (criu ? 0 : PACKET_FANOUT_FLAG_ROLLOVER)) << 16;
	for (int i = 0; i < 2; i++)
		shared[i] = made(SOCK_DGRAM, GROUP, lo), set(shared[i], SOL_PACKET, PACKET_FANOUT, group);
	int old = must(socket(AF_INET, SOCK_PACKET, htons(OLD)));
	struct sockaddr oldname = { AF_PACKET, "lo" };
	must(bind(old, &oldname, sizeof(oldname)));
	struct ring rings[] = { ring("V1", TPACKET_V1, RING1, 0), ring("V2", TPACKET_V2, RING2, 0), ring("V3", TPACKET_V3, RING3, 0) }, out = ring("sending", TPACKET_V2, 0, 1);
	if (!criu) {
		/* the first goes round and is empty, the second has three frames waiting, around its end, the third one block */
		passes(&rings[0], 21), passes(&rings[1], 15), passes(&rings[2], 2);
		for (int i = 0; i < 3; i++)
			emit(RING2, rings[1].number + i);
		emit(RING3, rings[2].number);
		struct tpacket_block_desc *b = (void *)(rings[2].memory + rings[2].next * BLOCK);
		if (!ready_at(&rings[2], &b->hdr.bh1.block_status))
			fail("setup: block %d", rings[2].next);
	}
	if (used)
		sends(&out, 0, 1), received(sent, 0);
	int rcvbuf = get(raw, SOL_SOCKET, SO_RCVBUF);
	/* behind a frame that is never used */
	volatile char *mark = out.memory + MAPPED - 1;
	int child = must(fork());
	if (!child) {
		wait_for_go();
		for (int i = 0; i < 6000 && *mark != 7; i++)
			sleep_ms(5);
		_exit(*mark);
	}
	ready_and_wait();
	if (used) {
		*mark = 7;
		must(waitpid(child, 0, 0));
		check(sends(&out, 1, 2) && received(sent, 0) == 2, "sends on", "%s", strerror(errno));
		return done();
	}

	struct sockaddr_ll a;
	socklen_t size = sizeof(a);
	int status;
	*mark = 7;
	must(waitpid(child, &status, 0));
	check(WIFEXITED(status) && WEXITSTATUS(status) == 7, "a child shares the memory of a ring", "status %x", status);
	must(getsockname(raw, (void *)&a, &size));
	check(a.sll_protocol == htons(RAW) && a.sll_ifindex == lo, "address", "%x on %d", ntohs(a.sll_protocol), a.sll_ifindex);
	size = sizeof(a), must(getsockname(dgram, (void *)&a, &size));
	check(a.sll_protocol == htons(DGRAM) && a.sll_ifindex == 0, "address of all devices", "%x on %d", ntohs(a.sll_protocol), a.sll_ifindex);
	size = sizeof(a), must(getsockname(quiet, (void *)&a, &size));
	check(a.sll_protocol == 0, "no protocol", "%x", ntohs(a.sll_protocol));
	check(get(raw, SOL_PACKET, PACKET_AUXDATA) == 1, "auxdata", "off");
	check(get(raw, SOL_PACKET, PACKET_ORIGDEV) == 1, "origdev", "off");
	check(get(raw, SOL_PACKET, PACKET_TIMESTAMP) == 64, "timestamp", "%d", get(raw, SOL_PACKET, PACKET_TIMESTAMP));
	check(get(raw, SOL_PACKET, PACKET_RESERVE) == 64, "reserve", "%d", get(raw, SOL_PACKET, PACKET_RESERVE));
	check(get(raw, SOL_SOCKET, SO_RCVBUF) == rcvbuf, "rcvbuf", "%d, was %d", get(raw, SOL_SOCKET, SO_RCVBUF), rcvbuf);
	check(fcntl(raw, F_GETFL) & O_NONBLOCK, "flags", "%x", fcntl(raw, F_GETFL));
	socklen_t instructions = 1;
	struct sock_filter read[1];
	check(!getsockopt(raw, SOL_SOCKET, SO_ATTACH_FILTER, read, &instructions) && instructions == 1 && !memcmp(read, code, sizeof(code)), "filter", "%u", instructions);
	instructions = 0;
	check(!getsockopt(dgram, SOL_SOCKET, SO_ATTACH_FILTER, 0, &instructions) && instructions == 0, "no filter", "%u", instructions);
	check(get(vnet, SOL_PACKET, PACKET_VNET_HDR) == 1, "vnet_hdr", "off");
	check(get(vnet, SOL_PACKET, PACKET_LOSS) == 1, "loss", "off");
	if (!criu) {
		check(get(raw, SOL_PACKET, PACKET_QDISC_BYPASS) == 1, "qdisc_bypass", "off");
		check(get(raw, SOL_PACKET, PACKET_IGNORE_OUTGOING) == 1, "ignore_outgoing", "off");
		size = sizeof(then);
		check(!getsockopt(vnet, SOL_SOCKET, SO_TXTIME, &then, &size) && !memcmp(&then, &txtime, sizeof(then)), "txtime", "clock %d, flags %x", then.clockid, then.flags);
		check(get(vnet, SOL_SOCKET, SO_NOFCS) == 1 && get(vnet, SOL_SOCKET, SO_INCOMING_CPU) == 0, "nofcs, incoming_cpu", "%d %d", get(vnet, SOL_SOCKET, SO_NOFCS), get(vnet, SOL_SOCKET, SO_INCOMING_CPU));
		check(get(vnet, SOL_PACKET, PACKET_VNET_HDR_SZ) == 12, "vnet_hdr_sz", "%d", get(vnet, SOL_PACKET, PACKET_VNET_HDR_SZ));
	}
	struct packet_diag_mclist m = { 0 };
	check(memberships(dgram, &m, PACKET_MR_ALLMULTI) == 2 && m.pdmc_index == (unsigned)lo && m.pdmc_count == (unsigned)n, "membership of all", "%u on %u", m.pdmc_count, m.pdmc_index);
	memberships(dgram, &m, PACKET_MR_MULTICAST);
	check(m.pdmc_index == (unsigned)lo && m.pdmc_count == 1 && !memcmp(m.pdmc_addr, many.mr_address, 6), "membership", "%u on %u", m.pdmc_count, m.pdmc_index);
	for (int i = 0; i < 2; i++)
		check(get(shared[i], SOL_PACKET, PACKET_FANOUT) == group, "group", "%x, was %x", get(shared[i], SOL_PACKET, PACKET_FANOUT), group);

	emit(RAW, 4711), emit(DGRAM, 4712), emit(OLD, 4713);
	int number = received(raw, 14);
	check(number == 4711, "receives", "%d", number);
	number = received(dgram, 0);
	check(number == 4712, "receives from all devices", "%d", number);
	number = received(old, 14);
	check(number == 4713, "the old kind receives", "%d", number);
	emit(GROUP, 1), emit(GROUP, 2);
	int one = received(shared[0], 0), other = received(shared[1], 0);
	check(one + other == 3 && one > 0 && other > 0, "the group shares", "%d %d", one, other);
	if (!criu) {
		check(takes(&rings[1], 1) && takes(&rings[1], 1) && takes(&rings[1], 1), "frames that waited", "wrong");
		check(takes(&rings[2], 1), "a block that waited", "wrong");
	}
	for (int i = 0; i < 3; i++)
		check(passes(&rings[i], 2 * rings[i].frames + 1), "its ring goes on", "%s", rings[i].name);
	check(sends(&out, 0, 99) && received(sent, 0) == 99, "the ring sends", "%s", strerror(errno));
	return done();
}
