/* large MIB: private memory of that size with holes and a part that is read-only, verified word by word; a child shares most of it. */
#include "check.h"
#include <sys/mman.h>
#include <sys/wait.h>

static size_t size;
static uint64_t *words;

static uint64_t expected(size_t i) { return i * 0x9e3779b97f4a7c15ull + 1; }
/* every 9th MiB was never touched */
static int is_hole(size_t i) { return (i * 8 >> 20) % 9 == 4; }

static size_t wrong(size_t changed_every)
{
	size_t bad = 0;

	for (size_t i = 0; i < size / 8; i++) {
		uint64_t want = is_hole(i) ? 0 : expected(i);
		if (changed_every && i * 8 % changed_every == 0 && !is_hole(i))
			want = ~want;
		bad += words[i] != want;
	}
	return bad;
}

int main(int argc, char **argv)
{
	size = (argc > 1 ? strtoul(argv[1], NULL, 0) : 96) << 20;
	words = must(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	for (size_t i = 0; i < size / 8; i++)
		if (!is_hole(i))
			words[i] = expected(i);
	pid_t child = must(fork());
	if (child == 0) {
		size_t every = 1 << 22;
		for (size_t at = 0; at < size; at += every)
			if (!is_hole(at / 8))
				words[at / 8] = ~words[at / 8];
		close(must(open("child-ready", O_CREAT | O_WRONLY, 0600)));
		wait_for_go();
		_exit(wrong(every) == 0 ? 3 : 4);
	}
	while (access("child-ready", F_OK))
		sleep_ms(5);
	must(mprotect(words, 1 << 20, PROT_READ));
	ready_and_wait();
	size_t bad = wrong(0);
	int status = 0;
	check(bad == 0, "memory", "%zu words differ", bad);
	check(waitpid(child, &status, 0) == child && status == 3 << 8, "child's memory", "status %#x", status);
	return done();
}
