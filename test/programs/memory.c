/*
 * Memory of every ordinary kind: contents, protections, what is shared with whom, what was inherited by fork and is still
 * shared copy-on-write, growth of stack and break, guard regions, every advice that leaves a mark.
 */
#include "check.h"
#include <sys/mman.h>
#include <sys/wait.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define MiB (1 << 20)
#define INHERITED (4 * MiB)

/* Value in kB of a line of /proc/self/smaps for the mapping with this address; -1 when there is none. */
static long smaps(const void *address, const char *field, char *flags)
{
	static char line[512];
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start, end;
	int inside = 0;
	long value = -1;
	size_t length = strlen(field);

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (unsigned long)address && (unsigned long)address < end;
		else if (inside && !strncmp(line, field, length) && line[length] == ':')
			value = atol(line + length + 1);
		else if (inside && flags && !strncmp(line, "VmFlags:", 8))
			strcpy(flags, line + 8);
	}
	fclose(f);
	return value;
}

/* 1 when the page can be read, asked without a fault. */
static int readable(const void *page)
{
	int p[2];
	must(pipe(p));
	int yes = write(p[1], page, 1) == 1;
	close(p[0]), close(p[1]);
	return yes;
}

static void *map(size_t size, int protection, int flags, int fd)
{
	return must(mmap(NULL, size, protection, flags, fd, 0));
}

static __attribute__((noinline)) long deep(int levels, long seed)
{
	volatile uint64_t frame[512];

	for (int i = 0; i < 512; i++)
		frame[i] = pattern(i, seed + levels);
	long below = levels ? deep(levels - 1, seed) : 0;
	for (int i = 0; i < 512; i++)
		if (frame[i] != pattern(i, seed + levels))
			return -1;
	return below < 0 ? below : below + 1;
}

