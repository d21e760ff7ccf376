/* hold KIND...: makes namespaces of its own (uts net ipc time) for others to join, and waits. A host name is `held`; the clocks stand a million seconds ahead. */
#include "check.h"
#include <sched.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "uts"))
			must(unshare(CLONE_NEWUTS)), must(sethostname("held", 4));
		else if (!strcmp(argv[i], "ipc"))
			must(unshare(CLONE_NEWIPC));
		else if (!strcmp(argv[i], "net")) {
			struct ifreq lo = { .ifr_name = "lo" };
			must(unshare(CLONE_NEWNET));
			int fd = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
			must(ioctl(fd, SIOCGIFFLAGS, &lo));
			lo.ifr_flags |= IFF_UP;
			must(ioctl(fd, SIOCSIFFLAGS, &lo));
			close(fd);
		} else if (!strcmp(argv[i], "time")) {
			const char offsets[] = "monotonic 1000000 0\nboottime 1000000 0\n";
			must(unshare(CLONE_NEWTIME));
			int fd = must(open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC));
			must(write(fd, offsets, sizeof(offsets) - 1));
			close(fd);
			fd = must(open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC));
			must(setns(fd, CLONE_NEWTIME));
			close(fd);
		}
	}
	ready_and_wait();
	return done();
}
