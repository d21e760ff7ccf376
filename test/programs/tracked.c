/*
 * Writes, maps, unmaps, moves, protects and discards memory at random, forks children that do the same, and knows at every moment what each page
 * must hold: a stale or foreign page in a dump is noticed after the restore. tracked [SEED [CHILDREN]].
 */
#include "check.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define PAGE 4096
#define REGIONS 14
#define MOST 48
#define WORDS (PAGE / 8)

enum kind { FREE, ANONYMOUS, SHARED, PRIVATE_FILE, KINDS };
/* seed 0: nothing was written since it was mapped: zeros, or the file's bytes */
struct region { char *at; size_t pages; enum kind kind; int prot; uint64_t seed[MOST]; };

static struct region regions[REGIONS];
static uint64_t state = 1, next_seed = 1, operations;
static long wrong;
static int file, child_of;
static char zeros[PAGE];

static uint32_t below(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 20) % n;
}

static void check_page(struct region *r, size_t page, const char *when)
{
	char *at = r->at + page * PAGE;

	if (r->prot == PROT_NONE)
		return;
	if (r->seed[page] != 0 ? differs(at, PAGE, r->seed[page]) < 0 : r->kind == PRIVATE_FILE ? differs(at, PAGE, 77 + page) < 0 : memcmp(at, zeros, PAGE) == 0)
		return;
	if (wrong++ < 5)
		fail("memory: %s: page %zu of region %td (kind %d, seed %llu) in process %d, operation %llu, has %llx", when, page, r - regions,
		     r->kind, (unsigned long long)r->seed[page], getpid(), (unsigned long long)operations, *(unsigned long long *)at);
}

static void check_all(const char *when)
{
	for (int i = 0; i < REGIONS; i++)
		for (size_t page = 0; regions[i].kind != FREE && page < regions[i].pages; page++)
			check_page(&regions[i], page, when);
}

static void make(struct region *r)
{
	r->kind = child_of && below(4) == 0 ? ANONYMOUS : 1 + below(KINDS - 1);
	r->pages = 1 + below(MOST);
	r->prot = PROT_READ | PROT_WRITE;
	memset(r->seed, 0, sizeof(r->seed));
	/* often where another one was just now */
	int flags = (r->kind == SHARED ? MAP_SHARED : MAP_PRIVATE) | (r->kind == PRIVATE_FILE ? 0 : MAP_ANONYMOUS);
	r->at = must(mmap(below(2) ? r->at : NULL, r->pages * PAGE, r->prot, flags, r->kind == PRIVATE_FILE ? file : -1, 0));
}

static void drop(struct region *r)
{
	must(munmap(r->at, r->pages * PAGE));
	r->kind = FREE;
}

static void write_page(struct region *r, size_t page)
{
	if (r->prot != (PROT_READ | PROT_WRITE))
		return;
	r->seed[page] = 1000 + (next_seed++ << 8 | (getpid() & 0xff));
	fill(r->at + page * PAGE, PAGE, r->seed[page]);
}

static void move(struct region *r)
{
	size_t pages = r->kind == ANONYMOUS ? 1 + below(MOST) : r->pages;
	char *place = below(2) ? must(mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) : NULL;
	char *at = mremap(r->at, r->pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | (place ? MREMAP_FIXED : 0), place);

	if (at == MAP_FAILED) {
		fail("setup: mremap: %s", strerror(errno));
		_exit(121);
	}
	for (size_t page = r->pages; page < pages; page++)
		r->seed[page] = 0;
	r->at = at;
	r->pages = pages;
}

static void operation(void)
{
	struct region *r = &regions[below(REGIONS)];

	operations++;
	if (r->kind == FREE) {
		make(r);
		return;
	}
	size_t page = below(r->pages);
	switch (below(24)) {
	case 0: drop(r); break;
	case 1: drop(r), make(r); break;
	case 2: move(r); break;
	case 3:
		r->prot = below(3) == 0 ? PROT_NONE : below(2) ? PROT_READ : PROT_READ | PROT_WRITE;
		must(mprotect(r->at, r->pages * PAGE, r->prot));
		break;
	case 4:
		if (r->kind == SHARED || r->prot == PROT_NONE)
			break;
		must(madvise(r->at + page * PAGE, PAGE, MADV_DONTNEED));
		r->seed[page] = 0;
		break;
	case 5: /* through another way than the page tables */
		if (r->prot == (PROT_READ | PROT_WRITE) && r->kind == ANONYMOUS) {
			int fd = must(open("/proc/self/mem", O_RDWR | O_CLOEXEC));
			char bytes[PAGE];

			r->seed[page] = 1000 + (next_seed++ << 8);
			fill(bytes, PAGE, r->seed[page]);
			must(pwrite(fd, bytes, PAGE, (off_t)(uintptr_t)(r->at + page * PAGE)));
			close(fd);
		}
		break;
	case 6:
	case 7: check_page(r, page, "now"); break;
	default: write_page(r, page);
	}
}

/* A child goes on by itself; memory that it shares with us is none of its business. */
static int as_child(int n)
{
	child_of = getppid();
	state ^= (uint64_t)n * 0x9e3779b97f4a7c15ull + (uint64_t)getpid() + 1;
	wrong = 0;
	for (int i = 0; i < REGIONS; i++)
		if (regions[i].kind == SHARED)
			drop(&regions[i]);
	for (int i = 0; i < 4000 && wrong == 0; i++) {
		operation();
		if (i % 200 == 0)
			check_all("in a child"), sleep_ms(1);
	}
	check_all("at the end of a child");
	return wrong == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	int children = argc > 2 ? atoi(argv[2]) : 0, status, running = 0, failed = 0, ended = 0;

	state = argc > 1 ? strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15ull + 88172645463325252ull : 88172645463325252ull;
	file = must(open("mapped", O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	for (size_t page = 0; page < MOST; page++) {
		char bytes[PAGE];

		fill(bytes, PAGE, 77 + page);
		must(write(file, bytes, PAGE));
	}
	for (int i = 0; i < 2000; i++)
		operation();
	say("ready");
	for (int n = 0; wrong == 0 && access("go", F_OK); n++) {
		for (int i = 0; i < 150; i++)
			operation();
		check_all("while it runs");
		if (children > running && below(10) == 0) {
			pid_t pid = must(fork());

			if (pid == 0)
				_exit(as_child(n));
			running++;
		}
		while (running > 0 && waitpid(-1, &status, WNOHANG) > 0) {
			running--, ended++;
			if (status != 0)
				failed++, fail("children: one ended with status %x", status);
		}
		sleep_ms(1);
	}
	while (running > 0 && waitpid(-1, &status, 0) > 0) {
		running--, ended++;
		if (status != 0)
			failed++, fail("children: one ended with status %x", status);
	}
	check_all("at the end");
	if (wrong == 0)
		ok("memory");
	check(failed == 0, "children", "%d of %d failed", failed, ended);
	return done();
}
