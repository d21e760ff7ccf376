/*
 * The landing stub: a thread's way into the executor and, alone if need be, home. The helper copies it to the landing and
 * fills the constants at its end (landing.h has their layout). See docs/architecture.md, "Running a block in a task that
 * must not be harmed". Without a tracer nobody moves it past mark 1, so the thread unmaps the region and goes home.
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
1:	movl $NR_rt_sigprocmask, %eax
	movl $2, %edi
	leaq run_mask(%rip), %rsi
	xorl %edx, %edx
	movl $8, %r10d
	syscall
	/* the region: executor (r-x) and block (rw-) */
	movl $NR_mmap, %eax
	xorl %edi, %edi
	movq region_size(%rip), %rsi
	movl $5, %edx
	movl $0x22, %r10d
	movq $-1, %r8
	xorl %r9d, %r9d
	syscall
	movq %rax, %rbx
	movq executor_size(%rip), %r12
	leaq (%rbx, %r12), %rdi
	movq region_size(%rip), %rsi
	subq %r12, %rsi
	movl $3, %edx
	movl $NR_mprotect, %eax
	syscall
	movq %rax, %rbp
	raise_done
sf_landing_mark1:
	jmp sf_landing_out
sf_landing_go:                           /* the tracer moves rip here, with rax = entry, rdi = block, rsp = its stack */
	call *%rax
	raise_done
sf_landing_mark2:
sf_landing_out:
	movq %rbx, %rdi
	movq region_size(%rip), %rsi
	movl $NR_munmap, %eax
	syscall
	movq %rax, %rbp
	raise_done
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
	movl $NR_rt_sigprocmask, %eax
	movl $2, %edi
	leaq home_mask(%rip), %rsi
	movl $0, %edx                    /* mov, not xor: the flags are home already */
	movl $8, %r10d
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
region_size: .quad 0
executor_size: .quad 0
done_signal: .quad 0
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
