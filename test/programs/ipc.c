/*
 * An IPC namespace of its own with all that System V has in it: semaphores, queues with messages, segments attached and not, numbers with gaps,
 * owners and modes, settings (with an argument: without what CRIU 4.2 loses, removed segments and waits that go on). Afterwards all is there as it was, a child that waits for a semaphore included.
 */
#include "check.h"
#include <sched.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>

#define SEGMENT (200 * 4096 + 100)

static struct { long type; char text[8192]; } message;

static void set(const char *file, const char *value)
{
	int fd = must(open(file, O_WRONLY | O_CLOEXEC));
	must(write(fd, value, strlen(value)));
	close(fd);
}

static void get(const char *file, const char *value)
{
	char text[64] = "";
	int fd = must(open(file, O_RDONLY | O_CLOEXEC));
	ssize_t n = must(read(fd, text, sizeof(text) - 1));
	text[n > 0 ? n - 1 : 0] = 0;
	close(fd);
	check(!strcmp(text, value), "setting", "%s: %s", file, text);
}

static void put(int queue, long type, size_t size, uint64_t seed)
{
	message.type = type;
	fill(message.text, (size + 7) / 8 * 8, seed);
	must(msgsnd(queue, &message, size, 0));
}

static void take(int queue, long type, size_t size, uint64_t seed)
{
	ssize_t n = msgrcv(queue, &message, sizeof(message.text), 0, IPC_NOWAIT);
	check(n == (ssize_t)size && message.type == type, "message", "type %ld, %zd bytes", message.type, n);
	check(differs(message.text, size / 8 * 8, seed) < 0, "message's text", "type %ld", type);
}

int main(int argc, char **argv)
{
	int all = argc < 2;
	(void)argv;
	unsigned short values[3] = { 7, 0, 32000 }, after[3];
	struct semid_ds sems;
	struct msqid_ds queues;
	struct shmid_ds segments;
	int status;

	must(unshare(CLONE_NEWIPC));
	set("/proc/sys/kernel/msgmax", "9000"), set("/proc/sys/kernel/shmmni", "77");
	must(semctl(must(semget(IPC_PRIVATE, 1, 0600)), 0, IPC_RMID)); /* numbers do not begin at 0 */
	int sem = must(semget(0x5eed, 3, IPC_CREAT | 0640)), other = must(semget(IPC_PRIVATE, 1, 0600));
	must(semctl(sem, 0, SETALL, values));
	must(semctl(sem, 0, IPC_STAT, &sems));
	sems.sem_perm.uid = 12, sems.sem_perm.gid = 34;
	must(semctl(sem, 0, IPC_SET, &sems));
	int queue = must(msgget(0x9e9e, IPC_CREAT | 0604)), empty = must(msgget(IPC_PRIVATE, 0600));
	put(queue, 5, 100, 1), put(queue, 0x7fffffff00000001, 8192, 2), put(queue, 1, 0, 3);
	int attached = must(shmget(0xa77a, SEGMENT, IPC_CREAT | 0600)), loose = must(shmget(IPC_PRIVATE, SEGMENT, 0666)), gone = must(shmget(IPC_PRIVATE, 4096, 0600));
	char *memory = shmat(attached, NULL, 0), *hold = shmat(gone, NULL, 0), *fine = shmat(loose, NULL, 0);
	fill(memory, SEGMENT / 8 * 8, 4), fill(fine + 8192, 4096, 5), fill(hold, 4096, 6);
	must(shmdt(fine));
	if (all)
		must(shmctl(gone, IPC_RMID, NULL));
	pid_t child = must(fork());
	if (child == 0) {
		struct sembuf down = { 1, -1, 0 };
		int got;
		while ((got = semop(sem, &down, 1)) == -1 && errno == EINTR && !all)
			;
		_exit(got == 0 && differs(memory, SEGMENT / 8 * 8, 4) < 0 ? 7 : 8);
	}
	sleep_ms(20);
	ready_and_wait();
	get("/proc/sys/kernel/msgmax", "9000"), get("/proc/sys/kernel/shmmni", "77");
	check(semget(0x5eed, 3, 0) == sem && msgget(0x9e9e, 0) == queue && shmget(0xa77a, SEGMENT, 0) == attached, "keys", "lead elsewhere");
	must(semctl(sem, 0, GETALL, after));
	check(!memcmp(values, after, sizeof(values)), "semaphores", "%u %u %u", after[0], after[1], after[2]);
	check(semctl(other, 0, GETVAL) == 0, "another set", "not 0");
	must(semctl(sem, 0, IPC_STAT, &sems));
	check(sems.sem_perm.uid == 12 && sems.sem_perm.gid == 34 && (sems.sem_perm.mode & 0777) == 0640, "owner and mode", "%u %u %o", sems.sem_perm.uid, sems.sem_perm.gid, sems.sem_perm.mode);
	must(msgctl(queue, IPC_STAT, &queues));
	check(queues.msg_qnum == 3 && (queues.msg_perm.mode & 0777) == 0604, "queue", "%lu messages, mode %o", queues.msg_qnum, queues.msg_perm.mode);
	take(queue, 5, 100, 1), take(queue, 0x7fffffff00000001, 8192, 2), take(queue, 1, 0, 3);
	check(msgrcv(empty, &message, 100, 0, IPC_NOWAIT) == -1 && errno == ENOMSG, "empty queue", "%s", strerror(errno));
	check(differs(memory, SEGMENT / 8 * 8, 4) < 0, "attached segment", "changed");
	must(shmctl(attached, IPC_STAT, &segments));
	check(segments.shm_nattch == 2 && segments.shm_segsz == SEGMENT, "attachments", "%lu, %zu bytes", segments.shm_nattch, segments.shm_segsz);
	fine = shmat(loose, NULL, 0);
	check(fine != (void *)-1 && differs(fine + 8192, 4096, 5) < 0 && fine[0] == 0 && fine[SEGMENT - 1] == 0, "segment nobody was attached to", "%s", fine == (void *)-1 ? strerror(errno) : "changed");
	check(differs(hold, 4096, 6) < 0, "segment marked for removal", "changed");
	struct sembuf up = { 1, 1, 0 };
	must(semop(sem, &up, 1));
	check(waitpid(child, &status, 0) == child && status == 7 << 8, "child that waits for a semaphore", "%#x", status);
	must(shmdt(hold));
	check(!all || shmctl(gone, IPC_STAT, &segments) == -1, "it goes with its last attachment", "it is there");
	return done();
}
