/*
 * Memory with pages that were written and are zeros now, of every kind, beside others: zeros [chain]. With "chain" it waits for a file
 * named change, makes zeros of pages that were none, and removes the file.
 */
#include "check.h"
#include <sys/mman.h>
#include <sys/wait.h>

enum { PAGE = 4096, MIB = 1 << 20, LARGE = 32 * MIB, SMALL = 64 * PAGE };

static char *private, *mixed, *of_file, *shared;
static const char zeros[MIB];

static long not_zero(const char *at, size_t size)
{
	for (size_t i = 0; i < size; i += PAGE)
		if (memcmp(at + i, zeros, PAGE))
			return i;
	return -1;
}

/* Pages whose number is divisible by `every` are zeros, the others hold their pattern. */
static long wrong_in(const char *at, size_t size, size_t every)
{
	for (size_t i = 0; i < size; i += PAGE)
		if (i / PAGE % every == 0 ? not_zero(at + i, PAGE) >= 0 : differs(at + i, PAGE, i) >= 0)
			return i;
	return -1;
}

static void make(char *at, size_t size, size_t every)
{
	for (size_t i = 0; i < size; i += PAGE)
		fill(at + i, PAGE, i);
	for (size_t i = 0; i < size; i += every * PAGE)
		memset(at + i, 0, PAGE);
}

static void verify(const char *who, size_t every)
{
	check(not_zero(private, LARGE) < 0, "a large mapping of zeros", "%s: page at %#lx", who, not_zero(private, LARGE));
	check(wrong_in(mixed, LARGE, every) < 0, "zeros among others", "%s: page at %#lx", who, wrong_in(mixed, LARGE, every));
	check(wrong_in(of_file, SMALL, every) < 0, "zeros over a file", "%s: page at %#lx", who, wrong_in(of_file, SMALL, every));
	check(wrong_in(shared, SMALL, 2) < 0, "zeros in shared memory", "%s: page at %#lx", who, wrong_in(shared, SMALL, 2));
}

int main(int argc, char **argv)
{
	const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS, rw = PROT_READ | PROT_WRITE;
	int file = must(open("zeros.data", O_CREAT | O_RDWR, 0600));
	const int chain = argc > 1 && !strcmp(argv[1], "chain");
	int status = 0;

	for (size_t i = 0; i < SMALL; i += PAGE) {
		char page[PAGE];
		fill(page, PAGE, 7);
		must(pwrite(file, page, PAGE, i));
	}
	private = must(mmap(NULL, LARGE, rw, anonymous, -1, 0));
	memset(private, 1, LARGE);
	memset(private, 0, LARGE);
	mixed = must(mmap(NULL, LARGE, rw, anonymous, -1, 0));
	of_file = must(mmap(NULL, SMALL, rw, MAP_PRIVATE, file, 0));
	shared = must(mmap(NULL, SMALL, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	make(mixed, LARGE, 5);
	make(of_file, SMALL, 5);
	make(shared, SMALL, 2);
	pid_t child = must(fork());
	if (child == 0) {
		/* zeros where the parent has none */
		for (size_t i = 0; i < LARGE; i += 64 * PAGE)
			memset(mixed + i + PAGE, 0, PAGE);
		close(must(open("child-ready", O_CREAT | O_WRONLY, 0600)));
		wait_for_go();
		long bad = 0;
		for (size_t i = 0; i < LARGE; i += PAGE)
			bad += i % (64 * PAGE) == PAGE || i / PAGE % 5 == 0 ? not_zero(mixed + i, PAGE) >= 0 : differs(mixed + i, PAGE, i) >= 0;
		_exit(bad == 0 && not_zero(private, LARGE) < 0 ? 3 : 4);
	}
	while (access("child-ready", F_OK))
		sleep_ms(5);
	if (chain) {
		say("ready");
		while (access("change", F_OK))
			sleep_ms(5);
		make(mixed, LARGE, 3);
		make(of_file, SMALL, 3);
		must(unlink("change"));
		wait_for_go();
	} else {
		ready_and_wait();
	}
	verify("parent", chain ? 3 : 5);
	check(waitpid(child, &status, 0) == child && status == 3 << 8, "the child's memory", "status %#x", status);
	return done();
}
