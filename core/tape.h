/*
 * All records of an image file in one pass, as a tape (a run of words) from which a reader makes its objects without looking at
 * any byte again. What the messages are like is said by a schema, a table of words that the caller, who is trusted, builds:
 *
 *   schema  := 0 message*                      a message is named by the index of its first word; 0 names none
 *   message := limit required required' field{limit}      field numbers below `limit`; places of required fields, 64 bits
 *   field   := what inner                      by field number; `what` is 0 for a number that is not a field's
 *   what    := kind | place << 8 | repeated << 16         enum sf_tape_kind; place: below 64, the field's own in its message
 *   inner   := message                         of a SF_TAPE_MESSAGE; 0: not in the schema yet
 *
 * Numbers of 64 bits are put aside, one after the other:
 *
 *   tape    := contents{records}
 *   contents := count item{count}
 *   item    := (place | n << 8) value{n}       n: how many of a repeated field follow each other; else 1
 *   value   := word                            numbers of 32 bits (the low half of what is on the wire, zigzag undone), booleans 0 or 1
 *            | nothing                         numbers of 64 bits: the next one of `longs`
 *            | offset size                     strings and bytes: where they are in the file
 *            | contents                        messages
 *
 * This is for files as they are written. A file with anything else in it is SF_TAPE_UNFIT: damage, a field the schema does not have or has
 * otherwise, a required one that is missing, a message that is to be merged, packed lists, deep nesting, too long a tape. Nothing is said
 * of what it is, as that is for a reader that can tell.
 */
#ifndef SF_TAPE_H
#define SF_TAPE_H

#include "sf.h"

/* Nesting; the deepest message of CRIU's images that is not a list of itself has 5 levels. */
#define SF_TAPE_DEPTH 16

enum sf_tape_kind {
	SF_TAPE_NONE = 0,
	SF_TAPE_INT32,
	SF_TAPE_SINT32,
	SF_TAPE_BOOL,
	SF_TAPE_INT64,
	SF_TAPE_SINT64,
	SF_TAPE_FIXED32,
	SF_TAPE_FIXED64,
	SF_TAPE_BYTES,
	SF_TAPE_MESSAGE,
	SF_TAPE_KINDS
};

enum sf_tape_end { SF_TAPE_OK = 0, SF_TAPE_UNFIT = 1, SF_TAPE_UNKNOWN = 2 };

struct sf_tape {
	uint32_t records;  /* how many there are */
	uint32_t count;    /* words */
	uint32_t longs;    /* numbers put aside */
	uint32_t field;    /* SF_TAPE_UNKNOWN: index of the schema's field whose message is not in it yet */
};
_Static_assert(sizeof(struct sf_tape) == 16, "the loader reads 16 bytes");

/*
 * Reads the records of a file without payloads from `offset` on: the first one is a message `first`, the others are messages `rest`.
 * `words` and `longs` have room for as many as `capacity` and `long_capacity` say. Returns an enum sf_tape_end.
 */
SF_MUST_CHECK uint32_t sf_get_tape(const uint8_t *file, uint32_t size, uint32_t offset, const uint32_t *schema, uint32_t first,
				   uint32_t rest, uint32_t *words, uint32_t capacity, uint64_t *longs, uint32_t long_capacity,
				   struct sf_tape *tape);

#endif
