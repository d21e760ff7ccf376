/* Fuzzes the checksums: in pieces they are what they are over the whole, wherever the cuts are. */
#include <stdlib.h>
#include <string.h>
#include "../checksum.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sf_xxh64 whole = { 0 }, pieces = { 0 };
	uint32_t crc = 0;
	sf_xxh64_update(&whole, data, (uint32_t)size);
	/* each piece is as long as the byte before it says */
	for (size_t at = 0; at < size;) {
		size_t piece = at == 0 ? 1 : data[at - 1] + 1u;
		if (piece > size - at)
			piece = size - at;
		uint8_t *copy = malloc(piece);
		memcpy(copy, data + at, piece);
		sf_xxh64_update(&pieces, copy, (uint32_t)piece);
		crc = sf_crc32(crc, copy, (uint32_t)piece);
		free(copy);
		at += piece;
	}
	REQUIRE(sf_xxh64_digest(&pieces) == sf_xxh64_digest(&whole));
	REQUIRE(crc == sf_crc32(0, data, (uint32_t)size));
	return 0;
}
