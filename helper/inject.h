/*
 * A thread's way into the executor and home again, in parts: inject.c has them, turns.c puts them together for one thread or for many.
 * Whatever fails between two parts, a thread that is left alone finds its way home.
 */
#ifndef SF_INJECT_H
#define SF_INJECT_H

#include "executor.h"
#include "helper.h"
#include "landing.h"

#define KEPT_MAX 8
/* Never blocked while the executor runs: the kernel would reset the handler of a blocked one that it has to force. */
#define SYNCHRONOUS (SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGILL) | SIGBIT(SIGFPE) | SIGBIT(SIGTRAP) | SIGBIT(SIGSYS))

struct run {
	uint32_t tid, done_signal, take; /* take: as in struct sf_run, 0 when done */
	int64_t taken;
	uint64_t results; /* address of the block's results in the task */
	uint64_t landing, region, region_size; /* region: while it is this thread's to unmap */
	int mem;
	uint64_t awaits; /* it was let go on, and stops here next */
	bool wrote;  /* there is a stub for it */
	bool inside; /* its registers are in the stub or the executor */
	struct user_regs home;
	uint64_t home_mask;
	struct siginfo kept[KEPT_MAX]; /* signals that came meanwhile */
	uint32_t nkept;
};

SYS uint64_t stub_address(const struct run *r, const uint8_t *symbol) { return r->landing + (uint64_t)(symbol - sf_landing); }
/* What a thread blocks while it is inside. */
SYS uint64_t run_mask(const struct run *r) { return ~(SYNCHRONOUS | (r->done_signal != 0 ? SIGBIT(r->done_signal) : 0)); }

MUST_CHECK struct fail write_task(const struct run *r, uint32_t where, uint64_t address, const void *from, uint64_t size);
bool writes_in_one_go(const struct run *r);
MUST_CHECK struct fail check_landing(const struct run *r);
void make_stub(const struct run *r, bool mine, uint8_t stub[SF_LANDING_SIZE]);
struct fail clear_landings(const struct run *runs, uint32_t n, struct fail f);
void send_kept(struct run *r);

/* In this order. What follows an `await` or precedes a `resume` is done while the thread stands still. */
MUST_CHECK struct fail look(struct run *r);
MUST_CHECK struct fail send_in(struct run *r);
MUST_CHECK struct fail arrive(struct run *r);
MUST_CHECK struct fail load(struct run *r, const uint8_t *block, uint64_t size);
MUST_CHECK struct fail finish_block(struct run *r, const struct sf_block *b, uint64_t size, struct buffer *out);
MUST_CHECK struct fail send_out(struct run *r);
MUST_CHECK struct fail come_out(struct run *r);
MUST_CHECK struct fail be_home(struct run *r);

/* Lets a thread go on; it stops at `rip` next. */
MUST_CHECK struct fail resume(struct run *r, uint64_t rip);
/* Waits until it is there. */
MUST_CHECK struct fail await(struct run *r, struct user_regs *regs);
/* Brings a thread home after whatever happened to it. The first failure is what counts. */
struct fail end_run(struct run *r, struct fail f);

#endif
