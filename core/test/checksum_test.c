/* Checksums against published values, and in pieces against whole. */
#include "check.h"
#include "../checksum.h"

static uint64_t xxh64(const void *bytes, uint32_t size)
{
	struct sf_xxh64 state = { 0 };
	sf_xxh64_update(&state, bytes, size);
	return sf_xxh64_digest(&state);
}

void test_checksum(void)
{
	uint64_t random = 7;
	uint8_t bytes[1000];
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)next_random(&random);

	/* the check value of CRC-32/ISO-HDLC; XXH64 as `xxhsum -H64` prints it */
	CHECK_EQ(sf_crc32(0, (const uint8_t *)"123456789", 9), 0xcbf43926u);
	CHECK_EQ(sf_crc32(0, bytes, 0), 0);
	CHECK_EQ(xxh64("", 0), 0xef46db3751d8e999u);
	CHECK_EQ(xxh64("a", 1), 0xd24ec4f1a98c6e5bu);
	CHECK_EQ(xxh64("abc", 3), 0x44bc2cf5ad770999u);

	for (uint32_t size = 0; size < sizeof(bytes); size += 37) {
		uint8_t *copy = exact(bytes, size);
		uint32_t crc = 0;
		struct sf_xxh64 state = { 0 };
		for (uint32_t at = 0; at < size;) {
			uint32_t piece = (uint32_t)(next_random(&random) % 70) + 1;
			if (piece > size - at)
				piece = size - at;
			crc = sf_crc32(crc, copy + at, piece);
			sf_xxh64_update(&state, copy + at, piece);
			at += piece;
		}
		CHECK_EQ(crc, sf_crc32(0, copy, size));
		CHECK_EQ(sf_xxh64_digest(&state), xxh64(copy, size));
		free(copy);
	}
}
