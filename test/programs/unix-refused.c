/*
 * Unix sockets that no dump can take, by argument: `outside` is connected to a socket of a process that is not of its tree (argument 2:
 * datagram or stream), `sent` waits to be accepted and has sent something, `urgent` has an urgent byte in its queue. Runs on after go.
 */
#include "check.h"
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static socklen_t named(struct sockaddr_un *a, const char *name)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	strcpy(a->sun_path, name);
	return offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1;
}

/* A process that leaves the tree and keeps one end until "go", then tells what it got. */
static int outside(int type)
{
	struct sockaddr_un a;
	int pair[2], bound = -1;

	must(socketpair(AF_UNIX, type, 0, pair));
	if (type == SOCK_DGRAM) {
		bound = must(socket(AF_UNIX, type, 0));
		must(bind(bound, (void *)&a, named(&a, "outside.sock")));
	}
	if (fork() == 0) {
		if (fork() == 0) {
			prctl(PR_SET_NAME, "outsider");
			setsid();
			if (type == SOCK_STREAM)
				close(pair[0]);
			wait_for_go();
			sleep_ms(200);
			_exit(0);
		}
		_exit(0);
	}
	sleep_ms(50);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	close(pair[1]);
	if (type == SOCK_STREAM)
		return pair[0];
	close(pair[0]), close(bound);
	int s = must(socket(AF_UNIX, type, 0));
	must(connect(s, (void *)&a, named(&a, "outside.sock")));
	return s;
}

int main(int argc, char **argv)
{
	struct sockaddr_un a;
	int pair[2], s = -1;

	if (argc > 2 && !strcmp(argv[1], "outside"))
		s = outside(!strcmp(argv[2], "stream") ? SOCK_STREAM : SOCK_DGRAM);
	else if (argc > 1 && !strcmp(argv[1], "sent")) {
		int l = must(socket(AF_UNIX, SOCK_STREAM, 0));
		must(bind(l, (void *)&a, named(&a, "l.sock"))), must(listen(l, 1));
		s = must(socket(AF_UNIX, SOCK_STREAM, 0));
		must(connect(s, (void *)&a, named(&a, "l.sock"))), must(send(s, "early", 5, 0));
	} else {
		must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
		must(send(pair[0], "abc", 3, MSG_OOB));
		s = pair[1];
	}
	ready_and_wait();
	if (argc > 2 && !strcmp(argv[2], "datagram"))
		check(send(s, "x", 1, 0) == 1, "connected to who is outside", "%s", strerror(errno));
	check(fcntl(s, F_GETFD) >= 0, "it is there", "gone");
	return done();
}
