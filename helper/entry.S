/*
 * The executor's ways in. Same section as executor.c, so their distances stay the same wherever it is copied.
 */
	.section executor, "ax", @progbits

/* A task begins here: rdi = its block, rsp = top of the block's stack, esi = 1 when it is a process of its own. */
	.globl sf_executor_start
	.type sf_executor_start, @function
sf_executor_start:
	xorl %ebp, %ebp
	andq $-16, %rsp
	cld
	call sf_executor_live
	ud2

/* The landing stub calls here with rdi = block, on the block's stack. */
	.globl sf_executor_entry
	.type sf_executor_entry, @function
sf_executor_entry:
	xorl %ebp, %ebp
	cld
	movq %rsp, %r15
	andq $-16, %rsp
	call sf_executor_run
	movq %r15, %rsp
	ret

/* The tracer points a parked task here; what follows the instruction is never reached. */
	.globl sf_executor_syscall
sf_executor_syscall:
	syscall
	ud2

/*
 * s64 sf_executor_clone(struct clone_args *args, u64 size, struct sf_block *child, u64 process)
 * The child goes on at sf_executor_start on its own stack (args->stack), never back here.
 */
	.globl sf_executor_clone
	.type sf_executor_clone, @function
sf_executor_clone:
	movl $435, %eax
	movq %rdx, %r8
	movq %rcx, %r9
	syscall
	testq %rax, %rax
	jz 1f
	ret
1:	movq %r8, %rdi
	movq %r9, %rsi
	jmp sf_executor_start

	.section .note.GNU-stack, "", @progbits
