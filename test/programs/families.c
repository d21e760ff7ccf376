/*
 * Tasks that have most of their memory in common: workers forked from one that has filled it, each with changes of its own; a grandchild; and a second
 * family, whose memory its own ancestor has filled. Each checks what it has, and that changes of the others do not show.
 */
#include "check.h"
#include <sys/mman.h>
#include <sys/wait.h>

#define PAGE 4096
#define PAGES 1024
#define SIZE (PAGES * PAGE)
#define WORKERS 8

static char *first, *second, *moved;
static int me, wrong;
static volatile int *living;

/* The seed of a page as worker `who` has it: every 16th is its own. */
static uint64_t seed_of(int page, int who) { return who > 0 && page % 16 == who ? 1000 * who + page : page; }

static void fill_area(char *area, uint64_t base)
{
	for (int i = 0; i < PAGES; i++)
		fill(area + i * PAGE, PAGE, base + i);
}

static void change(char *area, uint64_t base)
{
	for (int i = me; i < PAGES; i += 16)
		fill(area + i * PAGE, PAGE, base + seed_of(i, me));
}

static void look(const char *area, int from, int to, uint64_t base, const char *what)
{
	for (int i = from; i < to; i++) {
		if (differs(area + (i - from) * PAGE, PAGE, base + seed_of(i, me)) >= 0 && !wrong++)
			fail("%s of task %d: page %d", what, me, i);
	}
}

static void verify(void)
{
	int upper = me == 2 ? 256 : me == 3 ? 512 : me == 4 ? 768 : PAGES;

	if (first)
		look(first, 0, upper, 0, "memory of the first family");
	if (me == 2)
		look(first + 512 * PAGE, 512, PAGES, 0, "memory behind what was unmapped");
	if (me == 3)
		look(moved, 512, PAGES, 0, "memory that was moved");
	for (int i = 768 * PAGE; me == 4 && i < SIZE; i++) {
		if (first[i] != 0 && !wrong++)
			fail("memory that was dropped, of task %d: it is back", me);
	}
	if (second)
		look(second, 0, PAGES, 5000, "memory of the second family");
	if (wrong == 0)
		ok("task %d", me);
}

/* Forks worker `number`, which lives on in here. */
static void worker(int number, void (*alter)(void))
{
	if (must(fork()) > 0)
		return;
	me = number;
	alter();
	__sync_fetch_and_add(living, 1);
	wait_for_go();
	verify();
	while (wait(NULL) > 0)
		;
	_exit(0);
}

static void alter_first(void) { change(first, 0); }

static void unmap(void)
{
	alter_first();
	must(munmap(first + 256 * PAGE, 256 * PAGE));
}

static void move(void)
{
	alter_first();
	moved = must(mremap(first + 512 * PAGE, 512 * PAGE, 512 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, must(mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))));
}

static void drop(void)
{
	alter_first();
	must(madvise(first + 768 * PAGE, 256 * PAGE, MADV_DONTNEED));
}

static void alter_second(void) { change(second, 5000); }

static void with_a_child(void)
{
	worker(8, alter_first);
	alter_first();
}

static void with_memory_of_its_own(void)
{
	must(munmap(first, SIZE)), first = NULL;
	second = must(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	fill_area(second, 5000);
	worker(6, alter_second), worker(7, alter_second);
	alter_second();
}

int main(void)
{
	first = must(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	fill_area(first, 0);
	living = must(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	worker(1, with_a_child), worker(2, unmap), worker(3, move), worker(4, drop), worker(5, with_memory_of_its_own);
	while (*living < WORKERS)
		sleep_ms(1);
	ready_and_wait();
	verify();
	while (wait(NULL) > 0)
		;
	return done();
}
