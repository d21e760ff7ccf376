/* Checksums of compressed archives: see checksum.h. */
#include "checksum.h"

#define POLYNOMIAL 0xedb88320u

/* tables[k][b]: the CRC of byte b with k zero bytes behind it, so that eight bytes take eight look-ups that do not wait for each other. */
static uint32_t tables[8][256];

static void make_tables(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t crc = b;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		tables[0][b] = crc;
	}
	for (uint32_t b = 0; b < 256; b++)
		for (int k = 1; k < 8; k++)
			tables[k][b] = tables[k - 1][b] >> 8 ^ tables[0][tables[k - 1][b] & 255];
}

static uint64_t word64(const uint8_t *at)
{
	uint64_t word;
	__builtin_memcpy(&word, at, sizeof(word));
	return word;
}

static uint32_t word32(const uint8_t *at)
{
	uint32_t word;
	__builtin_memcpy(&word, at, sizeof(word));
	return word;
}

uint32_t sf_crc32(uint32_t crc, const uint8_t *bytes, uint32_t size)
{
	if (tables[0][1] == 0)
		make_tables();
	crc = ~crc;
	for (; size >= 8; size -= 8, bytes += 8) {
		uint64_t word = word64(bytes) ^ crc;
		crc = 0;
		for (int k = 0; k < 8; k++)
			crc ^= tables[7 - k][word >> 8 * k & 255];
	}
	for (; size > 0; size--, bytes++)
		crc = crc >> 8 ^ tables[0][(crc ^ *bytes) & 255];
	return ~crc;
}

#define PRIME1 0x9e3779b185ebca87u
#define PRIME2 0xc2b2ae3d27d4eb4fu
#define PRIME3 0x165667b19e3779f9u
#define PRIME4 0x85ebca77c2b2ae63u
#define PRIME5 0x27d4eb2f165667c5u

static uint64_t rotate(uint64_t word, int bits)
{
	return word << bits | word >> (64 - bits);
}

static uint64_t mix(uint64_t lane, uint64_t word)
{
	return rotate(lane + word * PRIME2, 31) * PRIME1;
}

static void stripe(uint64_t lanes[4], const uint8_t *bytes)
{
	for (int i = 0; i < 4; i++)
		lanes[i] = mix(lanes[i], word64(bytes + 8 * i));
}

void sf_xxh64_update(struct sf_xxh64 *state, const uint8_t *bytes, uint32_t size)
{
	if (state->total == 0) {
		state->lanes[0] = PRIME1 + PRIME2;
		state->lanes[1] = PRIME2;
		state->lanes[2] = 0;
		state->lanes[3] = 0 - PRIME1;
	}
	uint32_t waiting = state->total & 31;
	state->total += size;
	if (waiting > 0) {
		for (; waiting < 32 && size > 0; size--)
			state->waiting[waiting++] = *bytes++;
		if (waiting < 32)
			return;
		stripe(state->lanes, state->waiting);
	}
	for (; size >= 32; size -= 32, bytes += 32)
		stripe(state->lanes, bytes);
	for (uint32_t i = 0; i < size; i++)
		state->waiting[i] = bytes[i];
}

uint64_t sf_xxh64_digest(const struct sf_xxh64 *state)
{
	const uint64_t *lanes = state->lanes;
	uint64_t hash = PRIME5;
	if (state->total >= 32) {
		hash = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
		for (int i = 0; i < 4; i++)
			hash = (hash ^ mix(0, lanes[i])) * PRIME1 + PRIME4;
	}
	hash += state->total;
	const uint8_t *at = state->waiting;
	uint32_t left = state->total & 31;
	for (; left >= 8; left -= 8, at += 8)
		hash = rotate(hash ^ mix(0, word64(at)), 27) * PRIME1 + PRIME4;
	if (left >= 4) {
		hash = rotate(hash ^ word32(at) * PRIME1, 23) * PRIME2 + PRIME3;
		at += 4;
		left -= 4;
	}
	for (; left > 0; left--)
		hash = rotate(hash ^ *at++ * PRIME5, 11) * PRIME1;
	hash = (hash ^ hash >> 33) * PRIME2;
	hash = (hash ^ hash >> 29) * PRIME3;
	return hash ^ hash >> 32;
}
