/*
 * undumpable WHAT...: holds what a dump has to refuse, then waits. Prints `skip` where this machine has no such thing.
 */
#include "check.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int skip(const char *why)
{
	say("skip %s", why);
	pause();
	return 0;
}

static void hold(const char *what)
{
	int ends[2];

	if (!strcmp(what, "socket")) {
		must(socket(AF_PACKET, SOCK_RAW, 0));
	} else if (!strcmp(what, "huge")) {
		if (mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0) == MAP_FAILED)
			skip("no huge pages");
	} else if (!strcmp(what, "sysv")) {
		int id = must(shmget(IPC_PRIVATE, 4096, 0600));
		must((long)shmat(id, NULL, 0));
		must(shmctl(id, IPC_RMID, NULL));
	} else if (!strcmp(what, "ghost")) {
		char block[4096];
		int fd = must(open("ghost", O_RDWR | O_CREAT, 0600));
		memset(block, 'g', sizeof(block));
		for (int i = 0; i < 3 << 20; i += sizeof(block))
			must(write(fd, block, sizeof(block)));
		must(unlink("ghost"));
	} else if (!strcmp(what, "replaced")) {
		must(open("replaced", O_RDWR | O_CREAT, 0600));
		must(link("replaced", "kept")), must(unlink("replaced"));
		/* the kernel marks its name as deleted; one with that very name takes its place */
		must(close(must(open("replaced (deleted)", O_RDWR | O_CREAT, 0600))));
		must(close(must(open("other", O_RDWR | O_CREAT, 0600))));
	} else if (!strcmp(what, "renamed")) {
		must(open("renamed", O_RDWR | O_CREAT, 0600));
		must(link("renamed", "elsewhere")), must(unlink("renamed"));
	} else if (!strcmp(what, "namespace")) {
		if (unshare(CLONE_NEWUTS) != 0)
			skip("no right to make a namespace");
	} else if (!strcmp(what, "packets")) {
		must(pipe2(ends, O_DIRECT));
	} else {
		_exit(122);
	}
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		hold(argv[i]);
	say("ready");
	for (;;)
		pause();
}
