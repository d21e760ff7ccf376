/*
 * echo: a server with a client outside of the tree. Prints "port N", sends back what the client sends; when a connection ends it says so ("closed")
 * and takes the next one. After go: how many connections it had, and that it still listens.
 */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

int main(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	static char buffer[65536];
	int listener = must(socket(AF_INET, SOCK_STREAM, 0)), connections = 0, wrong = 0;

	must(bind(listener, (void *)&a, n));
	must(listen(listener, 8));
	must(getsockname(listener, (void *)&a, &n));
	say("port %d", ntohs(a.sin_port));
	say("ready");
	while (access("go", F_OK)) {
		struct pollfd waiting = { listener, POLLIN, 0 };

		if (poll(&waiting, 1, 20) != 1)
			continue;
		int fd = must(accept(listener, 0, 0));
		connections++;
		for (;;) {
			ssize_t got = read(fd, buffer, sizeof(buffer));

			if (got <= 0) {
				say("closed %s", got == 0 ? "at its end" : strerror(errno));
				break;
			}
			for (ssize_t done = 0, part; done < got; done += part) {
				part = send(fd, buffer + done, got - done, MSG_NOSIGNAL);
				if (part < 0) {
					say("cannot send: %s", strerror(errno));
					wrong++;
					break;
				}
			}
		}
		close(fd);
	}
	check(connections > 0 && !wrong, "served its clients", "%d connections, %d went wrong", connections, wrong);
	return done();
}
