/* What the native tests share: checks that count, a reproducible random sequence, exact-size buffers that ASan guards. */
#ifndef SF_TEST_CHECK_H
#define SF_TEST_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../sf.h"

extern unsigned checks_passed, checks_failed;

#define CHECK(condition) \
	do { \
		if (condition) \
			checks_passed++; \
		else if (++checks_failed <= 20) \
			fprintf(stderr, "FAIL %s:%d %s\n", __FILE__, __LINE__, #condition); \
	} while (0)

/* CHECK(a == b) that prints both. */
#define CHECK_EQ(a, b) \
	do { \
		unsigned long long left_ = (unsigned long long)(a), right_ = (unsigned long long)(b); \
		if (left_ == right_) \
			checks_passed++; \
		else if (++checks_failed <= 20) \
			fprintf(stderr, "FAIL %s:%d %s is %llu, %s is %llu\n", __FILE__, __LINE__, #a, left_, #b, right_); \
	} while (0)

/* xorshift64*: the same sequence on every run. */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1du;
}

/* A copy in a block of exactly that size. */
static inline uint8_t *exact(const void *bytes, size_t size)
{
	uint8_t *copy = malloc(size == 0 ? 1 : size);
	if (copy == NULL)
		abort();
	memcpy(copy, bytes, size);
	return copy;
}

void test_container(void);
void test_wire(void);
void test_pagemap(void);
void test_rows(void);
void test_ranges(void);
void test_pagehash(void);
void test_pagediff(void);
void test_checksum(void);
void test_tape(void);

#endif
