/* Tapes: every kind of field, what is not taken, every cut and every small room. */
#include "check.h"
#include "../tape.h"

/*
 * At 1: { 1: int32, required; 2: message at 23; 3: list of messages at 23; 4: list of int64; 5: bytes; 6: sint32; 7: sint64; 8: fixed32; 9: fixed64 }
 * at 24: { 1: bool; 2: a message that is not described; 3: itself }
 */
enum { OUTER = 1, INNER = 24, OPEN = INNER + 3 + 4 };
#define FIELD(kind, place) ((kind) | (place) << 8)
#define LIST(kind, place) (FIELD(kind, place) | 0x10000)
static const uint32_t SCHEMA[] = {
	0,
	10, 1, 0, 0, 0, FIELD(SF_TAPE_INT32, 0), 0, FIELD(SF_TAPE_MESSAGE, 1), INNER, LIST(SF_TAPE_MESSAGE, 2), INNER,
	LIST(SF_TAPE_INT64, 3), 0, FIELD(SF_TAPE_BYTES, 4), 0, FIELD(SF_TAPE_SINT32, 5), 0, FIELD(SF_TAPE_SINT64, 6), 0,
	FIELD(SF_TAPE_FIXED32, 7), 0, FIELD(SF_TAPE_FIXED64, 8), 0,
	4, 0, 0, 0, 0, FIELD(SF_TAPE_BOOL, 0), 0, FIELD(SF_TAPE_MESSAGE, 1), 0, FIELD(SF_TAPE_MESSAGE, 2), INNER,
};
_Static_assert(sizeof(SCHEMA) / sizeof(SCHEMA[0]) == INNER + 11, "the places of the messages");

#define ROOM 64
static uint32_t words[ROOM];
static uint64_t longs[ROOM];

/* Reads a file of exactly `size` bytes behind a header of 4. */
static uint32_t get(const uint8_t *bytes, uint32_t size, uint32_t room, uint32_t long_room, struct sf_tape *tape)
{
	uint8_t *file = exact(bytes, size);
	uint32_t *out = malloc(room * 4 + 1);
	uint64_t *out_longs = malloc(long_room * 8 + 1);
	uint32_t end = sf_get_tape(file, size, 4, SCHEMA, OUTER, INNER, out, room, out_longs, long_room, tape);
	CHECK(tape->count <= room && tape->longs <= long_room);
	if (end == SF_TAPE_OK && tape->count <= ROOM && tape->longs <= ROOM) {
		memcpy(words, out, tape->count * 4);
		memcpy(longs, out_longs, tape->longs * 8);
	}
	free(file), free(out), free(out_longs);
	return end;
}

static const uint8_t FILE_OF_ALL[] = {
	0, 0, 0, 0,
	49, 0, 0, 0,
	0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, /* 1: -1 */
	0x12, 2, 0x08, 5,                                                 /* 2: { true } */
	0x1a, 0, 0x1a, 2, 0x08, 0,                                        /* 3: {}, { false } */
	0x20, 7, 0x20, 0x80, 1, 0x20, 9,                                  /* 4: 7, 128, 9 */
	0x2a, 1, 'x',                                                     /* 5: "x" */
	0x30, 3, 0x38, 4,                                                 /* 6: -2, 7: 2 */
	0x45, 1, 2, 3, 4, 0x49, 1, 0, 0, 0, 0, 0, 0, 0x80,                /* 8, 9 */
	2, 0, 0, 0, 0x08, 1,                                              /* { true } */
};

