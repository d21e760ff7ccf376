/*
 * Many messages of one kind, encoded in one call: a table of rows, a column for each field, in the order of the fields.
 *
 *   row     := what its columns write, one after the other
 *   VARINT, ZIGZAG, FIXED32, FIXED64  tag, then the number
 *   BYTES   tag, length, bytes of the pool
 *   WORDS, QUADS  numbers of 4 or 8 bytes (little-endian) that fill bytes of the pool: of each, tag and varint. A list of numbers
 *   RAW     bytes of the pool, neither tag nor length: what was encoded before
 *   OPEN    tag, then the length of all that the columns up to its CLOSE write, then that: a message in a message
 *   RECORD  as OPEN, but the length is 4 bytes (little-endian) and there is no tag: a record of an image file
 *   CLOSE
 *
 * A column that a row has not writes nothing for it; of an OPEN that is not there, all up to its CLOSE is left out.
 */
#ifndef SF_CORE_ROWS_H
#define SF_CORE_ROWS_H

#include "sf.h"

enum sf_column_kind { SF_VARINT, SF_ZIGZAG, SF_FIXED32, SF_FIXED64, SF_BYTES, SF_WORDS, SF_QUADS, SF_RAW, SF_OPEN, SF_RECORD, SF_CLOSE, SF_COLUMN_KINDS };

struct sf_column {
	uint32_t kind;          /* enum sf_column_kind */
	uint32_t tag;           /* field number and wire type */
	const uint64_t *values; /* one a row: the number (signed ones extended to 64 bits); of the pool: offset in the pool, size << 32 */
	const uint8_t *present; /* one a row; NULL: every row has it */
};

/* Messages inside each other: those of images are far from it. */
#define SF_MAX_OPEN 16u

/* Room that a column needs in a row besides its bytes of the pool: a tag and a varint, or a tag and a length; WORDS and QUADS that for each number. */
#define SF_COLUMN_BOUND 15u

/*
 * Encodes `rows` rows, one after the other.
 * @param sizes filled with the bytes of each row
 * @param total filled with the bytes of all
 * Fails with CAPACITY when `room` is too little, a value lies outside of the pool, or OPENs are too deep; with COLUMN_KIND when there is no
 * such kind, a CLOSE has no OPEN or an OPEN no CLOSE. `record` of the error is the row.
 */
SF_MUST_CHECK int sf_put_rows(uint8_t *out, uint32_t room, const struct sf_column *columns, uint32_t ncolumns, const uint8_t *pool,
			      uint32_t pool_size, uint32_t rows, uint32_t *sizes, uint32_t *total, struct sf_error *error);

#endif
