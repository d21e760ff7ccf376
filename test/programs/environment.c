/*
 * What a program knows of how it was started: arguments, environment, auxiliary vector, executable, name, rewritten title; the vDSO
 * and its clocks; registrations with the kernel (rseq, robust list).
 */
#include "check.h"
#include <elf.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/time.h>

extern char **environ;
static const char *const files[] = { "/proc/self/cmdline", "/proc/self/environ", "/proc/self/auxv", "/proc/self/comm", "/proc/self/personality" };
enum { FILES = sizeof(files) / sizeof(files[0]) };

int main(int argc, char **argv)
{
	static char before[FILES][65536], after[65536], link_before[3][512], link_after[512];
	static const char *const links[] = { "/proc/self/exe", "/proc/self/cwd", "/proc/self/root" };
	size_t size[FILES], n;
	char *value = getenv("CHECK_THIS");
	struct timeval day;
	struct timespec t;

	if (argc > 1 && !strcmp(argv[1], "rewrite"))
		memset(argv[1], 'R', strlen(argv[1])); /* a title, as daemons write it */
	must(prctl(PR_SET_NAME, "a (name) %s"));
	for (int i = 0; i < FILES; i++)
		size[i] = slurp(files[i], before[i], sizeof(before[i]));
	for (int i = 0; i < 3; i++)
		must(readlink(links[i], link_before[i], sizeof(link_before[i]) - 1));
	unsigned long vdso = getauxval(AT_SYSINFO_EHDR), random = *(unsigned long *)getauxval(AT_RANDOM);
	double real = (gettimeofday(&day, NULL), day.tv_sec + day.tv_usec / 1e6);
	double start = now();
	ready_and_wait();

	for (int i = 0; i < FILES; i++) {
		n = slurp(files[i], after, sizeof(after));
		check(n == size[i] && n > 0 && !memcmp(before[i], after, n), "own file under /proc", "%s: %zu bytes, were %zu", files[i], n, size[i]);
	}
	for (int i = 0; i < 3; i++) {
		memset(link_after, 0, sizeof(link_after));
		must(readlink(links[i], link_after, sizeof(link_after) - 1));
		check(!strcmp(link_before[i], link_after), "own link under /proc", "%s: %s, was %s", links[i], link_after, link_before[i]);
	}
	check(getenv("CHECK_THIS") == value && (!value || !strcmp(value, "a value with spaces\tand \xc3\xa9")), "environment variable", "'%s'", value);
	check(getauxval(AT_SYSINFO_EHDR) == vdso && !memcmp((void *)vdso, ELFMAG, SELFMAG), "vDSO's address", "%#lx", vdso);
	check(*(unsigned long *)getauxval(AT_RANDOM) == random, "the loader's random bytes", "changed");
	double passed = now() - start;
	gettimeofday(&day, NULL);
	double wall = day.tv_sec + day.tv_usec / 1e6 - real;
	check(passed >= 0 && passed < 60 && wall - passed < 0.5 && passed - wall < 0.5, "clocks of the vDSO", "monotonic %f, wall %f", passed, wall);
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	check(now() - (t.tv_sec + t.tv_nsec / 1e9) < 0.5 && now() >= t.tv_sec + t.tv_nsec / 1e9, "vDSO and kernel agree", "%f", now());
#ifdef RSEQ_SIG
	if (__rseq_size) {
		volatile uint32_t *cpu = (void *)((char *)__builtin_thread_pointer() + __rseq_offset + 4);
		check(*cpu < 4096, "restartable sequences are registered", "cpu_id %d", (int)*cpu);
		/* a second registration must be refused: the first is there */
		check(syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, 32, 0, RSEQ_SIG) == -1 && errno == EBUSY, "rseq registration", "%s", strerror(errno));
	}
#endif
	check(environ && environ[0], "environ", "it is empty");
	return done();
}
