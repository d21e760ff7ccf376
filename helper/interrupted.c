/*
 * What being seized did to a system call, hidden: the call gets the result that makes the kernel enter it again, unless a handler is to run.
 *   Some calls every stop of their thread ends with EINTR, signal or not (signal(7), "Interruption of system calls and library functions by stop
 *   signals"). Those without a timeout, which nobody could shorten by what has passed, are entered again.
 *   Others the kernel goes on with through restart_syscall(2); the next one to look would not see any more which call it was. Where entering the call
 *   itself is the same, that is done: those that wait without end or until a point of time, and sleeps whose remainder was written where they read their
 *   time from.
 */
#include "helper.h"

/* <linux/futex.h>: the operation without its flags, and the one that pthread_cond_timedwait(3), sem_timedwait(3) and the like use */
#define FUTEX_COMMAND 0x7f
#define FUTEX_WAIT_BITSET 9
#define USER_CS 0x33 /* a thread in 64-bit mode (<asm/segment.h>) */

/* <asm/unistd_64.h> */
enum { NR_semop = 65, NR_rt_sigtimedwait = 128, NR_io_getevents = 208, NR_semtimedop = 220, NR_clock_nanosleep = 230, NR_epoll_wait = 232, NR_epoll_pwait = 281, NR_epoll_pwait2 = 441 };

static bool waits_without_end(const struct user_regs *r)
{
	switch (r->orig_rax) {
	case NR_semop: return true;
	case NR_rt_sigtimedwait: return r->rdx == 0;
	case NR_io_getevents: return r->r8 == 0;
	case NR_semtimedop: case NR_epoll_pwait2: return r->r10 == 0;
	case NR_epoll_wait: case NR_epoll_pwait: return (int32_t)r->r10 < 0;
	default: return false;
	}
}

static bool is_the_same_again(const struct user_regs *r)
{
	switch (r->orig_rax) {
	case NR_poll: return (int32_t)r->rdx < 0;
	case NR_nanosleep: return r->rsi == r->rdi;
	case NR_futex: return (r->rsi & FUTEX_COMMAND) == FUTEX_WAIT_BITSET; /* its timeout is a point of time (futex(2)) */
	case NR_clock_nanosleep: return r->r10 == r->rdx;
	default: return false;
	}
}

struct fail hide_interruption(uint32_t tid)
{
	struct user_regs regs;
	TRY(get_regs(tid, &regs));
	int64_t result = (int64_t)regs.rax;
	if (regs.cs != USER_CS) return OK;
	if (!(result == -EINTR && waits_without_end(&regs)) && !(result == -ERESTART_RESTARTBLOCK && is_the_same_again(&regs))) return OK;
	regs.rax = (uint64_t)-ERESTARTNOHAND;
	return set_regs(tid, &regs);
}