int main(void)
{
	static const struct { int advice; const char *flag; } advices[] = {
		{ MADV_RANDOM, "rr" }, { MADV_SEQUENTIAL, "sr" }, { MADV_DONTFORK, "dc" }, { MADV_DONTDUMP, "dd" },
		{ MADV_HUGEPAGE, "hg" }, { MADV_NOHUGEPAGE, "nh" }, { MADV_WIPEONFORK, "wf" }, { MADV_MERGEABLE, "mg" },
	};
	enum { ADVICES = sizeof(advices) / sizeof(advices[0]) };
	char *advised[ADVICES], flags[512], flags_before[ADVICES][512];
	int file, status, guard_works;

	/* a file, mapped in both ways */
	file = must(open("file", O_RDWR | O_CREAT, 0600));
	static char bytes[64 * 1024];
	fill(bytes, sizeof(bytes), 1);
	must(write(file, bytes, sizeof(bytes)));
	char *file_private = map(sizeof(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE, file);
	char *file_shared = map(sizeof(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, file);
	char *file_read_only = map(sizeof(bytes), PROT_READ, MAP_PRIVATE, file);
	char *file_offset = must(mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, file, 16384));
	fill(file_private + 8192, 4096, 2);
	fill(file_shared + 12288, 4096, 3);

	/* private anonymous memory with holes, and one page of every protection */
	char *holes = map(2 * MiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	for (int i = 0; i < 512; i += 3)
		fill(holes + i * 4096, 4096, 100 + i);
	char *none = map(8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill(none, 8192, 7);
	must(mprotect(none, 8192, PROT_NONE));
	char *read_only = map(8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill(read_only, 8192, 8);
	must(mprotect(read_only, 8192, PROT_READ));
	unsigned char *code = map(4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	memcpy(code, "\xb8\x2a\x00\x00\x00\xc3", 6); /* mov $42, %eax; ret */
	must(mprotect(code, 4096, PROT_READ | PROT_EXEC));
	char *reserve = map(64 * MiB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	char *locked = map(16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill(locked, 16384, 9);
	int locking = mlock(locked, 16384) == 0;
	char *down = must(mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
	fill(down, 16384, 10);

	/* guard regions: reading one must fail, its neighbours must live */
	char *guarded = map(8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill(guarded, 8 * 4096, 11);
	guard_works = madvise(guarded + 3 * 4096, 2 * 4096, MADV_GUARD_INSTALL) == 0;

	for (int i = 0; i < ADVICES; i++) {
		/* a gap keeps the mappings from being merged */
		advised[i] = map(2 * MiB + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1) + 4096;
		must(mprotect(advised[i], 2 * MiB, PROT_READ | PROT_WRITE));
		fill(advised[i], 8192, 200 + i);
		if (madvise(advised[i], 2 * MiB, advices[i].advice))
			advised[i] = NULL;
		else
			smaps(advised[i], "Size", flags_before[i]);
	}

	/* shared memory and inherited memory */
	char *shared = map(MiB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	fill(shared, MiB / 2, 12);
	volatile uint64_t *mailbox = (void *)(shared + MiB - 4096);
	char *inherited = map(INHERITED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	must(madvise(inherited, INHERITED, MADV_NOHUGEPAGE));
	fill(inherited, INHERITED, 13);
	char *heap = must(sbrk(300 * 1024));
	memset(heap, 0x5a, 300 * 1024);
	char *top = sbrk(0);

	pid_t child = must(fork());
	if (child == 0) {
		fill(inherited, 16384, 14); /* ours alone from here */
		mailbox[0] = 1;
		wait_for_go();
		long wrong = differs(inherited, 16384, 14), rest = -1;
		for (long at = 16384; at < INHERITED && rest < 0; at += 8)
			if (*(uint64_t *)(inherited + at) != pattern(at / 8, 13))
				rest = at;
		mailbox[2] = smaps(inherited, "Private_Dirty", NULL) + smaps(inherited, "Private_Clean", NULL);
		mailbox[3] = smaps(inherited, "Pss", NULL);
		mailbox[1] = wrong < 0 && rest < 0 ? 77 : 78;
		while (mailbox[4] != 99)
			sleep_ms(5);
		mailbox[5] = 100;
		_exit(0);
	}
	while (!mailbox[0])
		sleep_ms(5);
	ready_and_wait();

	for (int i = 0; i < 200 && !mailbox[1]; i++)
		sleep_ms(10);
	check(mailbox[1] == 77, "inherited memory in the child", "%lu", mailbox[1]);
	check(differs(inherited, INHERITED, 13) < 0, "inherited memory in the parent", "at %ld", differs(inherited, INHERITED, 13));
	check(mailbox[2] <= 64 && mailbox[3] < INHERITED / 1024 * 3 / 4, "inherited memory is still shared",
	      "the child has %lu kB of its own, pss %lu kB of %d", mailbox[2], mailbox[3], INHERITED / 1024);
	mailbox[4] = 99;
	for (int i = 0; i < 200 && !mailbox[5]; i++)
		sleep_ms(10);
	check(mailbox[5] == 100, "shared memory is shared", "the child's answer did not arrive");
	check(differs(shared, MiB / 2, 12) < 0, "shared memory's contents", "at %ld", differs(shared, MiB / 2, 12));
	for (long at = MiB / 2; at < MiB - 4096; at++)
		if (shared[at])
			check(0, "untouched shared memory", "at %ld", at);
	check(waitpid(child, &status, 0) == child && status == 0, "child's end", "%#x", status);

	check(differs(file_private + 8192, 4096, 2) < 0, "changed page of a private file mapping", "it is lost");
	check(!memcmp(file_private, bytes, 8192) && !memcmp(file_private + 16384, bytes + 16384, 16384), "other pages of it", "changed");
	check(differs(file_shared + 12288, 4096, 3) < 0 && !memcmp(file_shared, bytes, 12288), "shared file mapping", "changed");
	check(!memcmp(file_read_only, bytes, 12288) && !memcmp(file_offset, bytes + 16384, 8192), "read-only file mappings", "changed");
	must(pwrite(file, "written", 7, 40000));
	check(!memcmp(file_shared + 40000, "written", 7) && !memcmp(file_read_only + 40000, "written", 7), "file mappings follow the file", "they do not");
	file_shared[50000] = 'Z';
	char one = 0;
	must(pread(file, &one, 1, 50000));
	check(one == 'Z', "the file follows its shared mapping", "%c", one);

	int wrong = 0, zeroes = 0;
	for (int i = 0; i < 512; i++)
		if (i % 3 == 0)
			wrong += differs(holes + i * 4096, 4096, 100 + i) >= 0;
		else
			for (int b = 0; b < 4096; b++)
				zeroes += holes[i * 4096 + b] != 0;
	check(!wrong && !zeroes, "memory with holes", "%d pages, %d bytes in holes", wrong, zeroes);
	check(!readable(none) && readable(read_only), "protections", "none %d read %d", readable(none), readable(read_only));
	must(mprotect(none, 8192, PROT_READ));
	check(differs(none, 8192, 7) < 0, "contents behind PROT_NONE", "changed");
	check(differs(read_only, 8192, 8) < 0, "read-only memory", "changed");
	check(((int (*)(void))(uintptr_t)code)() == 42, "code", "does not run");
	check(!readable(reserve) && smaps(reserve, "Rss", NULL) == 0, "reserved address space", "it has pages");
	check(differs(locked, 16384, 9) < 0, "locked memory", "changed");
	if (locking)
		check((smaps(locked, "Size", flags), strstr(flags, " lo")), "locked memory is locked", "%s", flags);
	check((smaps(down, "Size", flags), strstr(flags, " gd")) && differs(down, 16384, 10) < 0, "growing-down memory", "%s", flags);
	if (guard_works) {
		check(!readable(guarded + 3 * 4096) && !readable(guarded + 4 * 4096), "guard region", "it can be read");
		check(readable(guarded + 2 * 4096) && differs(guarded, 3 * 4096, 11) < 0, "before the guard region", "changed");
		for (int i = 5 * 4096; i < 8 * 4096; i += 8)
			if (*(uint64_t *)(guarded + i) != pattern(i / 8, 11)) {
				check(0, "behind the guard region", "at %d", i);
				break;
			}
	}
	for (int i = 0; i < ADVICES; i++) {
		if (!advised[i])
			continue;
		smaps(advised[i], "Size", flags);
		char flag[8];
		snprintf(flag, sizeof(flag), " %s", advices[i].flag);
		check(strstr(flags, flag), "advice", "%s is missing, was%s now%s", advices[i].flag, flags_before[i], flags);
		check(differs(advised[i], 8192, 200 + i) < 0, "advised memory", "%s: changed", advices[i].flag);
	}
	check(sbrk(0) == top && heap[0] == 0x5a && heap[300 * 1024 - 1] == 0x5a, "heap", "break %p, was %p", sbrk(0), top);
	char *more = sbrk(4096);
	check(more == top, "the heap grows", "%p, expected %p", more, top);
	check(deep(200, 5) == 201, "the stack grows", "it does not");
	return done();
}
