/* Options of sockets that are numbers. */
#include "check.h"
#include <sys/socket.h>

static inline void set(int fd, int level, int name, int value) { must(setsockopt(fd, level, name, &value, sizeof(value))); }

/* -1: it does not have it */
static inline int get(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	getsockopt(fd, level, name, &value, &size);
	return value;
}
