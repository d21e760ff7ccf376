/* Fuzzes tapes: whatever the bytes, what is on a tape lies in the file, and fits the room there is. */
#include <stdlib.h>
#include "../container.h"
#include "../tape.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One message for all: in it are numbers (1 to 7), bytes (8), itself (9), and lists of all of those (10 to 15). */
#define LIMIT 16
/* The list whose message is not always described. */
#define OPEN 14
static const uint8_t KINDS[LIMIT] = {
	0, SF_TAPE_INT32, SF_TAPE_SINT32, SF_TAPE_BOOL, SF_TAPE_INT64, SF_TAPE_SINT64, SF_TAPE_FIXED32, SF_TAPE_FIXED64, SF_TAPE_BYTES, SF_TAPE_MESSAGE,
	SF_TAPE_INT32, SF_TAPE_INT64, SF_TAPE_BYTES, SF_TAPE_MESSAGE, SF_TAPE_MESSAGE, SF_TAPE_SINT32,
};

struct reader { const uint32_t *words; uint32_t at, longs, size; };

static void check_span(struct reader *reader)
{
	uint32_t offset = reader->words[reader->at++], size = reader->words[reader->at++];
	REQUIRE(offset <= reader->size && size <= reader->size - offset);
}

static void check_contents(struct reader *reader)
{
	for (uint32_t left = reader->words[reader->at++]; left > 0; left--) {
		uint32_t item = reader->words[reader->at++], kind = KINDS[item & 0xff];
		REQUIRE((item & 0xff) < LIMIT && kind != 0 && item >> 8 != 0 && ((item & 0xff) >= 10 || item >> 8 == 1));
		for (uint32_t n = item >> 8; n > 0; n--) {
			if (kind == SF_TAPE_INT64 || kind == SF_TAPE_SINT64 || kind == SF_TAPE_FIXED64)
				reader->longs++;
			else if (kind == SF_TAPE_MESSAGE)
				check_contents(reader);
			else if (kind == SF_TAPE_BYTES)
				check_span(reader);
			else
				reader->at++;
		}
	}
}

static void check(const uint8_t *file, uint32_t size, uint32_t offset, uint32_t room, bool described, bool required)
{
	uint32_t schema[1 + 3 + 2 * LIMIT] = { 0, LIMIT, required ? 2 : 0, 0 };
	struct sf_tape tape;
	for (uint32_t number = 1; number < LIMIT; number++) {
		schema[4 + 2 * number] = KINDS[number] | number << 8 | (number >= 10 ? 0x10000 : 0);
		schema[5 + 2 * number] = KINDS[number] == SF_TAPE_MESSAGE && (number != OPEN || described);
	}
	uint32_t *words = malloc(4 * (size_t)room + 1);
	uint64_t *longs = malloc(8 * (size_t)room + 1);
	uint32_t end = sf_get_tape(file, size, offset, schema, 1, 1, words, room, longs, room, &tape);
	REQUIRE(tape.count <= room && tape.longs <= room);
	if (end == SF_TAPE_UNKNOWN)
		REQUIRE(tape.field == 4 + 2 * OPEN && !described);
	if (end == SF_TAPE_OK) {
		struct reader reader = { words, 0, 0, size };
		for (uint32_t i = 0; i < tape.records; i++)
			check_contents(&reader);
		REQUIRE(reader.at == tape.count && reader.longs == tape.longs);
	}
	free(words);
	free(longs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sf_header header;
	struct sf_error error;
	if (sf_get_header(data, size, &header, &error) != SF_E_OK)
		return 0;
	check(data, (uint32_t)size, header.size, (uint32_t)size * 4, true, false);
	check(data, (uint32_t)size, header.size, (uint32_t)size * 4, false, true);
	check(data, (uint32_t)size, header.size, (uint32_t)size / 4, true, false);
	return 0;
}
