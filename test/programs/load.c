/*
 * Something to checkpoint, of a given size, for the benchmarks: load KIND N
 * memory N MiB   maps N mappings   threads N   processes N   fds N open files   connections: prints "port N", waits for N clients
 * pause: spins and prints every gap in its own time
 * that is longer than 0.2 ms (with N MiB of memory): how long it was stopped as it sees it itself.   write: the same, writing 50 MiB of
 * its memory a second, page by page in no order.
 */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

static void *sleeper(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void memory(long mib)
{
	for (long i = 0; i < mib; i++) {
		void *at = must(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		fill(at, 1 << 20, i);
	}
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "memory";
	long n = argc > 2 ? atol(argv[2]) : 0;

	if (!strcmp(kind, "memory")) {
		memory(n);
	} else if (!strcmp(kind, "maps")) {
		for (long i = 0; i < n; i++) {
			/* every other one is read-only, so that neighbours are not merged */
			char *at = must(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
			fill(at, 4096, i);
			if (i % 2)
				must(mprotect(at, 8192, PROT_READ));
		}
	} else if (!strcmp(kind, "threads")) {
		pthread_t thread;
		pthread_attr_t small;
		pthread_attr_init(&small), pthread_attr_setstacksize(&small, 65536);
		for (long i = 0; i < n; i++)
			if (pthread_create(&thread, &small, sleeper, NULL))
				must(-1);
	} else if (!strcmp(kind, "processes")) {
		for (long i = 1; i < n; i++)
			if (must(fork()) == 0)
				sleeper(NULL);
	} else if (!strcmp(kind, "fds")) {
		struct rlimit limit = { n + 100, n + 100 };
		must(setrlimit(RLIMIT_NOFILE, &limit));
		must(close(must(open("file", O_CREAT | O_RDWR, 0600))));
		for (long i = 0; i < n; i++)
			must(open("file", O_RDONLY));
	} else if (!strcmp(kind, "connections")) {
		struct rlimit limit = { n + 100, n + 100 };
		struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t size = sizeof(a);
		int listener = must(socket(AF_INET, SOCK_STREAM, 0));

		must(setrlimit(RLIMIT_NOFILE, &limit));
		must(bind(listener, (void *)&a, size));
		must(listen(listener, n));
		must(getsockname(listener, (void *)&a, &size));
		say("port %d", ntohs(a.sin_port));
		for (long i = 0; i < n; i++)
			must(accept(listener, NULL, NULL));
	} else if (!strcmp(kind, "pause") || !strcmp(kind, "write")) {
		char *area = !strcmp(kind, "write") ? must(mmap(NULL, n << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) : NULL;
		uint64_t pages = 0, step = 0;
		if (area)
			fill(area, n << 20, 1), pages = n * 256;
		else
			memory(n);
		say("ready");
		double start = now();
		for (double last = start, next;; last = next) {
			next = now();
			/* 12,800 pages a second; what it could not write while it was stopped it leaves out */
			if (pages && (next - start) * 12800 > step) {
				step = (next - start) * 12800 + 1;
				(*(uint64_t *)(area + pattern(step, 3) % pages * 4096))++;
			}
			if (next - last > 0.0002)
				say("gap %.3f", (next - last) * 1000);
		}
	}
	sleep_ms(20);
	say("ready");
	sleeper(NULL);
}
