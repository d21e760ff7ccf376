/* Reads the records of an image into a tape; see tape.h for the grammar. */
#include "tape.h"
#include "container.h"
#include "wire.h"

#define PLACE(what) ((what) >> 8 & 0xff)
#define REPEATED 0x10000u
#define MESSAGE_WORDS 3
#define MAX_RUN 0xffffffu

struct walk {
	const uint8_t *file;
	const uint32_t *schema;
	uint32_t *words, capacity;
	uint64_t *longs;
	uint32_t long_capacity, depth;
	struct sf_tape *tape;
};

static const uint8_t WIRE[SF_TAPE_KINDS] = {
	[SF_TAPE_INT32] = SF_WIRE_VARINT, [SF_TAPE_SINT32] = SF_WIRE_VARINT, [SF_TAPE_BOOL] = SF_WIRE_VARINT,
	[SF_TAPE_INT64] = SF_WIRE_VARINT, [SF_TAPE_SINT64] = SF_WIRE_VARINT, [SF_TAPE_FIXED32] = SF_WIRE_I32,
	[SF_TAPE_FIXED64] = SF_WIRE_I64,  [SF_TAPE_BYTES] = SF_WIRE_LEN,     [SF_TAPE_MESSAGE] = SF_WIRE_LEN,
};

static uint32_t put(struct walk *walk, uint32_t word)
{
	if (walk->tape->count >= walk->capacity)
		return SF_TAPE_UNFIT;
	walk->words[walk->tape->count++] = word;
	return SF_TAPE_OK;
}

static uint32_t put_long(struct walk *walk, uint64_t value)
{
	if (walk->tape->longs >= walk->long_capacity)
		return SF_TAPE_UNFIT;
	walk->longs[walk->tape->longs++] = value;
	return SF_TAPE_OK;
}

static uint32_t read_contents(struct walk *walk, uint32_t message, uint32_t at, uint32_t end);

/* @at: index of the field in the schema */
static uint32_t read_inner(struct walk *walk, uint32_t at, const struct sf_field *field)
{
	uint32_t inner = walk->schema[at + 1];
	if (inner == 0) {
		walk->tape->field = at;
		return SF_TAPE_UNKNOWN;
	}
	return read_contents(walk, inner, field->offset, field->offset + field->size);
}

static uint32_t read_value(struct walk *walk, uint32_t kind, uint32_t at, const struct sf_field *field)
{
	uint64_t value = field->value;
	switch (kind) {
	case SF_TAPE_INT32:
	case SF_TAPE_FIXED32:
		return put(walk, (uint32_t)value);
	case SF_TAPE_SINT32:
		return put(walk, (uint32_t)value >> 1 ^ (0u - ((uint32_t)value & 1)));
	case SF_TAPE_BOOL:
		return put(walk, value != 0);
	case SF_TAPE_INT64:
	case SF_TAPE_FIXED64:
		return put_long(walk, value);
	case SF_TAPE_SINT64:
		return put_long(walk, value >> 1 ^ (0u - (value & 1)));
	case SF_TAPE_BYTES:
		return put(walk, field->offset) == SF_TAPE_OK ? put(walk, field->size) : SF_TAPE_UNFIT;
	case SF_TAPE_MESSAGE:
		return read_inner(walk, at, field);
	default:
		return SF_TAPE_UNFIT;
	}
}

/* What a message's fields are, from its first word in the schema on. */
static uint32_t read_fields(struct walk *walk, const uint32_t *message, uint32_t at, uint32_t end, uint32_t *items)
{
	uint64_t required = message[1] | (uint64_t)message[2] << 32, seen = 0;
	uint32_t run = 0, previous = 0;
	while (at < end) {
		struct sf_error error;
		struct sf_field field;
		if (sf_get_field(walk->file, end, &at, &field, &error) != SF_E_OK || field.number >= message[0])
			return SF_TAPE_UNFIT;
		const uint32_t *known = message + MESSAGE_WORDS + 2 * field.number;
		uint32_t what = known[0], kind = what & 0xff;
		if (kind == SF_TAPE_NONE || WIRE[kind] != field.type)
			return SF_TAPE_UNFIT;
		uint64_t bit = 1ull << PLACE(what);
		if ((what & REPEATED) != 0 && field.number == previous && walk->words[run] >> 8 < MAX_RUN) {
			walk->words[run] += 1u << 8;
		} else {
			/* of two values the last one counts; two messages are one */
			if (kind == SF_TAPE_MESSAGE && (what & REPEATED) == 0 && (seen & bit) != 0)
				return SF_TAPE_UNFIT;
			run = walk->tape->count;
			if (put(walk, PLACE(what) | 1u << 8) != SF_TAPE_OK)
				return SF_TAPE_UNFIT;
			++*items;
		}
		seen |= bit;
		previous = field.number;
		uint32_t code = read_value(walk, kind, (uint32_t)(known - walk->schema), &field);
		if (code != SF_TAPE_OK)
			return code;
	}
	return (required & ~seen) == 0 ? SF_TAPE_OK : SF_TAPE_UNFIT;
}

static uint32_t read_contents(struct walk *walk, uint32_t message, uint32_t at, uint32_t end)
{
	uint32_t head = walk->tape->count, items = 0;
	if (walk->depth == SF_TAPE_DEPTH || put(walk, 0) != SF_TAPE_OK)
		return SF_TAPE_UNFIT;
	walk->depth++;
	uint32_t code = read_fields(walk, walk->schema + message, at, end, &items);
	walk->depth--;
	walk->words[head] = items;
	return code;
}

uint32_t sf_get_tape(const uint8_t *file, uint32_t size, uint32_t offset, const uint32_t *schema, uint32_t first, uint32_t rest,
		     uint32_t *words, uint32_t capacity, uint64_t *longs, uint32_t long_capacity, struct sf_tape *tape)
{
	*tape = (struct sf_tape){ 0 };
	struct walk walk = { file, schema, words, capacity, longs, long_capacity, 0, tape };
	for (uint64_t at = offset; at != size; tape->records++) {
		struct sf_error error;
		struct sf_record record;
		if (sf_get_record(file + (at < size ? at : size), at, size, &record, &error) != SF_E_OK)
			return SF_TAPE_UNFIT;
		uint32_t start = (uint32_t)record.offset;
		uint32_t code = read_contents(&walk, tape->records == 0 ? first : rest, start, start + record.size);
		if (code != SF_TAPE_OK)
			return code;
		at = record.offset + record.size;
	}
	return SF_TAPE_OK;
}
