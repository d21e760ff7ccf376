/* STATE: what ptrace tells about a stopped thread. Reads only. */
#include "helper.h"

#define XSTATE_MAX 65536
#define QUEUE_BATCH 32

static MUST_CHECK struct fail append_queue(uint32_t tid, uint32_t flags, struct buffer *out, uint32_t *count)
{
	struct siginfo infos[QUEUE_BATCH];
	*count = 0;
	for (;;) {
		struct peeksiginfo args = {*count, flags, QUEUE_BATCH};
		int64_t n = sys_ptrace(PTRACE_PEEKSIGINFO, (int)tid, U(&args), U(infos));
		TRY(check(SF_AT_SIGINFO, tid, n));
		TRY(buffer_append(out, infos, (uint64_t)n * sizeof infos[0]));
		*count += (uint32_t)n;
		if (n < QUEUE_BATCH) return OK;
	}
}

static MUST_CHECK struct fail append_state(uint32_t tid, struct buffer *out, uint8_t *xstate)
{
	if (tracee_find(tid) == 0) return failed(SF_AT_DECODE, tid, -ESRCH);
	struct sf_thread_state s = {.tid = tid};
	struct user_regs regs;
	struct rseq_configuration rseq;
	bool moved;
	POINT(SF_AT_GETREGS, tid);
	TRY(get_regs(tid, &regs));
	POINT(SF_AT_RSEQ, tid);
	TRY(leave_rseq(tid, &regs, &rseq, &moved));
	memcpy(s.regs, &regs, sizeof regs);
	s.rseq_pointer = rseq.pointer;
	s.rseq_size = rseq.size;
	s.rseq_signature = rseq.signature;
	s.rseq_flags = rseq.flags;
	s.rseq_aborted = moved;
	POINT(SF_AT_GETXSTATE, tid);
	struct iovec iov = {xstate, XSTATE_MAX};
	TRY(check(SF_AT_GETXSTATE, tid, sys_ptrace(PTRACE_GETREGSET, (int)tid, NT_X86_XSTATE, U(&iov))));
	s.xstate_size = (uint32_t)iov.len;
	POINT(SF_AT_GETMASK, tid);
	TRY(get_mask(tid, &s.sigmask));
	POINT(SF_AT_ROBUST, tid);
	TRY(check(SF_AT_ROBUST, tid, sys_get_robust_list((int)tid, &s.robust_list, &s.robust_len)));
	for (uint32_t i = 0; i < 3; i++) {
		/* kernels without 32-bit emulation have no such entries */
		if (sys_ptrace(PTRACE_GET_THREAD_AREA, (int)tid, 12 + i, U(s.tls + 16 * i)) < 0) memset(s.tls + 16 * i, 0, 16);
	}
	uint64_t at = out->size;
	TRY(buffer_append(out, &s, sizeof s));
	TRY(buffer_append(out, xstate, iov.len));
	POINT(SF_AT_SIGINFO, tid);
	TRY(append_queue(tid, 0, out, &s.nsig_thread));
	/* the process's own queue is told once, with its leader */
	if (sys_tgkill((int)tid, (int)tid, 0) == 0) TRY(append_queue(tid, PTRACE_PEEKSIGINFO_SHARED, out, &s.nsig_process));
	memcpy(out->data + at, &s, sizeof s);
	return OK;
}

struct fail req_state(struct request *rq, struct reply *rp)
{
	if (rq->size % 4 != 0) return failed(SF_AT_DECODE, 0, -EBADMSG);
	const uint32_t *tids = (const uint32_t *)rq->payload;
	autobuffer xstate = {0, 0, 0};
	TRY(buffer_reserve(&xstate, XSTATE_MAX));
	for (uint32_t i = 0; i < rq->size / 4; i++) TRY(append_state(tids[i], &rp->out, xstate.data));
	return OK;
}
