/*
 * Threads whose registers, extended state (SSE, AVX, AVX-512 where the CPU has it), signal mask, alternate stack, thread-local
 * storage, name and robust list each hold a value of their own. Half of them never leave their loop: what they find
 * in their registers afterwards was put there by the restore, not by the C library.
 */
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/prctl.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif
#define THREADS 8

static volatile int stop;
static __thread uint64_t own;
static pthread_barrier_t started;
static pid_t tids[THREADS];

/* Each loads 32 vector registers from `in`, spins with general registers set, and stores all to `out`. */
#define GENERAL_IN "mov %[seed], %%r8\n lea 1(%%r8), %%r9\n lea 2(%%r8), %%r10\n lea 3(%%r8), %%r11\n" \
	"lea 4(%%r8), %%r12\n lea 5(%%r8), %%r13\n lea 6(%%r8), %%r14\n lea 7(%%r8), %%r15\n"
#define SPIN "1: pause\n cmpl $0, (%[stop])\n je 1b\n"
#define GENERAL_OUT "mov %%r8, (%[general])\n mov %%r9, 8(%[general])\n mov %%r10, 16(%[general])\n mov %%r11, 24(%[general])\n" \
	"mov %%r12, 32(%[general])\n mov %%r13, 40(%[general])\n mov %%r14, 48(%[general])\n mov %%r15, 56(%[general])\n"
#define CLOBBER "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc"

#define R16(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define R32(X) R16(X) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)
#define LOAD_SSE(n) "movups " #n "*64(%[in]), %%xmm" #n "\n"
#define SAVE_SSE(n) "movups %%xmm" #n ", " #n "*64(%[out])\n"
#define LOAD_AVX(n) "vmovups " #n "*64(%[in]), %%ymm" #n "\n"
#define SAVE_AVX(n) "vmovups %%ymm" #n ", " #n "*64(%[out])\n"
#define LOAD_512(n) "vmovups " #n "*64(%[in]), %%zmm" #n "\n"
#define SAVE_512(n) "vmovups %%zmm" #n ", " #n "*64(%[out])\n"
#define OPERANDS : : [in] "r"(in), [out] "r"(out), [seed] "r"(seed), [stop] "r"(&stop), [general] "r"(general)

static __attribute__((noinline)) void spin_sse(const void *in, void *out, uint64_t seed, uint64_t *general)
{
	asm volatile(GENERAL_IN R16(LOAD_SSE) SPIN GENERAL_OUT R16(SAVE_SSE) OPERANDS : CLOBBER);
}

static __attribute__((noinline)) void spin_avx(const void *in, void *out, uint64_t seed, uint64_t *general)
{
	asm volatile(GENERAL_IN R16(LOAD_AVX) SPIN GENERAL_OUT R16(SAVE_AVX) "vzeroupper\n" OPERANDS : CLOBBER);
}

static __attribute__((noinline)) void spin_512(const void *in, void *out, uint64_t seed, uint64_t *general)
{
	asm volatile(GENERAL_IN R32(LOAD_512) "kmovw %%r8d, %%k1\n kmovw %%r9d, %%k7\n" SPIN
		     "kmovw %%k1, %%r8d\n kmovw %%k7, %%r9d\n" GENERAL_OUT R32(SAVE_512) "vzeroupper\n" OPERANDS : CLOBBER);
}

/* MXCSR and the x87 control word: rounding. */
static int fegetround_cw(void)
{
	unsigned mxcsr;
	unsigned short x87;

	asm volatile("stmxcsr %0\n fnstcw %1" : "=m"(mxcsr), "=m"(x87));
	return (mxcsr & 0x6000) | (x87 & 0xc00) >> 10;
}

static void set_rounding(unsigned mode)
{
	unsigned mxcsr = 0x1f80 | mode << 13;
	unsigned short x87 = 0x37f | mode << 10;

	asm volatile("ldmxcsr %0\n fldcw %1" : : "m"(mxcsr), "m"(x87));
}

