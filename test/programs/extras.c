/*
 * What CRIU's images have no place for: names of anonymous memory, modes of threads, sealed, droppable and locked-on-fault mappings, flags of disabling huge pages,
 * merging of equal pages, (`mdwe`) memory that may not become executable. And registrations for membarrier.
 */
#include "check.h"
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#define PR_GET_MEMORY_MERGE 68
#endif
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 8
#endif
#define MEMBARRIER_CMD_GET_REGISTRATIONS (1 << 9)
#define SYS_MSEAL 462
#define EXCEPT_ADVISED 2

/* The line of smaps of a mapping that starts with the word. */
static void field(void *address, const char *word, char *into, size_t size)
{
	static char text[1 << 18];
	char head[32];

	slurp("/proc/self/smaps", text, sizeof text);
	snprintf(head, sizeof head, "%lx-", (unsigned long)address);
	char *at = strstr(text, head), *line = at && *word ? strstr(at, word) : at;
	snprintf(into, size, "%.*s", line ? (int)strcspn(line, "\n") : 0, line ? line : "");
}

/* Speculation, the time stamp counter and machine checks, as a line. */
static void modes(char *into, size_t size)
{
	int tsc = 0;

	must(prctl(PR_GET_TSC, &tsc));
	snprintf(into, size, "store bypass %d, indirect branch %d, TSC %d, machine check %d", prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0),
		 prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, 0, 0, 0), tsc, prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
}

int main(int argc, char **argv)
{
	char mode_before[128], mode_after[128];
	int mdwe = argc > 1 && !strcmp(argv[1], "mdwe");
	char before[4][256], after[256];
	char *memory[4];
	const int kinds[4] = { MAP_PRIVATE, MAP_PRIVATE, MAP_DROPPABLE, MAP_PRIVATE };

	for (int i = 0; i < 4; i++) {
		memory[i] = (char *)must((long)mmap(NULL, 8192, PROT_READ | PROT_WRITE, kinds[i] | MAP_ANONYMOUS, -1, 0));
		must(mprotect((char *)must((long)mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), 4096, PROT_NONE));
		fill(memory[i], 4096, i);
	}
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, memory[0], 8192, "a name, of it"); /* kernels without CONFIG_ANON_VMA_NAME keep none */
	must(syscall(SYS_MSEAL, memory[1], 8192, 0));
	must(mlock2(memory[3], 8192, MLOCK_ONFAULT));
	must(prctl(PR_SET_THP_DISABLE, 1, EXCEPT_ADVISED, 0, 0) == 0 ? 0 : prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	int thp = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), merges = prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0) == 0;
	must(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	must(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
	if (mdwe)
		must(prctl(PR_SET_MDWE, 1, 0, 0, 0));
	for (int i = 0; i < 4; i++)
		field(memory[i], i == 0 ? "" : "VmFlags", before[i], sizeof before[i]);
	/* not every processor lets a thread choose */
	prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, 0, 0), prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_FORCE_DISABLE, 0, 0);
	must(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0)), must(prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
	modes(mode_before, sizeof mode_before);
	ready_and_wait();
	for (int i = 0; i < 4; i++) {
		field(memory[i], i == 0 ? "" : "VmFlags", after, sizeof after);
		check(!strcmp(after, before[i]) && *after, "a mapping's kind", "%d is '%s', was '%s'", i, after, before[i]);
		if (i != 2) /* droppable memory may be dropped */
			check(differs(memory[i], 4096, i) < 0, "contents", "%d at %ld", i, differs(memory[i], 4096, i));
	}
	modes(mode_after, sizeof mode_after);
	check(!strcmp(mode_before, mode_after), "modes of the thread", "%s; were %s", mode_after, mode_before);
	check(munmap(memory[1], 8192) == -1 && errno == EPERM, "sealed", "it could be unmapped");
	check(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == thp, "huge pages disabled", "%d, was %d", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), thp);
	check(prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0) == merges, "merging", "%d, was %d", prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0), merges);
	check(prctl(PR_GET_MDWE, 0, 0, 0, 0) == mdwe, "write or execute", "%d", prctl(PR_GET_MDWE, 0, 0, 0, 0));
	check(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0, "membarrier", "%s", strerror(errno));
	check(syscall(SYS_membarrier, MEMBARRIER_CMD_GET_REGISTRATIONS, 0, 0) == (MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED), "registrations", "%ld",
	      syscall(SYS_membarrier, MEMBARRIER_CMD_GET_REGISTRATIONS, 0, 0));
	return done();
}
