/*
 * POSIX message queues: empty, with messages that wait, without a name, opened twice, shared with a child. `alone`: only the empty ones, for a
 * restore on a system that has none of them.
 */
#include "check.h"
#include <mqueue.h>
#include <sys/stat.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
	int alone = argc > 1 && !strcmp(argv[1], "alone"), status;
	struct mq_attr small = { .mq_maxmsg = 3, .mq_msgsize = 100 }, got;
	char names[3][64], text[101] = { 0 };
	struct stat before, after;
	unsigned priority;

	for (int i = 0; i < 3; i++)
		snprintf(names[i], sizeof names[i], "/sf-test-%d-%d", getpid(), i);
	mqd_t empty = must(mq_open(names[0], O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0620, &small));
	must(fchmod(empty, 0642)), must(fchown(empty, 12, 34)), must(fstat(empty, &before));
	mqd_t full = must(mq_open(names[1], O_WRONLY | O_CREAT | O_EXCL, 0600, &small)), reader = must(mq_open(names[1], O_RDONLY));
	mqd_t nameless = must(mq_open(names[2], O_RDWR | O_CREAT | O_EXCL, 0600, &small));
	must(mq_unlink(names[2]));
	if (!alone)
		must(mq_send(full, "later", 6, 1)), must(mq_send(full, "first", 6, 5));
	pid_t child = must(fork());
	if (child == 0) {
		mq_receive(nameless, text, sizeof text, NULL);
		_exit(!strcmp(text, "to the child") ? 7 : 8);
	}
	ready_and_wait();
	must(fstat(empty, &after));
	check(after.st_mode == before.st_mode && after.st_uid == 12 && after.st_gid == 34, "mode and owner", "%o %d %d", after.st_mode, after.st_uid, after.st_gid);
	must(mq_getattr(empty, &got));
	check(got.mq_maxmsg == 3 && got.mq_msgsize == 100 && got.mq_curmsgs == 0 && got.mq_flags == O_NONBLOCK, "attributes", "%ld %ld %ld %lx", got.mq_maxmsg, got.mq_msgsize, got.mq_curmsgs, got.mq_flags);
	check(mq_receive(empty, text, sizeof text, NULL) == -1 && errno == EAGAIN, "an empty queue", "it is not");
	check(fcntl(reader, F_GETFL) == (O_RDONLY | (fcntl(reader, F_GETFL) & 0100000)) && fcntl(full, F_GETFD) == FD_CLOEXEC, "flags", "%#x %d", fcntl(reader, F_GETFL), fcntl(full, F_GETFD));
	if (!alone) {
		check(mq_receive(reader, text, sizeof text, &priority) == 6 && priority == 5 && !strcmp(text, "first"), "the first message", "'%s'", text);
		check(mq_receive(reader, text, sizeof text, &priority) == 6 && priority == 1 && !strcmp(text, "later"), "the second", "'%s'", text);
	}
	must(mq_send(full, "another", 8, 0));
	check(mq_receive(reader, text, sizeof text, NULL) == 8, "two descriptions of one queue", "'%s'", text);
	must(fstat(nameless, &after));
	check(after.st_nlink == 0, "no name", "%ld", (long)after.st_nlink);
	check(mq_open(names[2], O_RDONLY) == -1 && errno == ENOENT, "no name to open it by", "it has");
	must(mq_send(nameless, "to the child", 13, 0));
	must(waitpid(child, &status, 0));
	check(WIFEXITED(status) && WEXITSTATUS(status) == 7, "shared with a child", "%#x", status);
	must(mq_unlink(names[0])), must(mq_unlink(names[1]));
	return done();
}
