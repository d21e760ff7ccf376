/*
 * System V shared memory: shared with a child, with a key, marked for removal, attached read-only and twice, of huge pages (`huge`), cut by
 * mprotect. Numbers stay what they are.
 */
#include "check.h"
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>

#define PAGES 64
#define SIZE (PAGES * 4096ul)

static char *attach(int id, int flags)
{
	return (char *)must((long)shmat(id, NULL, flags));
}

int main(int argc, char **argv)
{
	int huge = argc > 1 && !strcmp(argv[1], "huge"), status;
	size_t size = huge ? 4ul << 20 : SIZE;
	key_t key = 0x5f000000 | getpid();
	int keyed = must(shmget(key, size, IPC_CREAT | IPC_EXCL | 0640 | (huge ? SHM_HUGETLB : 0)));
	int marked = must(shmget(IPC_PRIVATE, 5000, 0600)), alone = must(shmget(IPC_PRIVATE, 4096, 0600));
	struct shmid_ds before, after;

	char *first = attach(keyed, 0), *second = attach(keyed, SHM_RDONLY), *gone = attach(marked, 0), *late = attach(alone, 0);
	fill(first, size / 2, 1), fill(gone, 4096, 2), fill(late, 4096, 3);
	strcpy(gone + 4990, "the end"), strcpy(gone + 6000, "behind it");
	must(shmctl(marked, IPC_RMID, NULL));
	if (!huge)
		must(mprotect(first + 4096, 4096, PROT_READ));
	pid_t child = must(fork());
	if (child == 0) {
		shmdt(late);
		wait_for_go();
		while (((volatile char *)gone)[0] != 'p')
			sleep_ms(5);
		gone[1] = 'c';
		_exit(differs(second, size / 2, 1) < 0 ? 7 : 8);
	}
	while (must(shmctl(alone, IPC_STAT, &before)), before.shm_nattch != 1)
		sleep_ms(5);
	must(shmctl(keyed, IPC_STAT, &before));
	ready_and_wait();
	must(shmctl(keyed, IPC_STAT, &after));
	check(after.shm_segsz == size && after.shm_perm.mode == before.shm_perm.mode && after.shm_nattch == before.shm_nattch, "the segment", "%zu bytes, mode %o, %lu attached, were %lu",
	      after.shm_segsz, after.shm_perm.mode, (long)after.shm_nattch, (long)before.shm_nattch);
	check(shmget(key, 0, 0) == keyed, "its key", "leads to %d, not %d", shmget(key, 0, 0), keyed);
	check(differs(first, size / 2, 1) < 0 && first[size - 1] == 0, "contents", "at %ld", differs(first, size / 2, 1));
	check(differs(late, 4096, 3) < 0, "contents of one that the child left", "at %ld", differs(late, 4096, 3));
	check(!strcmp(gone + 4990, "the end"), "behind the last whole page", "'%s'", gone + 4990);
	check(!strcmp(gone + 6000, "behind it"), "behind the segment's end", "'%s'", gone + 6000);
	must(shmctl(marked, IPC_STAT, &after));
	check(after.shm_perm.mode & SHM_DEST, "marked for removal", "mode %o", after.shm_perm.mode);
	first[8192] = 'x';
	check(second[8192] == 'x', "both attachments are of one segment", "%d", second[8192]);
	first[8192] = (char)pattern(1024, 1);
	gone[0] = 'p';
	must(waitpid(child, &status, 0));
	check(WIFEXITED(status) && WEXITSTATUS(status) == 7 && gone[1] == 'c', "shared with a child", "status %#x", status);
	must(shmctl(keyed, IPC_RMID, NULL)), must(shmctl(alone, IPC_RMID, NULL));
	check(shmdt(first) == 0 && shmdt(second) == 0 && shmdt(late) == 0 && shmdt(gone) == 0, "detached", "%s", strerror(errno));
	check(shmctl(marked, IPC_STAT, &after) == -1 && errno == EINVAL, "and gone", "%s", strerror(errno));
	return done();
}
