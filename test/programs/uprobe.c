/* A probe (uprobe) was hit in this process and then removed: the kernel's page for it stays. After the restore what was probed must run. */
#include "check.h"
#include <linux/perf_event.h>

extern char probed[]; /* an instruction that the kernel cannot do by itself, so that it needs its page */

__attribute__((noinline, noclone)) static int three_times(int x)
{
	int y;

	__asm__ volatile("probed: leal (%1,%1,2), %0" : "=r"(y) : "r"((long)x));
	return y;
}

static int has_page(void)
{
	static char maps[1 << 16];

	slurp("/proc/self/maps", maps, sizeof maps);
	return strstr(maps, "[uprobes]") != NULL;
}

int main(void)
{
	static char maps[1 << 16], type[32], exe[4096];
	unsigned long start, offset, end, at = 0;

	/* the place of the instruction in its file, from the mapping that it is in */
	slurp("/proc/self/maps", maps, sizeof maps);
	for (char *line = strtok(maps, "\n"); line; line = strtok(NULL, "\n"))
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 && (unsigned long)probed >= start && (unsigned long)probed < end)
			at = (unsigned long)probed - start + offset;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
	exe[n < 0 ? 0 : n] = 0;
	slurp("/sys/bus/event_source/devices/uprobe/type", type, sizeof type);
	struct perf_event_attr attr = {
		.size = sizeof attr, .type = (unsigned)atoi(type), .uprobe_path = (unsigned long)exe, .probe_offset = at, .sample_period = 1,
	};
	int fd = must((int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
	three_times(1);
	close(fd);
	say(has_page() ? "hit" : "FAIL setup: the probe was not hit");
	ready_and_wait();
	check(three_times(14) == 42, "what was probed runs", "it gave another result");
	return done();
}
