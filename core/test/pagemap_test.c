/* Page maps: what each mixture of fields means, marks for what makes no sense, encode and decode of random maps, every cut. */
#include "check.h"
#include "../container.h"
#include "../pagemap.h"
#include "../wire.h"

#define MAX 64

struct columns {
	uint64_t vaddr[MAX], nr_pages[MAX], offset[MAX];
	uint32_t flags[MAX], marks[MAX];
};

static struct sf_pagemap over(struct columns *c, uint32_t capacity)
{
	return (struct sf_pagemap){ c->vaddr, c->nr_pages, c->offset, c->flags, c->marks, capacity, 0, 0, 0 };
}

/* Appends a record made of `n` (number, value) varint fields. */
static uint32_t put_record(uint8_t *file, uint32_t at, const uint64_t (*fields)[2], size_t n)
{
	uint32_t start = at;
	at += 4;
	for (size_t i = 0; i < n; i++) {
		at += sf_put_varint(file + at, fields[i][0] << 3);
		at += sf_put_varint(file + at, fields[i][1]);
	}
	sf_store32(file + start, at - start - 4);
	return at;
}

static uint32_t put_head(uint8_t *file)
{
	return put_record(file, sf_put_header(file, SF_HEADER_COMMON, SF_MAGIC_PAGEMAP), (const uint64_t[][2]){ { 1, 7 } }, 1);
}

#define FIELDS(...) ((const uint64_t[][2]){ __VA_ARGS__ }), sizeof((const uint64_t[][2]){ __VA_ARGS__ }) / 16

static void meaning(void)
{
	uint8_t file[1024];
	uint32_t at = put_head(file);
	at = put_record(file, at, FIELDS({ 1, 0x1000 }, { 2, 2 }));                               /* old: no flags */
	at = put_record(file, at, FIELDS({ 1, 0x4000 }, { 2, 1 }, { 3, 1 }));                     /* old: in parent */
	at = put_record(file, at, FIELDS({ 1, 0x5000 }, { 2, 3 }, { 3, 0 }, { 4, 6 }));           /* in_parent written as false */
	at = put_record(file, at, FIELDS({ 1, 0x8000 }, { 2, 0 }, { 4, 2 }, { 5, 4 }));           /* lazy only */
	at = put_record(file, at, FIELDS({ 1, 0xc000 }, { 2, 9 }, { 4, 4 }, { 5, 1 }));           /* nr_pages wins */
	at = put_record(file, at, FIELDS({ 5, 1 }, { 4, 4 }, { 2, 0 }, { 1, 0xd000 }, { 9, 5 })); /* any order; a later field */
	at = put_record(file, at, FIELDS({ 1, 1 }, { 1, 0xe000 }, { 2, 1 }, { 4, 4 }));           /* the last of a field counts */
	static const struct {
		uint64_t vaddr, nr_pages, offset;
		uint32_t flags, marks;
	} want[] = {
		{ 0x1000, 2, 0, 4, 0 },
		{ 0x4000, 1, 0x2000, 1, SF_MARK_IN_PARENT },
		{ 0x5000, 3, 0x2000, 6, SF_MARK_IN_PARENT | SF_MARK_FLAGS },
		{ 0x8000, 4, 0x5000, 2, SF_MARK_FLAGS | SF_MARK_NR_PAGES },
		{ 0xc000, 1, 0x5000, 4, SF_MARK_FLAGS | SF_MARK_NR_PAGES },
		{ 0xd000, 1, 0x6000, 4, SF_MARK_FLAGS | SF_MARK_NR_PAGES | SF_MARK_UNKNOWN },
		{ 0xe000, 1, 0x7000, 4, SF_MARK_FLAGS },
	};
	struct columns c;
	struct sf_pagemap map = over(&c, MAX);
	struct sf_error error;
	CHECK_EQ(sf_get_pagemap(file, at, 8, 4096, &map, &error), SF_E_OK);
	CHECK_EQ(map.count, 7);
	CHECK_EQ(map.pages_id, 7);
	CHECK_EQ(map.all_marks, 15);
	for (uint32_t i = 0; i < 7; i++) {
		CHECK_EQ(c.vaddr[i], want[i].vaddr);
		CHECK_EQ(c.nr_pages[i], want[i].nr_pages);
		CHECK_EQ(c.offset[i], want[i].offset);
		CHECK_EQ(c.flags[i], want[i].flags);
		CHECK_EQ(c.marks[i], want[i].marks);
	}
	map = over(&c, 6);
	CHECK_EQ(sf_get_pagemap(file, at, 8, 4096, &map, &error), SF_E_TABLE_FULL);
	CHECK_EQ(sf_get_pagemap(file, at, 8, 4095, &map, &error), SF_E_PAGE_SIZE);
	CHECK_EQ(sf_get_pagemap(file, at, 8, 131072, &map, &error), SF_E_PAGE_SIZE);
	CHECK_EQ(sf_get_pagemap(file, 8, 8, 4096, &map, &error), SF_E_PAGEMAP_NO_HEAD);
}

