/* Memory: the four functions a C compiler takes for granted, and buffers that grow. */
#include "helper.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	void *d = to;
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	if ((uintptr_t)to - (uintptr_t)from >= n) return memcpy(to, from, n);
	uint8_t *d = to;
	const uint8_t *s = from;
	while (n-- > 0) d[n] = s[n];
	return to;
}

void *memset(void *to, int byte, size_t n)
{
	void *d = to;
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(byte) : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	for (size_t i = 0; i < n; i++) {
		if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
	}
	return 0;
}

struct fail buffer_reserve(struct buffer *b, uint64_t capacity)
{
	if (capacity <= b->capacity) return OK;
	uint64_t want = b->capacity * 2 > capacity ? b->capacity * 2 : capacity;
	want = ROUND_UP(want, 65536);
	int64_t at = b->capacity == 0 ? sys_mmap(0, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
				      : sys_mremap(b->data, b->capacity, want, MREMAP_MAYMOVE);
	TRY(check(SF_AT_MEMORY, 0, at));
	b->data = (uint8_t *)at;
	b->capacity = want;
	return OK;
}

struct fail buffer_append(struct buffer *b, const void *bytes, uint64_t size)
{
	TRY(buffer_reserve(b, b->size + size));
	memcpy(b->data + b->size, bytes, size);
	b->size += size;
	return OK;
}

void *buffer_extend(struct buffer *b, uint64_t size)
{
	if (buffer_reserve(b, b->size + size + 1).error != 0) return 0; /* also an empty array has an address */
	uint8_t *at = b->data + b->size;
	memset(at, 0, size);
	b->size += size;
	return at;
}

void buffer_free(struct buffer *b)
{
	if (b->capacity != 0) (void)sys_munmap(b->data, b->capacity);
	*b = (struct buffer){0, 0, 0};
}

void buffer_reset(struct buffer *b)
{
	if (b->capacity > (4u << 20)) buffer_free(b);
	b->size = 0;
}