static void all_kinds(void)
{
	static const uint32_t want[] = {
		9, 0x100, 0xffffffff, 0x101, 1, 0x100, 1, 0x202, 0, 1, 0x100, 0, 0x303, 0x104, 38, 1, 0x105, 0xfffffffe, 0x106, 0x107, 0x04030201, 0x108,
		1, 0x100, 1,
	};
	static const uint64_t want_longs[] = { 7, 128, 9, 2, 0x8000000000000001 };
	const uint32_t count = sizeof(want) / sizeof(want[0]), numbers = sizeof(want_longs) / sizeof(want_longs[0]);
	struct sf_tape tape;
	CHECK_EQ(get(FILE_OF_ALL, sizeof(FILE_OF_ALL), ROOM, ROOM, &tape), SF_TAPE_OK);
	CHECK_EQ(tape.records, 2);
	CHECK_EQ(tape.count, count);
	CHECK_EQ(tape.longs, numbers);
	for (uint32_t i = 0; i < count; i++)
		CHECK_EQ(words[i], want[i]);
	for (uint32_t i = 0; i < numbers; i++)
		CHECK_EQ(longs[i], want_longs[i]);
	for (uint32_t room = 0; room < count; room++)
		CHECK_EQ(get(FILE_OF_ALL, sizeof(FILE_OF_ALL), room, ROOM, &tape), SF_TAPE_UNFIT);
	for (uint32_t room = 0; room < numbers; room++)
		CHECK_EQ(get(FILE_OF_ALL, sizeof(FILE_OF_ALL), ROOM, room, &tape), SF_TAPE_UNFIT);
	/* of no record, of one and of both */
	for (uint32_t cut = 0; cut <= sizeof(FILE_OF_ALL); cut++) {
		uint32_t end = get(FILE_OF_ALL, cut, ROOM, ROOM, &tape);
		CHECK_EQ(end == SF_TAPE_OK, cut == 4 || cut == sizeof(FILE_OF_ALL) - 6 || cut == sizeof(FILE_OF_ALL));
	}
}

#define ROW(end, ...) { end, sizeof((uint8_t[]){ __VA_ARGS__ }), { __VA_ARGS__ } }

static void rows(void)
{
	static const struct {
		uint32_t end, size;
		uint8_t bytes[64];
	} table[] = {
		ROW(SF_TAPE_OK, 0x08, 1),
		ROW(SF_TAPE_OK, 0x08, 1, 0x08, 2),                         /* the last one counts: both are on the tape */
		ROW(SF_TAPE_UNFIT, 0x30, 1),                               /* 1 is missing */
		ROW(SF_TAPE_UNFIT, 0x08, 1, 0x50, 1),                      /* 10 is no field */
		ROW(SF_TAPE_UNFIT, 0x08, 1, 0xf8, 0xff, 0xff, 0xff, 0x0f, 0), /* nor is the largest */
		ROW(SF_TAPE_UNFIT, 0x08, 1, 0x0d, 1, 2, 3, 4),             /* another wire type */
		ROW(SF_TAPE_UNFIT, 0x08, 1, 0x22, 2, 1, 2),                /* packed */
		ROW(SF_TAPE_UNFIT, 0x08, 1, 0x12, 0, 0x12, 0),             /* to be merged */
		ROW(SF_TAPE_UNFIT, 0x08, 1, 0x12, 3, 0x08, 1),             /* longer than what is around it */
		ROW(SF_TAPE_UNFIT, 0x08, 1, 0x12, 1, 0x08, 1),             /* ends inside a field */
		ROW(SF_TAPE_UNKNOWN, 0x08, 1, 0x12, 2, 0x12, 0),
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint8_t file[sizeof(table[i].bytes) + 8] = { 0, 0, 0, 0, (uint8_t)table[i].size };
		struct sf_tape tape;
		memcpy(file + 8, table[i].bytes, table[i].size);
		CHECK_EQ(get(file, table[i].size + 8, ROOM, ROOM, &tape), table[i].end);
		if (table[i].end == SF_TAPE_UNKNOWN)
			CHECK_EQ(tape.field, OPEN);
	}
}

static void nesting(void)
{
	for (uint32_t depth = 1; depth < 2 * SF_TAPE_DEPTH; depth++) {
		/* 1: 1, 2: { 3: { 3: ... } } */
		uint8_t file[8 + 2 + 4 * SF_TAPE_DEPTH] = { 0, 0, 0, 0, (uint8_t)(2 + 2 * depth), 0, 0, 0, 0x08, 1 };
		struct sf_tape tape;
		for (uint32_t i = 0; i < depth; i++) {
			file[10 + 2 * i] = i == 0 ? 0x12 : 0x1a;
			file[11 + 2 * i] = (uint8_t)(2 * (depth - i - 1));
		}
		CHECK_EQ(get(file, 10 + 2 * depth, ROOM, ROOM, &tape), depth < SF_TAPE_DEPTH ? SF_TAPE_OK : SF_TAPE_UNFIT);
	}
}

void test_tape(void)
{
	all_kinds();
	rows();
	nesting();
}
