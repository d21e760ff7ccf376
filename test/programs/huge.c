/* Huge pages: private and shared anonymous memory (MAP_HUGETLB), the latter shared with a child, and a memfd. */
#include "check.h"
#include <sys/mman.h>
#include <sys/wait.h>

#define HUGE (2ul << 20)

static void *map(int flags, int fd, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | (fd < 0 ? MAP_ANONYMOUS | MAP_HUGETLB : 0), fd, 0);

	return must(at);
}

/* Kilobytes of a page of the mapping at an address. */
static long page_size(void *address)
{
	static char text[1 << 18];
	char head[32];

	slurp("/proc/self/smaps", text, sizeof text);
	snprintf(head, sizeof head, "%lx-", (unsigned long)address);
	char *at = strstr(text, head);
	char *field = at ? strstr(at, "KernelPageSize:") : NULL;
	return field ? strtol(field + 15, NULL, 10) : -1;
}

/* With an argument: also files of the hugetlbfs mounted there. */
int main(int argc, char **argv)
{
	char *private = map(MAP_PRIVATE, -1, 2 * HUGE), *shared = map(MAP_SHARED, -1, HUGE);
	int fd = must(memfd_create("huge", MFD_HUGETLB));
	must(ftruncate(fd, HUGE));
	char *file = map(MAP_SHARED, fd, HUGE), *mounted = NULL, *changed = NULL;
	int status;

	fill(private + HUGE, HUGE, 1);
	fill(shared, HUGE, 2);
	fill(file, HUGE, 3);
	if (argc > 1) {
		char name[200];
		snprintf(name, sizeof name, "%s/file", argv[1]);
		int mounted_fd = must(open(name, O_RDWR | O_CREAT, 0600));
		must(ftruncate(mounted_fd, 2 * HUGE));
		mounted = map(MAP_SHARED, mounted_fd, 2 * HUGE), changed = map(MAP_PRIVATE, mounted_fd, 2 * HUGE);
		must(close(mounted_fd));
		fill(mounted, 2 * HUGE, 4), fill(changed + HUGE, HUGE, 5);
	}
	pid_t child = must(fork());
	if (child == 0) {
		wait_for_go();
		while (shared[0] != 'p')
			sleep_ms(5);
		shared[1] = 'c';
		_exit(differs(private + HUGE, HUGE, 1) < 0 ? 7 : 8);
	}
	ready_and_wait();
	check(differs(private + HUGE, HUGE, 1) < 0, "private contents", "at %ld", differs(private + HUGE, HUGE, 1));
	check(private[0] == 0 && private[HUGE - 1] == 0, "untouched page is zero", "%d", private[0]);
	check(differs(shared, HUGE, 2) < 0, "shared contents", "at %ld", differs(shared, HUGE, 2));
	check(differs(file, HUGE, 3) < 0, "memfd contents", "at %ld", differs(file, HUGE, 3));
	check(page_size(private) == 2048 && page_size(shared) == 2048 && page_size(file) == 2048, "page sizes", "%ld %ld %ld",
	      page_size(private), page_size(shared), page_size(file));
	if (argc > 1) {
		check(differs(mounted, 2 * HUGE, 4) < 0 && page_size(mounted) == 2048, "a file of a mount", "at %ld", differs(mounted, 2 * HUGE, 4));
		check(differs(changed + HUGE, HUGE, 5) < 0 && page_size(changed) == 2048, "its privately changed page", "at %ld", differs(changed + HUGE, HUGE, 5));
		mounted[7] = 'm';
		check(changed[7] == 'm' && changed[HUGE + 7] != 'm', "its page that was not changed", "%d", changed[7]);
	}
	char byte = 0;
	file[9] = 'f';
	check(pread(fd, &byte, 1, 9) == 1 && byte == 'f', "the mapping is of the descriptor's file", "%d", byte);
	shared[0] = 'p';
	must(waitpid(child, &status, 0));
	check(WIFEXITED(status) && WEXITSTATUS(status) == 7, "child's contents", "status %x", status);
	check(shared[1] == 'c', "still shared", "%d", shared[1]);
	return done();
}
