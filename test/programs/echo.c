/*
 * echo [ADDRESS]: a server with a client outside of the tree, on 127.0.0.1 or that address of IPv4 or IPv6. Prints "port N", sends back what the client sends; when a connection ends it says so ("closed")
 * and takes the next one. After go: how many connections it had, and that it still listens.
 */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	struct sockaddr_in6 a = { 0 };
	struct sockaddr_in *v4 = (void *)&a;
	const char *address = argc > 1 ? argv[1] : "127.0.0.1";
	int v6 = strchr(address, ':') != NULL;
	socklen_t n = v6 ? sizeof(a) : sizeof(*v4);
	static char buffer[65536];
	int listener = must(socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0)), connections = 0, wrong = 0;

	a.sin6_family = v6 ? AF_INET6 : AF_INET;
	must(inet_pton(a.sin6_family, address, v6 ? (void *)&a.sin6_addr : (void *)&v4->sin_addr));

	must(bind(listener, (void *)&a, n));
	must(listen(listener, 8));
	must(getsockname(listener, (void *)&a, &n));
	say("port %d", ntohs(a.sin6_port));
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
