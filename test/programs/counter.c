/* counter [MS]: 0 1 2 3 ... one number a line, one every MS milliseconds (1000). It waits as sleep(3) does. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
	long ms = argc > 1 ? atol(argv[1]) : 1000;

	for (long i = 0;; i++) {
		struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

		printf("%ld\n", i);
		fflush(stdout);
		nanosleep(&left, &left);
	}
}
