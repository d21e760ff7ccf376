/* unsupported: holds things that no checkpoint can take: an io_uring and a socket of a family whose state cannot be read back (the first that this kernel has); runs on after go. */
#include "check.h"
#include <sys/socket.h>

int main(void)
{
	char params[256] = { 0 };
	int ring = must(syscall(SYS_io_uring_setup, 4, params));
	int odd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (odd < 0)
		odd = socket(AF_ALG, SOCK_SEQPACKET, 0);
	if (odd < 0)
		odd = must(socket(AF_XDP, SOCK_RAW, 0));
	ready_and_wait();
	check(fcntl(ring, F_GETFD) >= 0 && fcntl(odd, F_GETFD) >= 0, "descriptors", "gone");
	return done();
}
