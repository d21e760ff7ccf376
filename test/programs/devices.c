/*
 * Character devices: the console, virtual terminals and serial lines as this machine has them (by names of our own), and deleted ones: memory
 * devices are made again under no name.
 */
#include "check.h"
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>

struct device {
	const char *name;
	dev_t number;
	int flags, deleted, fd, flags_seen;
	struct stat before;
	struct termios settings;
};

int main(void)
{
	struct device devices[] = {
		{ .name = "console", .number = makedev(5, 1), .flags = O_RDONLY },
		{ .name = "tty1", .number = makedev(4, 1), .flags = O_RDWR },
		{ .name = "tty2", .number = makedev(4, 2), .flags = O_WRONLY },
		{ .name = "ttyS0", .number = makedev(4, 64), .flags = O_RDONLY },
		{ .name = "gone-tty3", .number = makedev(4, 3), .flags = O_RDONLY, .deleted = 1 },
		{ .name = "gone-null", .number = makedev(1, 3), .flags = O_RDWR, .deleted = 1 },
		{ .name = "gone-random", .number = makedev(1, 9), .flags = O_RDONLY, .deleted = 1 },
		{ .name = "full", .number = makedev(1, 7), .flags = O_RDWR },
	};
	int terminals = 0, opened = 0;
	struct stat after;

	for (unsigned i = 0; i < sizeof devices / sizeof devices[0]; i++) {
		struct device *d = &devices[i];

		must(mknod(d->name, S_IFCHR | 0640, d->number));
		must(chmod(d->name, 0604));
		d->fd = open(d->name, d->flags | O_NOCTTY | O_NONBLOCK);
		if (d->fd < 0 && major(d->number) != 1)
			continue; /* this machine has no such terminal */
		must(d->fd);
		opened++;
		must(fstat(d->fd, &d->before));
		if (d->deleted)
			must(unlink(d->name));
		d->flags_seen = must(fcntl(d->fd, F_GETFL));
		if (major(d->number) != 1) {
			must(tcgetattr(d->fd, &d->settings));
			terminals++;
		}
	}
	must(terminals > 0 ? 0 : -1); /* every machine has a console */
	ready_and_wait();
	for (unsigned i = 0; i < sizeof devices / sizeof devices[0]; i++) {
		struct device *d = &devices[i];
		struct termios settings;

		if (d->fd < 0)
			continue;
		must(fstat(d->fd, &after));
		check(after.st_rdev == d->number && after.st_mode == d->before.st_mode, "the device", "%s is %lx, mode %o", d->name, (long)after.st_rdev, after.st_mode);
		check(after.st_nlink == (d->deleted ? 0 : 1) && (access(d->name, F_OK) == 0) == !d->deleted, "its name", "%s has %lu", d->name, (long)after.st_nlink);
		check(fcntl(d->fd, F_GETFL) == d->flags_seen, "its flags", "%s %o", d->name, fcntl(d->fd, F_GETFL));
		if (major(d->number) != 1)
			check(tcgetattr(d->fd, &settings) == 0 && settings.c_lflag == d->settings.c_lflag && settings.c_iflag == d->settings.c_iflag, "its settings", "%s", d->name);
	}
	char byte;
	check(write(devices[5].fd, "x", 1) == 1 && read(devices[5].fd, &byte, 1) == 0, "the null device without a name", "%s", strerror(errno));
	check(read(devices[6].fd, &byte, 1) == 1, "the random device without a name", "%s", strerror(errno));
	check(write(devices[7].fd, "x", 1) == -1 && errno == ENOSPC, "the full device", "took a byte");
	return done();
}