static void spin(int index)
{
	static __thread uint64_t in[32 * 8] __attribute__((aligned(64))), out[32 * 8] __attribute__((aligned(64))), general[8];
	int width = __builtin_cpu_supports("avx512f") ? 64 : __builtin_cpu_supports("avx") ? 32 : 16;
	int count = width == 64 ? 32 : 16, wrong = -1;
	uint64_t seed = 0x1111111100000000ull * (index + 1) + 0x4000u * (index + 1);

	fill(in, sizeof(in), index + 77);
	(width == 64 ? spin_512 : width == 32 ? spin_avx : spin_sse)(in, out, seed, general);
	for (int r = 0; r < count && wrong < 0; r++)
		if (memcmp(in + r * 8, out + r * 8, width))
			wrong = r;
	check(wrong < 0, "vector registers", "thread %d (%d bits): register %d changed", index, width * 8, wrong);
	if (width == 64) {
		check((uint16_t)general[0] == (uint16_t)seed && (uint16_t)general[1] == (uint16_t)(seed + 1), "mask registers",
		      "thread %d: k1 %#lx k7 %#lx", index, general[0], general[1]);
		general[0] = seed, general[1] = seed + 1;
	}
	for (wrong = 0; wrong < 8 && general[wrong] == seed + wrong; wrong++)
		;
	check(wrong == 8, "general registers", "thread %d: r%d is %#lx", index, wrong + 8, general[wrong & 7]);
}

static void *run(void *argument)
{
	int index = (long)argument, mode;
	char name[16], got[16];
	sigset_t mask, mask_now;
	stack_t stack = { .ss_size = 65536, .ss_flags = index & 1 ? SS_AUTODISARM : 0 }, stack_now;
	void *robust, *robust_now;
	size_t robust_size;

	own = 0xabc0 + index;
	tids[index] = syscall(SYS_gettid);
	stack.ss_sp = malloc(stack.ss_size);
	must(sigaltstack(&stack, NULL));
	sigemptyset(&mask);
	sigaddset(&mask, SIGRTMIN + index);
	sigaddset(&mask, index & 1 ? SIGUSR1 : SIGUSR2);
	must(pthread_sigmask(SIG_SETMASK, &mask, NULL));
	snprintf(name, sizeof(name), "thread (%d) %%", index);
	must(prctl(PR_SET_NAME, name));
	set_rounding(index & 3);
	mode = fegetround_cw();
	must(syscall(SYS_get_robust_list, 0, &robust, &robust_size));
	pthread_barrier_wait(&started);

	if (index & 1)
		spin(index);
	else
		while (!stop)
			syscall(SYS_futex, &stop, FUTEX_WAIT, 0, NULL, NULL, 0);

	check(own == 0xabc0u + index, "thread-local storage", "thread %d: %#lx", index, own);
	check(tids[index] == (pid_t)syscall(SYS_gettid), "thread id", "thread %d: was %d, is %ld", index, tids[index], syscall(SYS_gettid));
	must(pthread_sigmask(SIG_SETMASK, NULL, &mask_now));
	check(!memcmp(&mask, &mask_now, 8), "thread's signal mask", "thread %d: %#lx, was %#lx", index, *(long *)&mask_now, *(long *)&mask);
	must(sigaltstack(NULL, &stack_now));
	check(stack_now.ss_sp == stack.ss_sp && stack_now.ss_size == stack.ss_size && stack_now.ss_flags == stack.ss_flags,
	      "alternate stack", "thread %d: %p %zu %#x", index, stack_now.ss_sp, stack_now.ss_size, stack_now.ss_flags);
	must(prctl(PR_GET_NAME, got));
	check(!strcmp(got, name), "thread's name", "thread %d: '%s', was '%s'", index, got, name);
	check(mode == fegetround_cw(), "rounding mode", "thread %d: %#x, was %#x", index, fegetround_cw(), mode);
	must(syscall(SYS_get_robust_list, 0, &robust_now, &robust_size));
	check(robust == robust_now, "robust list", "thread %d: %p, was %p", index, robust_now, robust);
	return (void *)(long)(index + 1000);
}

int main(void)
{
	pthread_t threads[THREADS];
	void *result;

	pthread_barrier_init(&started, NULL, THREADS + 1);
	for (long i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, run, (void *)i))
			must(-1);
	pthread_barrier_wait(&started);
	sleep_ms(50);
	ready_and_wait();
	stop = 1;
	syscall(SYS_futex, &stop, FUTEX_WAKE, 1000, NULL, NULL, 0);
	for (long i = 0; i < THREADS; i++) {
		/* joining works only when clear_child_tid was restored */
		pthread_join(threads[i], &result);
		check((long)result == i + 1000, "join", "thread %ld gave %ld", i, (long)result);
	}
	return done();
}
