/*
 * steady: two threads that must not notice a checkpoint. One computes without a system call and keeps values in registers (general ones
 * and SSE) that it compares all the time; one sleeps in short steps, so that it is often stopped inside a call. Both count what they did into
 * the file `progress`, which is mapped shared: two 64-bit counters, then a mistake each (0: none).
 */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>

static struct { volatile uint64_t computed, slept, wrong_registers, wrong_sleep; } *progress;

static void *compute(void *unused)
{
	(void)unused;
	for (;;) {
		uint64_t a = 0x1111111111111111, b = 0x2222222222222222, c = 0x3333333333333333, sum = 0;
		double x = 1.5, y = 0;
		for (int i = 0; i < 20000; i++) {
			__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+x"(x));
			sum += (a ^ b) + c;
			y += x;
		}
		if (sum != 20000ul * ((0x1111111111111111ul ^ 0x2222222222222222ul) + 0x3333333333333333ul) || y != 30000)
			progress->wrong_registers = sum;
		progress->computed++;
	}
	return NULL;
}

int main(void)
{
	pthread_t thread;
	int fd = must(open("progress", O_RDWR | O_CREAT, 0600));

	must(ftruncate(fd, 4096));
	progress = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (progress == MAP_FAILED || pthread_create(&thread, NULL, compute, NULL))
		must(-1);
	say("ready");
	for (;;) {
		struct timespec two_ms = { 0, 2000000 };
		if (nanosleep(&two_ms, NULL) != 0)
			progress->wrong_sleep = errno;
		progress->slept++;
	}
}
