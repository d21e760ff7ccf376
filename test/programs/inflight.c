/* A pidfd of a child in flight in a socket, which only a task can open again: also open here, or (`only`) nowhere else. */
#include "check.h"
#include <sys/socket.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
	int pair[2], got = -1;
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid_t child = must(fork());
	if (child == 0)
		for (;;)
			pause();
	int fd = must(syscall(SYS_pidfd_open, child, 0));
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	must(sendmsg(pair[0], &m, 0));
	if (argc > 1 && !strcmp(argv[1], "only"))
		close(fd);
	ready_and_wait();
	m.msg_controllen = sizeof(control);
	check(recvmsg(pair[1], &m, MSG_DONTWAIT) == 1 && (c = CMSG_FIRSTHDR(&m)), "the message", "%s", strerror(errno));
	if (c)
		memcpy(&got, CMSG_DATA(c), sizeof(got));
	check(!syscall(SYS_pidfd_send_signal, got, SIGKILL, NULL, 0), "the descriptor leads to the child", "%s", strerror(errno));
	int status = 0;
	check(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL, "which it ends", "%x", status);
	return done();
}
