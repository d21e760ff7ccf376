/* Two threads, each some frames deep in functions with names: what a debugger shows of a core dump made from its images. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static volatile int turns;

static void __attribute__((noinline)) waits_in_here(int depth)
{
	if (depth > 0)
		waits_in_here(depth - 1);
	while (depth == 0) {
		turns++;
		usleep(1000);
	}
	turns--; /* something to do after the call, so that each frame stays */
}

static void *second_thread(void *arg)
{
	waits_in_here(3);
	return arg;
}

int main(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, second_thread, NULL) != 0)
		return 1;
	puts("ready");
	fflush(stdout);
	waits_in_here(5);
	return 0;
}