static void nonsense(void)
{
	static const struct {
		uint64_t vaddr, nr_pages;
		uint32_t marks;
	} rows[] = {
		{ 0x10000, 4, 0 },
		{ 0x14000, 0, SF_MARK_EMPTY },
		{ 0x13000, 2, SF_MARK_UNORDERED | SF_MARK_OVERLAP },
		{ 0x14800, 1, SF_MARK_UNALIGNED | SF_MARK_OVERLAP },
		{ 0x20000, (uint64_t)1 << 52, SF_MARK_OVERFLOW },
		{ 0x30000, 1, SF_MARK_OVERLAP },
		{ UINT64_MAX - 4095, 1, SF_MARK_OVERFLOW | SF_MARK_OVERLAP },
		{ 0x1000, UINT64_MAX, SF_MARK_OVERFLOW | SF_MARK_UNORDERED | SF_MARK_OVERLAP },
	};
	uint8_t file[1024];
	uint32_t at = put_head(file);
	for (size_t i = 0; i < 8; i++)
		at = put_record(file, at, FIELDS({ 1, rows[i].vaddr }, { 2, 0 }, { 4, SF_PAGE_PARENT }, { 5, rows[i].nr_pages }));
	struct columns c;
	struct sf_pagemap map = over(&c, MAX);
	struct sf_error error;
	CHECK_EQ(sf_get_pagemap(file, at, 8, 4096, &map, &error), SF_E_OK);
	for (size_t i = 0; i < 8; i++)
		CHECK_EQ(c.marks[i] & SF_MARKS_BAD, rows[i].marks);
}

static void refused(void)
{
	static const struct {
		int code;
		size_t n;
		uint64_t fields[3][2];
	} rows[] = {
		{ SF_E_FIELD_MISSING, 1, { { 1, 0x1000 } } },
		{ SF_E_FIELD_MISSING, 1, { { 2, 1 } } },
		{ SF_E_FIELD_MISSING, 0, { { 0, 0 } } },
		{ SF_E_FIELD_RANGE, 2, { { 1, 0x1000 }, { 2, (uint64_t)1 << 32 } } },
		{ SF_E_FIELD_RANGE, 3, { { 1, 0x1000 }, { 2, 1 }, { 4, (uint64_t)1 << 32 } } },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t file[256];
		uint32_t head = put_head(file), at = put_record(file, head, rows[i].fields, rows[i].n);
		struct columns c;
		struct sf_pagemap map = over(&c, MAX);
		struct sf_error error;
		CHECK_EQ(sf_get_pagemap(file, at, 8, 4096, &map, &error), rows[i].code);
		CHECK_EQ(error.record, 1);
		CHECK(error.offset > head && error.offset <= at);
	}
	/* vaddr as a string; a head without pages_id */
	static const uint8_t string[] = { 2, 0, 0, 0, 0x08, 1, 2, 0, 0, 0, 0x0a, 0 }, headless[] = { 0, 0, 0, 0 };
	struct columns c;
	struct sf_pagemap map = over(&c, MAX);
	struct sf_error error;
	CHECK_EQ(sf_get_pagemap(string, sizeof(string), 0, 4096, &map, &error), SF_E_FIELD_KIND);
	CHECK_EQ(error.offset, 12);
	CHECK_EQ(sf_get_pagemap(headless, sizeof(headless), 0, 4096, &map, &error), SF_E_FIELD_MISSING);
}

static void round_trips(void)
{
	uint64_t random = 42;
	for (int turn = 0; turn < 300; turn++) {
		struct columns in, out;
		uint32_t count = (uint32_t)(next_random(&random) % (MAX + 1)), page_shift = 12 + 4 * (turn % 2);
		uint64_t at = 0, present = 0;
		for (uint32_t i = 0; i < count; i++) {
			at += next_random(&random) >> (24 + next_random(&random) % 40) << page_shift;
			in.vaddr[i] = at;
			in.nr_pages[i] = 1 + (next_random(&random) >> (44 + next_random(&random) % 20));
			in.flags[i] = (uint32_t)(next_random(&random) % 8);
			in.offset[i] = present;
			present += in.flags[i] & SF_PAGE_PRESENT ? in.nr_pages[i] << page_shift : 0;
			at += in.nr_pages[i] << page_shift;
		}
		uint8_t *file = malloc(SF_PAGEMAP_BOUND(count));
		uint32_t size = sf_put_pagemap(file, (uint32_t)next_random(&random), in.vaddr, in.nr_pages, in.flags, count);
		struct sf_pagemap map = over(&out, count);
		struct sf_error error;
		CHECK(size <= SF_PAGEMAP_BOUND(count));
		uint8_t *cut = exact(file, size);
		CHECK_EQ(sf_get_pagemap(cut, size, 8, 1u << page_shift, &map, &error), SF_E_OK);
		CHECK_EQ(map.count, count);
		CHECK_EQ(map.all_marks & SF_MARKS_BAD, 0);
		CHECK(memcmp(in.vaddr, out.vaddr, 8 * count) == 0 && memcmp(in.nr_pages, out.nr_pages, 8 * count) == 0);
		CHECK(memcmp(in.flags, out.flags, 4 * count) == 0 && memcmp(in.offset, out.offset, 8 * count) == 0);
		free(cut);
		for (uint32_t n = 9; n < size && turn < 20; n++) {
			cut = exact(file, n);
			map = over(&out, count);
			int code = sf_get_pagemap(cut, n, 8, 4096, &map, &error);
			CHECK(code == SF_E_OK || code == SF_E_RECORD_SHORT || code == SF_E_RECORD_SIZE_SHORT);
			free(cut);
		}
		free(file);
	}
}

void test_pagemap(void)
{
	meaning();
	nonsense();
	refused();
	round_trips();
}
