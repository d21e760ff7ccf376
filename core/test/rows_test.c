/* Tables of messages: each kind of column, what is absent, messages inside each other, and every way to be refused. */
#include "check.h"
#include "../rows.h"
#include "../wire.h"

#define ROOM 4096u

static uint64_t pooled(uint32_t start, uint32_t size)
{
	return (uint64_t)size << 32 | start;
}

/* Encodes into a block of exactly `room` bytes. Returns the code. */
static int encode(const struct sf_column *columns, uint32_t ncolumns, uint32_t rows, uint32_t room, uint8_t *out, uint32_t *total)
{
	static const uint8_t pool[5] = "hello";
	uint8_t *guarded = exact(pool, sizeof(pool)), *into = malloc(room + 1);
	uint32_t *sizes = malloc(4 * rows + 1), sum = 0;
	struct sf_error error = { 0 };
	int code = sf_put_rows(into, room, columns, ncolumns, guarded, sizeof(pool), rows, sizes, total, &error);
	for (uint32_t i = 0; i < rows && code == SF_E_OK; i++)
		sum += sizes[i];
	CHECK(code != SF_E_OK || sum == *total);
	CHECK(*total <= room);
	CHECK_EQ(code == SF_E_OK ? SF_E_OK : (int)error.code, code);
	if (out != NULL)
		memcpy(out, into, *total);
	free(sizes);
	free(into);
	free(guarded);
	return code;
}

static void check_bytes(const struct sf_column *columns, uint32_t ncolumns, uint32_t rows, const char *want, uint32_t size)
{
	uint8_t out[ROOM];
	uint32_t total;
	CHECK_EQ(encode(columns, ncolumns, rows, ROOM, out, &total), SF_E_OK);
	CHECK_EQ(total, size);
	CHECK(total == size && memcmp(out, want, size) == 0);
}

static void kinds(void)
{
	uint64_t numbers[3] = { 1, UINT64_MAX, 300 }, texts[3] = { pooled(0, 5), pooled(5, 0), pooled(1, 2) };
	uint8_t some[3] = { 1, 0, 1 };
	struct sf_column varint = { SF_VARINT, 8, numbers, NULL }, zigzag = { SF_ZIGZAG, 8, numbers, NULL };
	struct sf_column fixed32 = { SF_FIXED32, 13, numbers, some }, fixed64 = { SF_FIXED64, 9, numbers, some };
	struct sf_column bytes = { SF_BYTES, 16 << 3 | 2, texts, NULL }, raw = { SF_RAW, 0, texts, some };

	check_bytes(&varint, 1, 3, "\x08\x01\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x08\xac\x02", 16);
	check_bytes(&zigzag, 1, 3, "\x08\x02\x08\x01\x08\xd8\x04", 7);
	check_bytes(&fixed32, 1, 3, "\x0d\x01\0\0\0\x0d\x2c\x01\0\0", 10);
	check_bytes(&fixed64, 1, 3, "\x09\x01\0\0\0\0\0\0\0\x09\x2c\x01\0\0\0\0\0\0", 18);
	check_bytes(&bytes, 1, 3, "\x82\x01\x05hello\x82\x01\0\x82\x01\x02" "el", 16);
	check_bytes(&raw, 1, 3, "helloel", 7);

	/* numbers as they lie in memory; what does not fill one is left */
	uint64_t lists[1] = { pooled(0, 5) }, none[1] = { pooled(0, 3) };
	struct sf_column words = { SF_WORDS, 8, lists, NULL }, quads = { SF_QUADS, 8, lists, NULL }, empty = { SF_WORDS, 8, none, NULL };
	check_bytes(&words, 1, 1, "\x08\xe8\xca\xb1\xe3\x06", 6);
	check_bytes(&quads, 1, 1, "", 0);
	check_bytes(&empty, 1, 1, "", 0);
}

static void messages(void)
{
	uint64_t numbers[2] = { 7, 8 }, texts[2] = { pooled(0, 5), pooled(0, 5) };
	uint8_t first[2] = { 1, 0 };
	struct sf_column inside[] = {
		{ SF_RECORD, 0, NULL, NULL }, { SF_VARINT, 8, numbers, NULL }, { SF_OPEN, 0x12, NULL, first }, { SF_OPEN, 0x1a, NULL, NULL },
		{ SF_BYTES, 0x0a, texts, NULL }, { SF_CLOSE, 0, NULL, NULL }, { SF_CLOSE, 0, NULL, NULL }, { SF_CLOSE, 0, NULL, NULL },
	};
	check_bytes(inside, 8, 2, "\x0d\0\0\0\x08\x07\x12\x09\x1a\x07\x0a\x05hello\x02\0\0\0\x08\x08", 23);

	/* a message whose length needs two bytes is moved */
	struct sf_column wide[42] = { { SF_OPEN, 0x12, NULL, NULL } };
	for (int i = 1; i < 41; i++)
		wide[i] = (struct sf_column){ SF_RAW, 0, texts, NULL };
	wide[41].kind = SF_CLOSE;
	char want[203] = "\x12\xc8\x01";
	for (int i = 0; i < 40; i++)
		memcpy(want + 3 + 5 * i, "hello", 5);
	check_bytes(wide, 42, 1, want, 203);
}

