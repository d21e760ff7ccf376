/*
 * The landing stub: a thread's way into the executor and, alone if need be, home. The helper copies it to the landing and
 * fills the constants at its end (landing.h has their layout). See docs/architecture.md, "Running a block in a task that
 * must not be harmed". Without a tracer nobody moves it past mark 1, so the thread unmaps the region and goes home.
 * Threads of a process use one region, one after the other, each on its way through a stub of its own: the one whose `mine` is set has it,
 * and unmaps it when it is left alone. A thread that is given the region starts with rbx = region, r12 = entry, r13 = block, r14 = its stack.
 */
#define NR_mmap 9
#define NR_mprotect 10
#define NR_munmap 11
#define NR_rt_sigprocmask 14
#define NR_gettid 186
#define NR_tkill 200

/* tkill(gettid(), done signal): a stop for a tracer, nothing without one */
.macro raise_done
	movl $NR_gettid, %eax
	syscall
	movl %eax, %edi
	movl done_signal(%rip), %esi
	movl $NR_tkill, %eax
	syscall
.endm

	.section .rodata.landing, "a", @progbits
	.globl sf_landing, sf_landing_mark1, sf_landing_go, sf_landing_mark2, sf_landing_out, sf_landing_mark3, sf_landing_slots, sf_landing_end
	.balign 16
sf_landing:
	jmp 1f
	.ascii "StillLanding\0\0"          /* tells a stub left behind by a killed helper from a program's own bytes */
1:	xorl %edx, %edx                  /* lea from here on: shorter than mov */
	leal NR_rt_sigprocmask(%rdx), %eax
	leal 2(%rdx), %edi
	leaq run_mask(%rip), %rsi
	leal 8(%rdx), %r10d
	syscall
	testq %rbx, %rbx
	jz 2f
	cmpb $0, mine(%rip)
	je sf_landing_out
	movq %r13, %rdi
	movq %r14, %rsp
	jmp sf_landing_go
2:	/* the region: executor (r-x) and block (rw-) */
	xorl %r9d, %r9d
	leal NR_mmap(%r9), %eax
	xorl %edi, %edi
	movl region_size(%rip), %esi
	leal 0x22(%rdx), %r10d
	leal 5(%rdx), %edx
	orq $-1, %r8
	syscall
	movq %rax, %rbx
	movl executor_size(%rip), %r12d
	leaq (%rbx, %r12), %rdi
	movl region_size(%rip), %esi
	subl %r12d, %esi
	movb $3, %dl
	leal NR_mprotect(%r9), %eax
	syscall
	movq %rax, %rbp
	raise_done
sf_landing_mark1:
	jmp sf_landing_out
sf_landing_go:                           /* the tracer moves rip here, with r12 = entry, rdi = block, rsp = its stack */
	call *%r12
	raise_done
sf_landing_mark2:
sf_landing_out:
	cmpb $0, mine(%rip)
	je 3f
	movq %rbx, %rdi
	movl region_size(%rip), %esi
	movl $NR_munmap, %eax
	syscall
	movq %rax, %rbp
3:	raise_done
sf_landing_mark3:
	/* what the last call does not change, while every signal is still blocked; then rsp, then the mask */
	leaq home_popped(%rip), %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	popq %r9
	popq %r8
	popfq
	movq home_rsp(%rip), %rsp
	movl $0, %edx                    /* mov, not xor: the flags are home already */
	leal NR_rt_sigprocmask(%rdx), %eax
	leal 2(%rdx), %edi
	leaq home_mask(%rip), %rsi
	leal 8(%rdx), %r10d
	syscall
	movq home_r11(%rip), %r11
	movq home_r10(%rip), %r10
	movq home_rax(%rip), %rax
	movq home_rcx(%rip), %rcx
	movq home_rdx(%rip), %rdx
	movq home_rsi(%rip), %rsi
	movq home_rdi(%rip), %rdi
	jmp *home_rip(%rip)

	.balign 8
sf_landing_slots:
region_size: .long 0
executor_size: .long 0
done_signal: .long 0
mine: .long 0
run_mask: .quad 0
home_mask: .quad 0
home_popped: .quad 0, 0, 0, 0, 0, 0, 0, 0, 0
home_r11: .quad 0
home_r10: .quad 0
home_rax: .quad 0
home_rcx: .quad 0
home_rdx: .quad 0
home_rsi: .quad 0
home_rdi: .quad 0
home_rsp: .quad 0
home_rip: .quad 0
sf_landing_end:
	.org sf_landing + 512                    /* an error when the stub is larger than SF_LANDING_SIZE */
	.section .note.GNU-stack, "", @progbits
