/* The landing stub's parts (landing.S) and the constants that the helper fills in. */
#ifndef SF_LANDING_H
#define SF_LANDING_H

#include "abi.h"

extern const uint8_t sf_landing[], sf_landing_mark1[], sf_landing_go[], sf_landing_mark2[], sf_landing_out[], sf_landing_mark3[],
	sf_landing_slots[], sf_landing_end[];

#define SF_LANDING_TAG_AT 2                 /* where the tag is that tells a stub from other bytes */
#define SF_LANDING_TAG 12

struct landing_slots {
	uint32_t region_size, executor_size, done_signal;
	uint32_t mine; /* the region is this thread's: it unmaps it on its way home */
	uint64_t run_mask, home_mask;
	uint64_t r15, r14, r13, r12, rbp, rbx, r9, r8, eflags; /* popped in this order */
	uint64_t r11, r10, rax, rcx, rdx, rsi, rdi, rsp, rip;
};

#endif