static void refused(void)
{
	uint64_t numbers[1] = { 0 }, past[1] = { pooled(1, 5) }, far[1] = { pooled(UINT32_MAX, UINT32_MAX) };
	uint32_t total;
	struct sf_column open = { SF_OPEN, 0x12, NULL, NULL }, close = { SF_CLOSE, 0, NULL, NULL }, odd = { SF_COLUMN_KINDS, 8, numbers, NULL };
	struct sf_column outside = { SF_BYTES, 10, past, NULL }, beyond = { SF_RAW, 0, far, NULL }, number = { SF_VARINT, 8, numbers, NULL };
	struct sf_column deep[2 * SF_MAX_OPEN + 2];

	CHECK_EQ(encode(&open, 1, 1, ROOM, NULL, &total), SF_E_COLUMN_KIND);
	CHECK_EQ(encode(&close, 1, 1, ROOM, NULL, &total), SF_E_COLUMN_KIND);
	CHECK_EQ(encode(&odd, 1, 1, ROOM, NULL, &total), SF_E_COLUMN_KIND);
	CHECK_EQ(encode(&outside, 1, 1, ROOM, NULL, &total), SF_E_CAPACITY);
	CHECK_EQ(encode(&beyond, 1, 1, ROOM, NULL, &total), SF_E_CAPACITY);
	CHECK_EQ(encode(&number, 1, 1, SF_COLUMN_BOUND, NULL, &total), SF_E_OK);
	CHECK_EQ(encode(&number, 1, 1, SF_COLUMN_BOUND - 1, NULL, &total), SF_E_CAPACITY);
	past[0] = pooled(0, 5);
	outside.kind = SF_WORDS;
	CHECK_EQ(encode(&outside, 1, 1, SF_COLUMN_BOUND - 1, NULL, &total), SF_E_CAPACITY);
	past[0] = pooled(2, 4);
	CHECK_EQ(encode(&outside, 1, 1, ROOM, NULL, &total), SF_E_CAPACITY);
	for (uint32_t i = 0; i < 2 * SF_MAX_OPEN + 2; i++)
		deep[i] = i <= SF_MAX_OPEN ? open : close;
	CHECK_EQ(encode(deep, 2 * SF_MAX_OPEN + 2, 1, ROOM, NULL, &total), SF_E_CAPACITY);
	CHECK_EQ(encode(deep + 1, 2 * SF_MAX_OPEN, 1, ROOM, NULL, &total), SF_E_OK);
	CHECK_EQ(encode(NULL, 0, 3, 0, NULL, &total), SF_E_OK);
}

/* Any table of numbers is read back by the scanner as it was written. */
static void reads_back(void)
{
	uint64_t random = 3, values[4][50];
	uint8_t present[4][50], out[ROOM];
	struct sf_column columns[4];
	uint32_t sizes[50], total, at = 0, count;
	struct sf_error error = { 0 };
	for (uint32_t c = 0; c < 4; c++) {
		columns[c] = (struct sf_column){ c < 3 ? SF_VARINT : SF_FIXED64, (c + 1) << 3 | (c < 3 ? 0 : 1), values[c], present[c] };
		for (uint32_t i = 0; i < 50; i++)
			values[c][i] = next_random(&random) >> next_random(&random) % 64, present[c][i] = next_random(&random) & 1;
	}
	CHECK_EQ(sf_put_rows(out, ROOM, columns, 4, NULL, 0, 50, sizes, &total, &error), SF_E_OK);
	for (uint32_t i = 0; i < 50; at += sizes[i++]) {
		struct sf_field fields[4];
		uint32_t found = 0;
		CHECK_EQ(sf_get_fields(out + at, sizes[i], fields, 4, &count, &error), SF_E_OK);
		for (uint32_t c = 0; c < 4; c++)
			if (present[c][i])
				CHECK_EQ(fields[found++].value, values[c][i]);
		CHECK_EQ(found, count);
	}
	CHECK_EQ(at, total);
}

void test_rows(void)
{
	kinds();
	messages();
	refused();
	reads_back();
}
