/*
 * System calls that every stop of their thread ends with EINTR, signal or not (signal(7), "Interruption of system calls and library functions by
 * stop signals"). Being seized must not be seen: where the call has no timeout, which nobody could shorten by what has passed, it gets the result
 * that makes the kernel enter it again, unless a handler is to run.
 */
#include "helper.h"

#define USER_CS 0x33 /* a thread in 64-bit mode (<asm/segment.h>) */

/* <asm/unistd_64.h> */
enum { NR_semop = 65, NR_rt_sigtimedwait = 128, NR_io_getevents = 208, NR_semtimedop = 220, NR_epoll_wait = 232, NR_epoll_pwait = 281, NR_epoll_pwait2 = 441 };

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

struct fail hide_interruption(uint32_t tid)
{
	struct user_regs regs;
	TRY(get_regs(tid, &regs));
	if ((int64_t)regs.rax != -EINTR || regs.cs != USER_CS || !waits_without_end(&regs)) return OK;
	regs.rax = (uint64_t)-ERESTARTNOHAND;
	return set_regs(tid, &regs);
}
