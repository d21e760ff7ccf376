/*
 * One end of a pipe, a fifo, a stream socket and a terminal, a memfd, a file that has a name and one that lost it, whose other ends belong
 * to a process outside of the tree (argument `plain`: without the terminal). Prints what --external and --inherit-fd call each. After go the outside says something to each;
 * what was handed in at the restore must hear it.
 */
#include "check.h"
#include <poll.h>
#include <pty.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { PIPE, FIFO, SOCKET, MEMFD, NAMED, LOST, TTY, KINDS };
static const char *names[KINDS] = { "pipe", "fifo", "socket", "memfd", "named", "lost", "tty" };
static int kinds = KINDS;
static int inside[KINDS], outside[KINDS];

static unsigned mount_of(int fd)
{
	char path[64], text[4096], *at;
	unsigned id = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	slurp(path, text, sizeof(text));
	if ((at = strstr(text, "mnt_id:")))
		sscanf(at, "mnt_id: %u", &id);
	return id;
}

static void tell(int kind)
{
	char path[64], target[4096] = "";
	struct stat st;
	int fd = inside[kind];

	must(fstat(fd, &st));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must(readlink(path, target, sizeof(target) - 1));
	if (kind == MEMFD)
		*strstr(target, " (deleted)") = 0;
	if (kind == FIFO || kind == LOST)
		snprintf(target, sizeof(target), "file[%x:%lx]", mount_of(fd), (long)st.st_ino);
	if (kind == TTY)
		snprintf(target, sizeof(target), "tty[%lx:%lx]", (long)st.st_rdev, (long)st.st_dev);
	say("key %s fd %d %s", names[kind], fd, target);
}

static void outsider(void)
{
	prctl(PR_SET_NAME, "outsider");
	setsid();
	FILE *f = fopen("outsider", "w");
	fprintf(f, "%d\n", getpid()), fclose(f);
	wait_for_go();
	for (int i = 0; i < kinds; i++) {
		if (i == MEMFD || i == NAMED || i == LOST)
			lseek(outside[i], 0, SEEK_SET);
		dprintf(outside[i], "to %s\n", names[i]);
	}
	sleep_ms(4000);
	_exit(0);
}

int main(int argc, char **argv)
{
	int ends[2];

	if (argc > 1 && !strcmp(argv[1], "plain"))
		kinds--;

	setsid();
	must(pipe(ends)), inside[PIPE] = ends[0], outside[PIPE] = ends[1];
	must(mkfifo("fifo", 0600));
	inside[FIFO] = must(open("fifo", O_RDONLY | O_NONBLOCK)), outside[FIFO] = must(open("fifo", O_WRONLY));
	must(fcntl(inside[FIFO], F_SETFL, 0)), must(unlink("fifo"));
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends)), inside[SOCKET] = ends[0], outside[SOCKET] = ends[1];
	if (kinds > TTY)
		must(openpty(&outside[TTY], &inside[TTY], NULL, NULL, NULL));
	inside[MEMFD] = must(memfd_create("shared by both", 0)), outside[MEMFD] = must(dup(inside[MEMFD]));
	inside[NAMED] = must(open("named", O_RDONLY | O_CREAT, 0600)), outside[NAMED] = must(open("named", O_WRONLY));
	inside[LOST] = must(open("lost", O_RDONLY | O_CREAT, 0600)), outside[LOST] = must(open("lost", O_WRONLY)), must(unlink("lost"));
	pid_t child = must(fork());
	if (child == 0) {
		if (fork() == 0)
			outsider();
		_exit(0);
	}
	must(waitpid(child, NULL, 0));
	while (access("outsider", F_OK))
		sleep_ms(2);
	for (int i = 0; i < kinds; i++)
		close(outside[i]);
	for (int i = 0; i < kinds; i++)
		tell(i);
	ready_and_wait();
	for (int i = 0; i < kinds; i++) {
		char got[64] = "", want[64];
		int n = 0;

		snprintf(want, sizeof(want), "to %s\n", names[i]);
		for (int wait = 0; wait < 300 && n <= 0; wait++) {
			struct pollfd p = { inside[i], POLLIN, 0 };
			if (i == MEMFD || i == NAMED || i == LOST)
				lseek(inside[i], 0, SEEK_SET);
			if (poll(&p, 1, 10) == 1)
				n = read(inside[i], got, sizeof(got) - 1);
			if (n == 0)
				sleep_ms(10);
		}
		check(!strcmp(got, want), "hears the outside", "%s: %d bytes: %s", names[i], n, got);
		int flags = fcntl(inside[i], F_GETFL);
		check((flags & O_ACCMODE) == (i == PIPE || i == FIFO || i == NAMED || i == LOST ? O_RDONLY : O_RDWR) && !(flags & O_NONBLOCK), "flags", "%s: 0%o", names[i], flags);
	}
	return done();
}
