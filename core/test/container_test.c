/* Container framing: every kind of header, every cut of a file, sizes that lie. */
#include "check.h"
#include "../container.h"

static void headers(void)
{
	static const struct {
		uint32_t first, kind, size;
	} rows[] = {
		{ SF_MAGIC_COMMON, SF_HEADER_COMMON, 8 },
		{ SF_MAGIC_SERVICE, SF_HEADER_SERVICE, 8 },
		{ 0x58313116u, SF_HEADER_PLAIN, 4 },
	};
	for (size_t i = 0; i < 3; i++) {
		uint8_t bytes[8];
		struct sf_header header;
		struct sf_error error;
		uint32_t own = rows[i].kind == SF_HEADER_PLAIN ? rows[i].first : 0x56084025u;
		CHECK_EQ(sf_put_header(bytes, rows[i].kind, own), rows[i].size);
		CHECK_EQ(sf_load32(bytes), rows[i].first);
		for (uint32_t cut = 0; cut <= rows[i].size; cut++) {
			uint8_t *file = exact(bytes, cut);
			int code = sf_get_header(file, cut, &header, &error);
			if (cut < rows[i].size) {
				CHECK_EQ(code, SF_E_HEADER_SHORT);
				CHECK_EQ(error.offset, cut);
				CHECK_EQ(error.want, cut < 4 ? 4 : 8);
			} else {
				CHECK_EQ(code, SF_E_OK);
				CHECK_EQ(header.kind, rows[i].kind);
				CHECK_EQ(header.magic, own);
				CHECK_EQ(header.size, rows[i].size);
			}
			free(file);
		}
	}
}

/* Records of 3, 0 and 200 bytes behind a header of 8. */
static uint32_t make_file(uint8_t *file)
{
	static const uint32_t sizes[] = { 3, 0, 200 };
	struct sf_error error;
	uint8_t fields[12];
	CHECK_EQ(sf_put_sizes(fields, sizes, 3, &error), SF_E_OK);
	uint32_t at = sf_put_header(file, SF_HEADER_COMMON, 1);
	for (int i = 0; i < 3; i++) {
		memcpy(file + at, fields + 4 * i, 4);
		memset(file + at + 4, 0xaa, sizes[i]);
		at += 4 + sizes[i];
	}
	return at;
}

static void every_cut(void)
{
	uint8_t whole[256];
	uint32_t size = make_file(whole);
	static const uint32_t starts[] = { 8, 15, 19, 223 };
	for (uint32_t cut = 8; cut <= size; cut++) {
		uint8_t *file = exact(whole, cut);
		struct sf_record table[3];
		struct sf_error error;
		uint32_t count = 99, good = 0;
		while (good < 3 && starts[good + 1] <= cut)
			good++;
		int code = sf_get_records(file, cut, 8, table, 3, &count, &error);
		CHECK_EQ(count, good);
		if (cut == starts[good]) {
			CHECK_EQ(code, SF_E_OK);
		} else {
			CHECK_EQ(code, cut - starts[good] < 4 ? SF_E_RECORD_SIZE_SHORT : SF_E_RECORD_SHORT);
			CHECK_EQ(error.offset, starts[good]);
			CHECK_EQ(error.record, good);
			CHECK_EQ(error.got, cut - starts[good] < 4 ? cut - starts[good] : cut - starts[good] - 4);
		}
		for (uint32_t i = 0; i < good; i++) {
			CHECK_EQ(table[i].offset, starts[i] + 4);
			CHECK_EQ(table[i].size, starts[i + 1] - starts[i] - 4);
		}
		free(file);
	}
}

static void limits(void)
{
	uint8_t file[256];
	uint32_t size = make_file(file), count, sizes[2] = { 5, SF_MAX_MESSAGE + 1 };
	struct sf_record table[3], record;
	struct sf_error error;
	CHECK_EQ(sf_get_records(file, size, 8, table, 2, &count, &error), SF_E_TABLE_FULL);
	CHECK_EQ(sf_get_records(file, size, 8, NULL, 0, &count, &error), SF_E_OK);
	CHECK_EQ(count, 3);
	CHECK_EQ(sf_get_records(file, 8, 8, NULL, 0, &count, &error), SF_E_OK);
	CHECK_EQ(count, 0);
	CHECK_EQ(sf_get_records(file, 8, 9, NULL, 0, &count, &error), SF_E_RECORD_SIZE_SHORT);
	/* A window far inside a file that is larger than 4 GiB. */
	uint64_t far = (uint64_t)5 << 30;
	sf_store32(file, SF_MAX_MESSAGE);
	CHECK_EQ(sf_get_record(file, far, far + 4 + SF_MAX_MESSAGE, &record, &error), SF_E_OK);
	CHECK_EQ(record.offset, far + 4);
	CHECK_EQ(record.size, SF_MAX_MESSAGE);
	CHECK_EQ(sf_get_record(file, far, far + 3 + SF_MAX_MESSAGE, &record, &error), SF_E_RECORD_SHORT);
	sf_store32(file, SF_MAX_MESSAGE + 1);
	CHECK_EQ(sf_get_record(file, far, UINT64_MAX, &record, &error), SF_E_RECORD_TOO_LARGE);
	CHECK_EQ(error.offset, far);
	CHECK_EQ(sf_get_record(file, far, far, &record, &error), SF_E_OK);
	CHECK_EQ(record.offset, 0);
	CHECK_EQ(sf_put_sizes(file, sizes, 2, &error), SF_E_RECORD_TOO_LARGE);
	CHECK_EQ(error.record, 1);
}

static void texts(void)
{
	for (uint32_t code = 0; code < SF_E_COUNT; code++) {
		CHECK(strlen(sf_error_name(code)) > 1);
		CHECK(strlen(sf_error_text(code)) > 4);
	}
	CHECK_EQ(strlen(sf_error_name(SF_E_COUNT)), 0);
	CHECK_EQ(strlen(sf_error_text(UINT32_MAX)), 0);
}

void test_container(void)
{
	headers();
	every_cut();
	limits();
	texts();
}
