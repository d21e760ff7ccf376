/* Wire scanning: rows of good and bad messages, every cut, every varint length. */
#include "check.h"
#include "../container.h"
#include "../wire.h"

static void varints(void)
{
	uint64_t random = 1;
	for (int bits = 0; bits <= 64; bits++) {
		for (int i = 0; i < 200; i++) {
			uint64_t value = bits == 0 ? 0 : next_random(&random) >> (64 - bits), got = ~value;
			uint8_t buffer[SF_MAX_VARINT];
			uint32_t size = sf_put_varint(buffer, value), at = 0;
			struct sf_error error;
			uint8_t *bytes = exact(buffer, size);
			CHECK_EQ(sf_get_varint(bytes, size, &at, &got, &error), SF_E_OK);
			CHECK_EQ(got, value);
			CHECK_EQ(at, size);
			for (uint32_t cut = 0; cut < size; cut++) {
				at = 0;
				CHECK_EQ(sf_get_varint(bytes, cut, &at, &got, &error), SF_E_VARINT_SHORT);
				CHECK_EQ(at, 0);
			}
			free(bytes);
		}
	}
}

#define ROW(code, offset, ...) { code, offset, sizeof((uint8_t[]){ __VA_ARGS__ }), { __VA_ARGS__ } }

static void rows(void)
{
	static const struct {
		int code;
		uint32_t offset, size;
		uint8_t bytes[24];
	} table[] = {
		{ SF_E_OK, 0, 0, { 0 } },
		ROW(SF_E_OK, 0, 0x08, 0x96, 0x01),
		ROW(SF_E_OK, 0, 0x0a, 0x00),
		ROW(SF_E_OK, 0, 0x09, 1, 2, 3, 4, 5, 6, 7, 8),
		ROW(SF_E_OK, 0, 0x0d, 1, 2, 3, 4),
		ROW(SF_E_OK, 0, 0x08, 0x80, 0x00),                                    /* a padded zero is well-formed */
		ROW(SF_E_OK, 0, 0xf8, 0xff, 0xff, 0xff, 0x0f, 0x00),                  /* the largest field number */
		ROW(SF_E_OK, 0, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
		ROW(SF_E_VARINT_SHORT, 1, 0x08),
		ROW(SF_E_VARINT_SHORT, 1, 0x08, 0x80),
		ROW(SF_E_VARINT_SHORT, 3, 0x08, 0x01, 0x12, 0x80),
		ROW(SF_E_VARINT_LONG, 1, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02),
		ROW(SF_E_VARINT_LONG, 1, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x00),
		ROW(SF_E_TAG_NUMBER, 0, 0x00, 0x00),
		ROW(SF_E_TAG_NUMBER, 2, 0x08, 0x01, 0x07),
		ROW(SF_E_TAG_NUMBER, 0, 0x80, 0x80, 0x80, 0x80, 0x10, 0x00),          /* number 2^29 */
		ROW(SF_E_WIRE_GROUP, 0, 0x0b),
		ROW(SF_E_WIRE_GROUP, 2, 0x08, 0x01, 0x0c),
		ROW(SF_E_WIRE_TYPE, 0, 0x0e),
		ROW(SF_E_WIRE_TYPE, 0, 0x0f),
		ROW(SF_E_FIELD_SHORT, 0, 0x0a, 0x02, 0x00),
		ROW(SF_E_FIELD_SHORT, 0, 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
		ROW(SF_E_FIELD_SHORT, 0, 0x09, 1, 2, 3, 4, 5, 6, 7),
		ROW(SF_E_FIELD_SHORT, 0, 0x0d, 1, 2, 3),
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct sf_error error = { 0 };
		uint32_t count;
		uint8_t *message = exact(table[i].bytes, table[i].size);
		int code = sf_get_fields(message, table[i].size, NULL, 0, &count, &error);
		if (code != table[i].code)
			fprintf(stderr, "row %zu: %s\n", i, sf_error_name((uint32_t)code));
		CHECK_EQ(code, table[i].code);
		if (code != SF_E_OK)
			CHECK_EQ(error.offset, table[i].offset);
		free(message);
	}
}

static void fields(void)
{
	static const uint8_t message[] = { 0x08, 0x96, 0x01, 0x12, 0x03, 'a', 'b', 'c', 0x1d, 1, 0, 0, 0x80, 0x21, 8, 7, 6, 5, 4, 3, 2, 1 };
	static const struct sf_field want[] = {
		{ 1, SF_WIRE_VARINT, 1, 2, 150 },
		{ 2, SF_WIRE_LEN, 5, 3, 0 },
		{ 3, SF_WIRE_I32, 9, 4, 0x80000001u },
		{ 4, SF_WIRE_I64, 14, 8, 0x0102030405060708u },
	};
	static const uint32_t ends[] = { 0, 3, 8, 13, 22 };
	struct sf_field got[4];
	struct sf_error error;
	uint32_t count;
	CHECK_EQ(sf_get_fields(message, sizeof(message), got, 4, &count, &error), SF_E_OK);
	CHECK_EQ(count, 4);
	CHECK(memcmp(got, want, sizeof(want)) == 0);
	CHECK_EQ(sf_get_fields(message, sizeof(message), got, 3, &count, &error), SF_E_TABLE_FULL);
	CHECK_EQ(error.offset, 13);
	for (uint32_t cut = 0; cut <= sizeof(message); cut++) {
		uint8_t *bytes = exact(message, cut);
		uint32_t good = 0;
		while (good < 4 && ends[good + 1] <= cut)
			good++;
		int code = sf_get_fields(bytes, cut, got, 4, &count, &error);
		CHECK_EQ(code == SF_E_OK, cut == ends[good]);
		CHECK_EQ(count, good);
		free(bytes);
	}
}

static void many(void)
{
	static const uint8_t file[] = { 0xff, 0x08, 0x01, 0xff, 0xff, 0x08 };
	struct sf_record records[2] = { { 1, 2, 0 }, { 5, 1, 0 } };
	struct sf_error error;
	CHECK_EQ(sf_check_messages(file, records, 1, &error), SF_E_OK);
	CHECK_EQ(sf_check_messages(file, records, 2, &error), SF_E_VARINT_SHORT);
	CHECK_EQ(error.record, 1);
	CHECK_EQ(error.offset, 6);
}

void test_wire(void)
{
	varints();
	rows();
	fields();
	many();
}
