/* The executor's outside: its bytes (copied into tasks and arenas), its entry points, and a direct call for the helper. */
#ifndef SF_EXECUTOR_H
#define SF_EXECUTOR_H

#include "program.h"

/* Bounds of the section, made by the linker. */
extern const uint8_t __start_executor[], __stop_executor[];

/* Entry of a task that was started for a block: rdi = block, rsp on the block's stack. Never returns. */
extern const uint8_t sf_executor_start[];
/* Entry of an injected block: rdi = block, called from the landing stub on the block's stack. Returns. */
extern const uint8_t sf_executor_entry[];
/* A `syscall` instruction, for remote calls. */
extern const uint8_t sf_executor_syscall[];

/*
 * 0, or -errno when an offset or index of the block lies outside it. `there`: how many bytes are really there; all but the
 * stack (which may be left out on the wire) must be.
 */
int64_t sf_executor_check(const struct sf_block *block, uint64_t there);
/* Runs a checked block on the caller's stack until it is done, failed or aborted. */
void sf_executor_run(struct sf_block *block);

#define SF_EXECUTOR_SIZE ((uint64_t)(__stop_executor - __start_executor))
#define SF_EXECUTOR_AT(base, symbol) ((base) + (uint64_t)((symbol) - __start_executor))

#endif
