/*
 * awkward: what of internet sockets cannot be put back. "signed", "signed-listener": keys (TCP_MD5SIG). "urgent": urgent data that was not read;
 * "urgent-read": it was, what comes before and after it was not. "datagrams": waiting ones, which are gone afterwards; "error": a waiting error.
 */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

static void sign(int fd)
{
	struct tcp_md5sig key = { .tcpm_keylen = 6, .tcpm_key = "secret" };
	struct sockaddr_in *a = (void *)&key.tcpm_addr;

	a->sin_family = AF_INET;
	a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key)));
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	char text[16] = { 0 };

	if (!strcmp(what, "datagrams") || !strcmp(what, "error")) {
		int fd = must(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)), other = must(socket(AF_INET, SOCK_DGRAM, 0));
		struct pollfd ready = { fd, POLLERR, 0 };

		must(bind(fd, (void *)&a, n));
		must(getsockname(fd, (void *)&a, &n));
		if (*what == 'd') {
			must(sendto(other, "first", 5, 0, (void *)&a, n));
			must(sendto(other, "second", 6, 0, (void *)&a, n));
		} else {
			must(connect(fd, (void *)&a, n));
			a.sin_port = htons(9);
			must(connect(fd, (void *)&a, n));
			must(send(fd, "nobody is there", 15, 0));
			must(poll(&ready, 1, 1000));
		}
		ready_and_wait();
		check(recv(fd, text, sizeof(text), 0) < 0 && errno == EAGAIN, "it is empty", "%s %s", text, strerror(errno));
		a.sin_port = 0;
		return done();
	}
	int listener = must(socket(AF_INET, SOCK_STREAM, 0)), client = must(socket(AF_INET, SOCK_STREAM, 0)), server;

	must(bind(listener, (void *)&a, n));
	must(getsockname(listener, (void *)&a, &n));
	if (!strncmp(what, "signed", 6)) {
		sign(listener);
		sign(client);
	}
	must(listen(listener, 1));
	must(connect(client, (void *)&a, n));
	server = must(accept(listener, 0, 0));
	if (!strcmp(what, "signed"))
		close(listener);
	if (!strcmp(what, "signed-listener")) {
		close(client);
		close(server);
	}
	if (!strncmp(what, "urgent", 6)) {
		must(send(client, "abcU", 4, MSG_OOB));
		must(send(client, "def", 3, 0));
		sleep_ms(20);
		if (!strcmp(what, "urgent-read"))
			check(recv(server, text, 1, MSG_OOB) == 1 && *text == 'U', "urgent byte", "%s", text);
	}
	ready_and_wait();
	if (!strcmp(what, "urgent"))
		check(recv(server, text, 1, MSG_OOB) == 1 && *text == 'U', "urgent byte", "%s", text);
	if (!strncmp(what, "urgent", 6))
		check(recv(server, text, 3, MSG_WAITALL) == 3 && !strncmp(text, "abc", 3), "stream", "%s", text);
	if (!strcmp(what, "signed"))
		check(send(client, "x", 1, MSG_NOSIGNAL) == 1 && recv(server, text, 1, 0) == 1, "it goes on", "%s", strerror(errno));
	check(1, "runs on", "");
	return done();
}
