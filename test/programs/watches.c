/*
 * inotify and fanotify: watches on files and directories, their numbers, flags, deleted files that are still open, what happens to a file
 * after the restore. Arguments: inotify | fanotify
 */
#include "check.h"
#include <poll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/stat.h>

static int make(const char *path)
{
	return must(open(path, O_CREAT | O_RDWR | O_TRUNC, 0600));
}

/* The next event's watch, or -1: none. */
static int next(int fd, uint32_t *mask, char *name)
{
	char bytes[4096] __attribute__((aligned(8)));
	struct inotify_event *event = (void *)bytes;
	static char rest[4096];
	static int left, of;

	if (left == 0 || of != fd) {
		left = read(fd, rest, sizeof(rest));
		of = fd;
		if (left <= 0)
			return left = 0, -1;
	}
	memcpy(bytes, rest, sizeof(*event) + ((struct inotify_event *)(void *)rest)->len);
	*mask = event->mask;
	strcpy(name, event->len ? event->name : "");
	int size = sizeof(*event) + event->len;
	memmove(rest, rest + size, left -= size);
	return event->wd;
}

static int inotify(void)
{
	uint32_t mask;
	char name[256];
	struct stat st;

	must(mkdir("dir", 0700)), must(mkdir("other", 0700));
	close(make("dir/a")), close(make("plain")), close(make("once"));
	int fd = must(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), quiet = must(inotify_init());
	int unused = must(inotify_add_watch(fd, "other", IN_CREATE));
	int dir = must(inotify_add_watch(fd, "dir", IN_CREATE | IN_DELETE | IN_MODIFY | IN_MOVED_TO | IN_EXCL_UNLINK));
	int plain = must(inotify_add_watch(fd, "plain", IN_ALL_EVENTS));
	int once = must(inotify_add_watch(fd, "once", IN_ATTRIB | IN_ONESHOT));
	must(symlink("plain", "link"));
	int link_wd = must(inotify_add_watch(fd, "link", IN_ATTRIB | IN_DELETE_SELF | IN_DONT_FOLLOW));
	must(inotify_rm_watch(fd, unused));
	while (next(fd, &mask, name) >= 0)
		;
	int held = make("dir/deleted");
	int deleted = must(inotify_add_watch(fd, "dir/deleted", IN_ATTRIB | IN_MODIFY));
	must(unlink("dir/deleted"));
	while (next(fd, &mask, name) >= 0)
		;
	ready_and_wait();

	check(next(fd, &mask, name) == -1 && errno == EAGAIN, "nothing has happened", "watch %d: %#x %s", plain, mask, name);
	must(close(make("dir/b")));
	check(next(fd, &mask, name) == dir && mask == IN_CREATE && !strcmp(name, "b"), "a file is made", "%#x %s", mask, name);
	must(chmod("plain", 0640));
	check(next(fd, &mask, name) == plain && mask == IN_ATTRIB, "a file changes", "%#x", mask);
	must(stat("link", &st)), must(fchownat(AT_FDCWD, "link", 0, 0, AT_SYMLINK_NOFOLLOW));
	check(next(fd, &mask, name) == link_wd && mask == IN_ATTRIB, "a symbolic link itself", "%#x", mask);
	must(chmod("once", 0640)), must(chmod("once", 0600));
	check(next(fd, &mask, name) == once && mask == IN_ATTRIB, "a watch that fires once", "%#x", mask);
	check(next(fd, &mask, name) == once && mask == IN_IGNORED, "and is gone", "%#x", mask);
	must(write(held, "x", 1));
	check(next(fd, &mask, name) == deleted && mask == IN_MODIFY, "a deleted file that is open", "%#x", mask);
	check(next(fd, &mask, name) == -1, "no more", "%#x %s", mask, name);
	int fresh = must(inotify_add_watch(fd, "other", IN_CREATE));
	check(fresh > deleted, "number of a new watch", "%d, after %d", fresh, deleted);
	must(inotify_rm_watch(fd, plain));
	check(next(fd, &mask, name) == plain && mask == IN_IGNORED, "a watch is removed", "%#x", mask);
	check(fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GETFL) & O_NONBLOCK, "flags", "%#x", fcntl(fd, F_GETFL));
	check(!(fcntl(quiet, F_GETFL) & O_NONBLOCK) && inotify_add_watch(quiet, "dir", IN_CREATE) == 1, "one without watches", "not usable");
	close(make("dir/c"));
	check(next(quiet, &mask, name) == 1 && !strcmp(name, "c"), "its first watch", "%s", name);
	return done();
}

static int fanotify(void)
{
	struct fanotify_event_metadata event;

	close(make("marked")), close(make("ignored"));
	int fd = must(fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC | FAN_UNLIMITED_QUEUE, O_RDONLY | O_CLOEXEC));
	must(fanotify_mark(fd, FAN_MARK_ADD, FAN_CLOSE_WRITE | FAN_MODIFY, AT_FDCWD, "marked"));
	must(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_EXEC, AT_FDCWD, "/proc"));
	must(fanotify_mark(fd, FAN_MARK_ADD, FAN_CLOSE_WRITE | FAN_OPEN, AT_FDCWD, "ignored"));
	must(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_OPEN, AT_FDCWD, "ignored"));
	char path[64], before[4096], after[4096];
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	slurp(path, before, sizeof(before));
	ready_and_wait();

	slurp(path, after, sizeof(after));
	check(strstr(before, "mflags") && !strcmp(strstr(before, "fanotify flags"), strstr(after, "fanotify flags")), "flags and marks", "\n%s was\n%s", after, before);
	check(read(fd, &event, sizeof(event)) == -1 && errno == EAGAIN, "nothing has happened", "%#llx", (unsigned long long)event.mask);
	int file = must(open("marked", O_WRONLY));
	must(write(file, "x", 1)), close(file);
	check(read(fd, &event, sizeof(event)) == sizeof(event) && event.mask == (FAN_MODIFY | FAN_CLOSE_WRITE), "a marked file is written", "%#llx", (unsigned long long)event.mask);
	check(event.pid == getpid(), "by us", "by %d", event.pid);
	check(fcntl(event.fd, F_GETFD) == FD_CLOEXEC, "event's descriptor", "%d", fcntl(event.fd, F_GETFD));
	close(event.fd);
	file = must(open("ignored", O_WRONLY));
	close(file);
	check(read(fd, &event, sizeof(event)) == sizeof(event) && event.mask == FAN_CLOSE_WRITE, "an ignored event", "%#llx", (unsigned long long)event.mask);
	close(event.fd);
	check(fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GETFL) & O_NONBLOCK, "descriptor flags", "%#x", fcntl(fd, F_GETFL));
	return done();
}

int main(int argc, char **argv)
{
	return argc > 1 && !strcmp(argv[1], "fanotify") ? fanotify() : inotify();
}
