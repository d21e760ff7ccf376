/*
 * Task programs: what the executor runs, as bytes.
 *
 *   block    := header results steps data stack
 *   header   := struct sf_block, at the start; every *_off is relative to it, so a block can be placed anywhere
 *   results  := s64[nresults], written by steps, read by later steps
 *   steps    := struct sf_step[nsteps], run in order
 *   data     := bytes the steps point into (paths, structs, buffers the kernel fills)
 *   stack    := the executor's own stack; ends at stack_off (grows down)
 *
 * One format for dump (a block injected into a running task), for restore (a block a thread, in the arena) and for
 * programs that the helper runs in itself (SF_REQ_LOCAL). src/program/ is its twin in TypeScript.
 * All integers little-endian, fixed width. No image knowledge here.
 */
#ifndef SF_PROGRAM_H
#define SF_PROGRAM_H

#include <stdint.h>

#define SF_PROGRAM_VERSION 1
#define SF_BLOCK_MAGIC 0x6b426653u /* "SfBk" */
#define SF_MAX_STEPS (1u << 22)    /* 4,000 mappings need about 20,000; the rest is head room */
#define SF_MAX_RESULTS (1u << 20)
#define SF_MAX_BLOCK (256u << 20)  /* as a wire payload */
#define SF_MIN_STACK 4096          /* what the executor may use of a block's stack */
#define SF_NO_RESULT 0xffffffffu
#define SF_MAX_BARRIERS 64

/* What a step does. The arguments of each are listed as a0..a5. */
enum sf_op {
	SF_OP_SYSCALL = 1, /* system call `nr` with a0..a5 */
	SF_OP_SPAWN = 2,   /* clone3 without CLONE_VM: a0 flags, a1 exit signal, a2 address of the set_tid array (or 0),
			      a3 its length, a4 address of the child's block, a5 cgroup fd (only with CLONE_INTO_CGROUP).
			      The child starts on its own block and stack. Result: the child's pid. */
	SF_OP_THREAD = 3,  /* clone3 with CLONE_VM: same arguments (a1 is 0 for CLONE_THREAD). Result: the tid. */
	SF_OP_BARRIER = 4, /* arrive at shared barrier a0 and wait until all its parties have arrived */
	SF_OP_STORE = 5,   /* write a1 at address a0, a2 bytes wide (1, 2, 4, 8) */
	SF_OP_LOAD = 6,    /* result := a1 bytes (1, 2, 4, 8), zero-extended, from address a0 */
	SF_OP_COPY = 7,    /* memmove(a0, a1, a2) */
	SF_OP_JUMP = 8,    /* if a0 <cond a1> a2 then go to step a3; cond: enum sf_cond (signed compare) */
	SF_OP_FILL = 9,    /* read exactly a2 bytes of descriptor a0 at file offset a3 to address a1.
			      a4 != 0: address of a scratch buffer of a5 bytes (a multiple of 4096); then each 4096-byte
			      page is written only when it differs from what is there (keeps pages inherited by fork shared).
			      A short file is -ENODATA. */
	SF_OP_EXPECT = 10, /* fails with -a3 unless a0 <cond a1> a2 */
	SF_OP_PARK = 11,   /* last step of a restored thread: count into shared.parked and wait to be taken over */
	SF_OP_WRITE_OUT = 12, /* write exactly a2 bytes at address a1 to descriptor a0 (at offset a3, or ~0: its position) */
	SF_OP_ADD = 13,    /* result := a0 + a1 (64 bits, wraps) */
};

enum sf_cond { SF_EQ = 0, SF_NE = 1, SF_LT = 2, SF_LE = 3, SF_GT = 4, SF_GE = 5, SF_ANY_BIT = 6, SF_NO_BIT = 7 };

/* What an argument means: 4 bits each in sf_step.kinds, a0 in the lowest. */
enum sf_arg {
	SF_ARG_IMM = 0,    /* the value itself */
	SF_ARG_DATA = 1,   /* address of the block's data + value */
	SF_ARG_RESULT = 2, /* results[value] */
	SF_ARG_BLOCK = 3,  /* address of the block + value */
	SF_ARG_SELF = 4,   /* value 0: getpid() as seen by the task, 1: gettid() */
};

/* Which results are a success. Everything else fails the program. */
enum sf_accept {
	SF_ACCEPT_OK = 0,     /* not in [-4095, -1] */
	SF_ACCEPT_ANY = 1,    /* always; the result is kept, negative errno included */
	SF_ACCEPT_EQ = 2,     /* equal to `expect` */
	SF_ACCEPT_OR = 3,     /* a success, or -errno == expect */
};

struct sf_step {
	uint16_t op;
	uint16_t accept;
	uint32_t id;     /* the step's name: an index into a table that only the supervisor has */
	uint32_t nr;     /* system call number */
	uint32_t kinds;
	uint32_t result; /* index into results, or SF_NO_RESULT */
	uint32_t reserved;
	int64_t expect;
	uint64_t a[6];
};
_Static_assert(sizeof(struct sf_step) == 80, "sf_step is 80 bytes");

enum sf_state { SF_IDLE = 0, SF_RUNNING = 1, SF_DONE = 2, SF_FAILED = 3, SF_PARKED = 4, SF_ABORTED = 5 };

struct sf_block {
	uint32_t magic;
	uint32_t size;        /* whole block, stack included */
	uint32_t results_off, nresults;
	uint32_t steps_off, nsteps;
	uint32_t data_off, data_size;
	uint32_t stack_off;   /* top of the stack; 16-byte aligned */
	uint32_t parent;      /* 0; written by whoever spawns it: the pid whose child it must be, or it ends at once */
	uint64_t shared;      /* address of struct sf_shared, or 0: no barriers, no park */
	/* written by the executor */
	uint32_t state;       /* enum sf_state */
	uint32_t at;          /* index of the step being run, or that failed */
	int64_t result;       /* of the step that failed */
	uint32_t tid;         /* gettid() when it started */
	uint32_t done;        /* steps completed */
};
_Static_assert(sizeof(struct sf_block) == 72, "sf_block is 72 bytes");

/* One a restore, in the arena; all words are futexes. */
struct sf_shared {
	uint32_t abort;       /* set once by whoever fails first; everybody waiting gives up */
	uint32_t parked;      /* threads in SF_OP_PARK */
	uint32_t event;       /* bumped at each park and abort: what the helper waits on */
	uint32_t reserved;
	struct {
		uint32_t parties;
		uint32_t arrived;
	} barrier[SF_MAX_BARRIERS];
};

#endif
