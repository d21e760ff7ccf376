/*
 * ballast MIB: private memory of that size, whose address it prints. Each time a file "change" appears, 1 % of its pages, others each time, get new contents and the file is
 * removed. At the end every page must hold what was last written to it.
 */
#include <sys/mman.h>

#include "check.h"

#define PAGE 4096

int main(int argc, char **argv)
{
	size_t pages = (argc > 1 ? strtoul(argv[1], NULL, 0) : 16) << 8, wrong = 0, step = 0;
	char *memory = must(mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	uint64_t *seeds = must(mmap(NULL, pages * 8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	for (size_t i = 0; i < pages; i++)
		fill(memory + i * PAGE, PAGE, seeds[i] = i + 1);
	say("memory %p", (void *)memory);
	say("ready");
	while (access("go", F_OK)) {
		if (access("change", F_OK) == 0) {
			step++;
			for (size_t i = step % 97; i < pages; i += 101)
				fill(memory + i * PAGE, PAGE, seeds[i] = step * pages + i + 1);
			must(unlink("change"));
		}
		sleep_ms(2);
	}
	for (size_t i = 0; i < pages; i++)
		wrong += differs(memory + i * PAGE, PAGE, seeds[i]) >= 0;
	check(wrong == 0, "memory", "%zu of %zu pages", wrong, pages);
	return done();
}
