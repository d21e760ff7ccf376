/* A stopped thread's general registers and signal mask, and the way out of a restartable sequence. */
#include "helper.h"

struct fail get_regs(uint32_t tid, struct user_regs *regs)
{
	struct iovec iov = {regs, sizeof *regs};
	TRY(check(SF_AT_GETREGS, tid, sys_ptrace(PTRACE_GETREGSET, (int)tid, NT_PRSTATUS, U(&iov))));
	/* a 32-bit task has a shorter set */
	return iov.len == sizeof *regs ? OK : failed(SF_AT_GETREGS, tid, -ENOEXEC);
}

struct fail set_regs(uint32_t tid, const struct user_regs *regs)
{
	struct user_regs copy = *regs;
	struct iovec iov = {&copy, sizeof copy};
	return check(SF_AT_SETREGS, tid, sys_ptrace(PTRACE_SETREGSET, (int)tid, NT_PRSTATUS, U(&iov)));
}

struct fail get_mask(uint32_t tid, uint64_t *mask)
{
	return check(SF_AT_GETMASK, tid, sys_ptrace(PTRACE_GETSIGMASK, (int)tid, 8, U(mask)));
}

struct fail set_mask(uint32_t tid, uint64_t mask)
{
	return check(SF_AT_SETMASK, tid, sys_ptrace(PTRACE_SETSIGMASK, (int)tid, 8, U(&mask)));
}

/*
 * A thread stopped inside a restartable sequence must go on at the sequence's abort address: the kernel would have sent
 * it there, but does not see it once rip has been elsewhere. Kernels without the request have nothing to leave.
 */
struct fail leave_rseq(uint32_t tid, struct user_regs *regs, struct rseq_configuration *rseq, bool *moved)
{
	*rseq = (struct rseq_configuration){0};
	*moved = false;
	int64_t n = sys_ptrace(PTRACE_GET_RSEQ_CONFIGURATION, (int)tid, sizeof *rseq, U(rseq));
	if (n == -EIO || n == -EINVAL) return OK;
	TRY(check(SF_AT_RSEQ, tid, n));
	if (rseq->pointer == 0) return OK;
	uint64_t at = 0;
	struct rseq_cs cs;
	struct iovec to = {&at, sizeof at}, from = {(void *)(rseq->pointer + RSEQ_CS_OFFSET), sizeof at};
	if (sys_vm_readv((int)tid, &to, 1, &from, 1) != sizeof at || at == 0) return OK;
	to = (struct iovec){&cs, sizeof cs};
	from = (struct iovec){(void *)at, sizeof cs};
	if (sys_vm_readv((int)tid, &to, 1, &from, 1) != sizeof cs) return OK;
	if (regs->rip - cs.start_ip < cs.post_commit_offset) {
		regs->rip = cs.abort_ip;
		*moved = true;
	}
	return OK;
}
