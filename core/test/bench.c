/* Speed of the natively built core, for comparison with the WebAssembly build: prints `NAME GB/s`, best of several. See bench/core.ts. */
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "../pagehash.h"

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(void)
{
	enum { PAGES = 64, ROUNDS = 1024 };
	static const char *const names[] = { "hash", "zero", "differing" };
	uint8_t *a = calloc(PAGES, SF_PAGE), *b = calloc(PAGES, SF_PAGE), bitmap[PAGES / 8];
	struct sf_hash out[PAGES];
	uint64_t sum = 0;
	if (a == NULL || b == NULL)
		return 1;
	for (int what = 0; what < 3; what++) {
		double best = 0;
		for (int turn = 0; turn < 7; turn++) {
			double start = now();
			for (int round = 0; round < ROUNDS; round++) {
				if (what == 0) {
					sf_hash_pages(a, PAGES, (uint64_t)round, out);
					sum += out[round % PAGES].low;
				} else {
					sum += what == 1 ? sf_zero_pages(a, PAGES, bitmap) : sf_differing_pages(a, b, PAGES, bitmap);
				}
			}
			double speed = (double)PAGES * SF_PAGE * ROUNDS / (now() - start) / 1e9;
			best = speed > best ? speed : best;
		}
		printf("%s %.2f\n", names[what], best);
	}
	fprintf(stderr, "%s", sum == 1 ? " " : "");
	free(a);
	free(b);
	return 0;
}
