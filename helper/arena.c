/*
 * The restore's shared memory and its first task: ARENA, SPAWN, AWAIT. The arena is a memfd mapped in the helper at the very
 * address it has in every task, so a cloned task has it there already.
 */
#include "executor.h"
#include "helper.h"

uint64_t arena_address, arena_size;
static int root_pidfd = -1;
static uint32_t root_pid;

/* u64 address, u64 size -> struct sf_arena + fd. A second one replaces the first. */
struct fail req_arena(struct request *rq, struct reply *rp)
{
	uint64_t q[2];
	if (rq->size != sizeof q) return failed(SF_AT_DECODE, 0, -EBADMSG);
	memcpy(q, rq->payload, sizeof q);
	if (((q[0] | q[1]) & (PAGE_SIZE - 1)) != 0 || q[1] < EXECUTOR_PAGES + PAGE_SIZE) return failed(SF_AT_DECODE, 0, -EINVAL);
	if (arena_size != 0) (void)sys_munmap((void *)arena_address, arena_size);
	arena_size = 0;
	POINT(SF_AT_MMAP, 0);
	autofd fd = (int)sys_memfd_create("stillframe-arena", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (fd == -EINVAL) fd = (int)sys_memfd_create("stillframe-arena", MFD_CLOEXEC);
	TRY(check(SF_AT_MMAP, 0, fd));
	TRY(check(SF_AT_MMAP, 0, sys_ftruncate(fd, q[1])));
	int64_t n = sys_pwrite(fd, __start_executor, SF_EXECUTOR_SIZE, 0);
	if (n != (int64_t)SF_EXECUTOR_SIZE) return failed(SF_AT_WRITE, 0, n < 0 ? n : -EIO);
	n = sys_mmap((void *)q[0], EXECUTOR_PAGES, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	if (n >= 0 && n != (int64_t)q[0]) n = -EEXIST; /* a kernel that does not know NOREPLACE */
	TRY(check(SF_AT_MMAP, 0, n));
	n = sys_mmap((void *)(q[0] + EXECUTOR_PAGES), q[1] - EXECUTOR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, EXECUTOR_PAGES);
	if (n < 0) (void)sys_munmap((void *)q[0], EXECUTOR_PAGES);
	TRY(check(SF_AT_MMAP, 0, n));
	arena_address = q[0];
	arena_size = q[1];
	struct sf_arena answer = {EXECUTOR_PAGES, q[0]};
	TRY(buffer_append(&rp->out, &answer, sizeof answer));
	rp->fd = fd_steal(&fd);
	return OK;
}

static bool in_arena(uint64_t address, uint64_t size)
{
	return address % 8 == 0 && address >= arena_address + EXECUTOR_PAGES && address - arena_address <= arena_size &&
	       size <= arena_size - (address - arena_address);
}

/* The new task: its own copy of the helper's memory, but for the arena. It never sees a request. */
static __attribute__((noreturn)) void begin(struct sf_block *block)
{
	(void)sys_close(wire_socket);
	register uint64_t rsi __asm__("rsi") = 1;
	__asm__ volatile("mov %0, %%rsp; jmp *%1"
			 : : "r"((uint64_t)block + block->stack_off), "r"(SF_EXECUTOR_AT(arena_address, sf_executor_start)), "D"(block), "r"(rsi) : "memory");
	__builtin_unreachable();
}

static MUST_CHECK struct fail answer_pid(uint32_t pid, struct reply *rp)
{
	int32_t answer = (int32_t)pid;
	POINT(SF_AT_CLONE, pid);
	return buffer_append(&rp->out, &answer, sizeof answer);
}

/* struct sf_spawn -> s32 pid. The task starts with every signal blocked, default handlers, and dies with its parent. */
struct fail req_spawn(struct request *rq, struct reply *rp)
{
	struct sf_spawn q;
	if (rq->size != sizeof q) return failed(SF_AT_DECODE, 0, -EBADMSG);
	memcpy(&q, rq->payload, sizeof q);
	struct sf_block *block = (struct sf_block *)q.block;
	if (arena_size == 0 || !in_arena(q.block, sizeof *block) || !in_arena(q.block, block->size)) return failed(SF_AT_DECODE, 0, -EFAULT);
	TRY(check(SF_AT_DECODE, 0, sf_executor_check(block, block->size)));
	if ((q.clone_flags & (CLONE_VM | CLONE_THREAD | CLONE_FILES | CLONE_FS | CLONE_SIGHAND)) != 0) return failed(SF_AT_DECODE, 0, -EINVAL);
	int32_t wanted = (int32_t)q.pid;
	int pidfd = -1;
	struct clone_args args = {
		.flags = q.clone_flags | CLONE_PIDFD | CLONE_CLEAR_SIGHAND, .pidfd = U(&pidfd), .exit_signal = (q.clone_flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD,
		.set_tid = wanted != 0 ? U(&wanted) : 0, .set_tid_size = wanted != 0 ? 1 : 0,
	};
	uint64_t every = ~0ull, mask = 0;
	block->parent = (q.clone_flags & (CLONE_PARENT | CLONE_NEWPID)) == 0 ? (uint32_t)sys_getpid() : 0;
	POINT(SF_AT_CLONE, q.pid);
	TRY(check(SF_AT_CLONE, q.pid, sys_sigprocmask(SIG_SETMASK, &every, &mask)));
	int64_t pid = sys_clone3(&args);
	if (pid == 0) begin(block);
	(void)sys_sigprocmask(SIG_SETMASK, &mask, 0);
	TRY(check(SF_AT_CLONE, q.pid, pid));
	if (root_pidfd >= 0) (void)sys_close(root_pidfd);
	root_pidfd = pidfd;
	root_pid = (uint32_t)pid;
	struct fail f = answer_pid(root_pid, rp);
	if (f.error != 0) {
		int status;
		(void)sys_kill((int)pid, SIGKILL);
		(void)sys_wait4((int)pid, &status, WALL);
	}
	return f;
}

/* The root ended (its parent may be somebody else), or a child of ours did. */
static bool somebody_died(struct sf_awaited *a)
{
	int status = 0;
	int64_t n = sys_wait4(-1, &status, WALL | WNOHANG);
	if (n > 0 && !W_STOPPED(status)) {
		a->pid = (uint32_t)n;
		a->wait_status = status;
		return true;
	}
	struct pollfd p = {root_pidfd, POLLIN, 0};
	if (root_pidfd >= 0 && sys_poll(&p, 1, 0) > 0) {
		a->pid = root_pid;
		return true;
	}
	return false;
}

/* A block's thread that is gone although its block still runs. The tid is the task's own view: right outside pid namespaces. */
static bool block_died(uint64_t address, struct sf_awaited *a)
{
	struct sf_block *b = (struct sf_block *)address;
	uint32_t tid = b->tid;
	if (tid == 0 || __atomic_load_n(&b->state, __ATOMIC_ACQUIRE) != SF_RUNNING) return false;
	char state = task_state(tid);
	if (state != 0 && state != 'Z' && state != 'X') return false;
	if (__atomic_load_n(&b->state, __ATOMIC_ACQUIRE) != SF_RUNNING) return false;
	a->pid = tid;
	return true;
}

/* struct sf_await, u64 block[] (those whose threads must not die while they run) -> struct sf_awaited */
struct fail req_await(struct request *rq, struct reply *rp)
{
	struct sf_await q;
	if (rq->size < sizeof q || (rq->size - sizeof q) % 8 != 0) return failed(SF_AT_DECODE, 0, -EBADMSG);
	memcpy(&q, rq->payload, sizeof q);
	const uint64_t *blocks = (const uint64_t *)(rq->payload + sizeof q);
	uint32_t nblocks = (uint32_t)((rq->size - sizeof q) / 8);
	if (arena_size == 0 || !in_arena(q.shared, sizeof(struct sf_shared))) return failed(SF_AT_DECODE, 0, -EFAULT);
	for (uint32_t i = 0; i < nblocks; i++) {
		if (!in_arena(blocks[i], sizeof(struct sf_block))) return failed(SF_AT_DECODE, i, -EFAULT);
	}
	POINT(SF_AT_WAIT, q.parked);
	struct sf_shared *s = (struct sf_shared *)q.shared;
	struct sf_awaited a = {0, 0, 0, 0};
	uint64_t until = now_ns() + q.timeout_ms * 1000000ull, looked = now_ns();
	while (a.end == 0) {
		uint32_t event = __atomic_load_n(&s->event, __ATOMIC_ACQUIRE);
		a.parked = __atomic_load_n(&s->parked, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&s->abort, __ATOMIC_ACQUIRE) != 0) a.end = SF_ONE_FAILED;
		else if (a.parked >= q.parked) a.end = SF_ALL_PARKED;
		else if (somebody_died(&a)) a.end = SF_ONE_DIED;
		else if (now_ns() >= until) a.end = SF_TIME_UP;
		if (a.end != 0) break;
		struct timespec slice = {0, 2000000};
		(void)sys_futex(&s->event, FUTEX_WAIT, event, &slice);
		if (now_ns() - looked < 50000000) continue;
		looked = now_ns();
		for (uint32_t i = 0; i < nblocks && a.end == 0; i++) {
			if (block_died(blocks[i], &a)) a.end = SF_ONE_DIED;
		}
	}
	/* who died may have said why before */
	if (a.end == SF_ONE_DIED && __atomic_load_n(&s->abort, __ATOMIC_ACQUIRE) != 0) a.end = SF_ONE_FAILED;
	return buffer_append(&rp->out, &a, sizeof a);
}
