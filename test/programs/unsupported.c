/* unsupported: holds things that no checkpoint can take (yet): an inet socket and an io_uring; runs on after go. */
#include "check.h"
#include <netinet/in.h>
#include <sys/socket.h>

int main(void)
{
	char params[256] = { 0 };
	int ring = must(syscall(SYS_io_uring_setup, 4, params));
	int listening = must(socket(AF_INET, SOCK_STREAM, 0));
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	must(bind(listening, (struct sockaddr *)&address, sizeof(address)));
	must(listen(listening, 1));
	ready_and_wait();
	check(fcntl(ring, F_GETFD) >= 0 && fcntl(listening, F_GETFD) >= 0, "descriptors", "gone");
	return done();
}
