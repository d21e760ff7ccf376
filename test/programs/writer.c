/*
 * Never stands still: writes pages in turn with numbers that it remembers, maps, unmaps, moves, protects and empties memory at random,
 * and looks at what it finds each time: a page that is older (or newer) than the moment it was stopped at is noticed. writer MIB PAGES:
 * so much memory, so many pages written a millisecond.
 */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { SLOTS = 48, PAGE = 4096, SHARED = 256 };
static struct slot { char *at; size_t size; uint64_t seed; } slots[SLOTS];
static volatile int ending;
static volatile long wrong;
static uint64_t state = 88172645463325252ull;

static uint64_t pick(uint64_t below)
{
	state ^= state << 13, state ^= state >> 7, state ^= state << 17;
	return state % below;
}

static void bad(const char *what, long a, long b)
{
	if (wrong++ < 5)
		fail("%s: %ld instead of %ld", what, a, b);
}

static void verify(const struct slot *slot, const char *what)
{
	if (!slot->at)
		return;
	if (slot->seed == 0) {
		for (size_t i = 0; i < slot->size; i += PAGE)
			if (*(long *)(slot->at + i))
				bad(what, i, -1);
	} else if (differs(slot->at, slot->size, slot->seed) >= 0) {
		bad(what, differs(slot->at, slot->size, slot->seed), -1);
	}
}

/* One slot, changed in one of all ways. */
static void churn(void)
{
	struct slot *slot = &slots[pick(SLOTS)];
	verify(slot, "contents");
	if (!slot->at) {
		slot->size = (1 + pick(16)) * PAGE;
		slot->at = must(mmap(NULL, slot->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		slot->seed = 0;
	}
	switch (pick(7)) {
	case 0:
		must(munmap(slot->at, slot->size));
		slot->at = NULL;
		break;
	case 1:
		must(madvise(slot->at, slot->size, MADV_DONTNEED));
		slot->seed = 0;
		break;
	case 2: {
		/* to where another one was a moment ago, or anywhere */
		size_t size = (1 + pick(16)) * PAGE;
		if (slot->seed)
			size = size < slot->size ? size : slot->size;
		slot->at = must(mremap(slot->at, slot->size, size, MREMAP_MAYMOVE));
		slot->size = size;
		break;
	}
	case 3:
		must(mprotect(slot->at, slot->size, PROT_NONE));
		must(mprotect(slot->at, slot->size, PROT_READ));
		verify(slot, "read-only contents");
		must(mprotect(slot->at, slot->size, PROT_READ | PROT_WRITE));
		break;
	case 4: {
		struct slot *other = &slots[pick(SLOTS)];
		if (other == slot || !other->at || other->size != slot->size)
			break;
		/* one takes the place of the other */
		verify(other, "contents");
		slot->at = must(mremap(slot->at, slot->size, slot->size, MREMAP_MAYMOVE | MREMAP_FIXED, other->at));
		other->at = NULL;
		break;
	}
	default:
		slot->seed = 1 + pick(1000000);
		fill(slot->at, slot->size, slot->seed);
	}
}

static void forks(void)
{
	int status;
	pid_t child = must(fork());
	if (child == 0) {
		for (int i = 0; i < SLOTS; i++)
			verify(&slots[i], "contents in a child");
		_exit(wrong ? 1 : 0);
	}
	must(waitpid(child, &status, 0));
	if (status)
		bad("child", status, 0);
}

static long turn(volatile long *area, long pages, long step, const char *what)
{
	volatile long *page = area + step % pages * (PAGE / 8);
	long expected = step < pages ? 0 : step - pages;
	if (page[0] != expected || page[PAGE / 8 - 1] != expected)
		bad(what, page[0], expected);
	page[0] = page[PAGE / 8 - 1] = step;
	return step + 1;
}

static void *second(void *pages)
{
	long n = (long)pages;
	volatile long *area = must(mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	for (long step = 1; !ending;) {
		for (int i = 0; i < 32; i++)
			step = turn(area, n, step, "second thread's page");
		sleep_ms(1);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long pages = (argc > 1 ? atol(argv[1]) : 32) * 256, speed = argc > 2 ? atol(argv[2]) : 12;
	volatile long *area = must(mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	volatile long *shared = must(mmap(NULL, SHARED * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	long step = 1, shared_step = 1;
	pthread_t thread;

	while (step < pages)
		step = turn(area, pages, step, "page");
	if (pthread_create(&thread, NULL, second, (void *)(pages / 4)))
		must(-1);
	say("ready");
	for (long i = 0; access("go", F_OK); i++) {
		for (long n = 0; n < speed; n++)
			step = turn(area, pages, step, "page");
		shared_step = turn(shared, SHARED, shared_step, "shared page");
		if (shared_step - 1 != i + 1)
			bad("shared memory is of another moment", shared_step, i);
		for (int n = 0; n < 3; n++)
			churn();
		if (i % 64 == 0)
			forks();
		sleep_ms(1);
	}
	ending = 1;
	pthread_join(thread, NULL);
	for (long n = 0; n < pages; n++)
		step = turn(area, pages, step, "page at the end");
	for (long n = 0; n < SHARED; n++)
		shared_step = turn(shared, SHARED, shared_step, "shared page at the end");
	for (int i = 0; i < SLOTS; i++)
		verify(&slots[i], "contents at the end");
	check(wrong == 0, "memory", "%ld times", wrong);
	return done();
}
