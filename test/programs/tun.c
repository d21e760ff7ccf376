/*
 * tun: descriptors of /dev/net/tun: attached to a tun device with several queues, one of them detached, to a tap device with headers, and to none. The
 * devices stay when all have closed them; `clean NAME...` as arguments removes them. `mortal`: one that goes with its program; `filter`: one with a filter.
 */
#include "check.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int opened(void) { return must(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)); }

static struct ifreq named(const char *name, int flags)
{
	struct ifreq r = { .ifr_flags = flags };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	return r;
}

static int attached(const char *name, int flags)
{
	int fd = opened();
	struct ifreq r = named(name, flags);

	must(ioctl(fd, TUNSETIFF, &r));
	return fd;
}

static int flags_of(int fd)
{
	struct ifreq r = { 0 };

	return ioctl(fd, TUNGETIFF, &r) ? -1 : (unsigned short)r.ifr_flags;
}

static int number(int fd, unsigned long request)
{
	int value = -1;

	ioctl(fd, request, &value);
	return value;
}

/* Gives it 198.18.X.1 of a network of four, and starts it. */
static unsigned up(const char *name, unsigned host)
{
	int s = must(socket(AF_INET, SOCK_DGRAM, 0));
	struct ifreq r = named(name, 0);
	struct sockaddr_in *a = (void *)&r.ifr_addr;

	a->sin_family = AF_INET, a->sin_addr.s_addr = htonl(host);
	must(ioctl(s, SIOCSIFADDR, &r));
	a->sin_addr.s_addr = htonl(0xfffffffc);
	must(ioctl(s, SIOCSIFNETMASK, &r));
	r = named(name, IFF_UP | IFF_RUNNING);
	must(ioctl(s, SIOCSIFFLAGS, &r));
	close(s);
	return host + 1;
}

/* A datagram to a host behind the device comes out of its descriptor, after `header` bytes; others may come before it. */
static int passes(int fd, unsigned host, unsigned text, int header)
{
	int s = must(socket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(4711), .sin_addr.s_addr = htonl(host) };
	unsigned char packet[2000];
	struct pollfd p = { fd, POLLIN, 0 };

	must(sendto(s, &text, sizeof(text), 0, (void *)&a, sizeof(a)));
	close(s);
	for (int i = 0; i < 100 && poll(&p, 1, 5000) == 1; i++) {
		int n = read(fd, packet, sizeof(packet));
		if (n == header + 20 + 8 + 4 && packet[header] == 0x45 && !memcmp(packet + header + 28, &text, 4))
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "clean")) {
		for (int i = 2; i < argc; i++) {
			struct ifreq r = named(argv[i], IFF_TUN | IFF_MULTI_QUEUE), t = named(argv[i], IFF_TAP);
			int fd = opened();
			if (!ioctl(fd, TUNSETIFF, &r) || !ioctl(fd, TUNSETIFF, &t))
				must(ioctl(fd, TUNSETPERSIST, 0));
			close(fd);
		}
		return 0;
	}
	char tun[IFNAMSIZ], tap[IFNAMSIZ];
	struct ifreq detach = { .ifr_flags = IFF_DETACH_QUEUE };

	snprintf(tun, sizeof(tun), "sfu%d", getpid()), snprintf(tap, sizeof(tap), "sfa%d", getpid());
	if (argc > 1) {
		struct sock_filter code[] = { { BPF_RET | BPF_K, 0, 0, 0xffff } };
		struct sock_fprog filter = { 1, code };
		int fd = attached(tap, IFF_TAP | IFF_NO_PI), filtered = !strcmp(argv[1], "filter");
		if (filtered)
			must(ioctl(fd, TUNATTACHFILTER, &filter)), must(ioctl(fd, TUNSETPERSIST, 1));
		ready_and_wait();
		check(flags_of(fd) >= 0, "still there", "%s", strerror(errno));
		must(ioctl(fd, TUNSETPERSIST, 0));
		return done();
	}
	int first = attached(tun, IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE);
	must(ioctl(first, TUNSETPERSIST, 1));
	int second = attached(tun, IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE);
	must(ioctl(second, TUNSETQUEUE, &detach));
	int third = attached(tap, IFF_TAP | IFF_VNET_HDR), none = opened(), size = 12, sndbuf = 50000, on = 1;
	must(ioctl(third, TUNSETPERSIST, 1)), must(ioctl(third, TUNSETVNETHDRSZ, &size)), must(ioctl(third, TUNSETSNDBUF, &sndbuf)), must(ioctl(third, TUNSETVNETLE, &on));
	must(fcntl(second, F_SETFL, O_RDWR));
	unsigned host = up(tun, 0xc6120001 | (getpid() & 0x3fff) << 2);
	int flags[] = { flags_of(first), flags_of(second), flags_of(third), flags_of(none) };
	if (!passes(first, host, 1, 0))
		fail("setup: nothing comes through %s", tun);
	ready_and_wait();
	int all[] = { first, second, third, none };
	for (int i = 0; i < 4; i++)
		check(flags_of(all[i]) == flags[i], "device", "%d: %x, was %x", i, flags_of(all[i]), flags[i]);
	check(number(third, TUNGETVNETHDRSZ) == 12, "header", "%d", number(third, TUNGETVNETHDRSZ));
	check(number(third, TUNGETSNDBUF) == sndbuf, "sndbuf", "%d", number(third, TUNGETSNDBUF));
	check(number(third, TUNGETVNETLE) == 1, "byte order", "%d", number(third, TUNGETVNETLE));
	check((fcntl(first, F_GETFL) & O_NONBLOCK) && !(fcntl(second, F_GETFL) & O_NONBLOCK), "flags", "%x %x", fcntl(first, F_GETFL), fcntl(second, F_GETFL));
	check(passes(first, host, 2, 0), "packets come through", "none");
	struct ifreq r = named(tun, IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE);
	check(!ioctl(none, TUNSETIFF, &r), "the one without a device takes one", "%s", strerror(errno));
	must(ioctl(first, TUNSETPERSIST, 0)), must(ioctl(third, TUNSETPERSIST, 0));
	return done();
}
