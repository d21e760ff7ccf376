/*
 * What every self-verifying test program uses. The protocol, one line each on standard output:
 *   ready            state is set up; the test may checkpoint now
 *   ok WHAT          checked after the test has said go
 *   FAIL WHAT: WHY   a check that did not hold
 *   done             all checks ran (the test wants this, at least one ok, and no FAIL)
 * "go" is a file named go in the current directory: no signal, no descriptor, nothing that a checkpoint could disturb.
 */
#ifndef CHECK_H
#define CHECK_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static inline void say(const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n] = '\n';
	if (write(STDOUT_FILENO, line, n + 1) != n + 1)
		_exit(120);
}

#define ok(...) say("ok " __VA_ARGS__)
#define fail(...) say("FAIL " __VA_ARGS__)
/* check(condition, "what", "why, with values" ...) */
#define check(condition, what, ...) ((condition) ? say("ok %s", what) : say("FAIL " what ": " __VA_ARGS__))

/* For setting up: what cannot be set up is no result. */
#define must(call) \
	({ \
		__typeof__(call) must_result = (call); \
		if ((long)must_result == -1) { \
			say("FAIL setup: %s: %s (line %d)", #call, strerror(errno), __LINE__); \
			_exit(121); \
		} \
		must_result; \
	})

static inline void sleep_ms(long ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static inline void wait_for_go(void)
{
	while (access("go", F_OK))
		sleep_ms(5);
}

static inline void ready_and_wait(void)
{
	say("ready");
	wait_for_go();
}

static inline int done(void)
{
	say("done");
	return 0;
}

/* A pattern that differs for every address and seed. */
static inline uint64_t pattern(uint64_t at, uint64_t seed)
{
	uint64_t x = at * 0x9e3779b97f4a7c15ull + seed * 0xd1b54a32d192ed03ull + 1;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ull;
	return x ^ x >> 32;
}

static inline void fill(void *memory, size_t size, uint64_t seed)
{
	uint64_t *words = memory;

	for (size_t i = 0; i < size / 8; i++)
		words[i] = pattern(i, seed);
}

/* Offset of the first wrong byte, or -1. */
static inline long differs(const void *memory, size_t size, uint64_t seed)
{
	const uint64_t *words = memory;

	for (size_t i = 0; i < size / 8; i++)
		if (words[i] != pattern(i, seed))
			return i * 8;
	return -1;
}

/* Reads a whole file of /proc into a buffer of the caller; NUL-terminated. */
static inline size_t slurp(const char *path, char *buffer, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	ssize_t n;

	if (fd < 0)
		return buffer[0] = 0, 0;
	while (got < size - 1 && (n = read(fd, buffer + got, size - 1 - got)) > 0)
		got += n;
	close(fd);
	buffer[got] = 0;
	return got;
}
#endif
