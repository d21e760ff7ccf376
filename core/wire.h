/*
 * The protobuf wire format, as far as it can be read without a schema.
 *
 *   message := field*
 *   field   := tag value
 *   tag     := varint: number << 3 | type; number is 1 to 2^29 - 1, so a tag has at most 32 bits
 *   value   := varint                      type 0
 *            | 8 bytes, little-endian      type 1
 *            | length bytes                type 2; length is a varint; strings, bytes, messages and packed lists
 *            | 4 bytes, little-endian      type 5
 *   varint  := 1 to 10 bytes of 7 bits each, lowest first, the top bit set on all but the last; at most 64 bits
 *
 * Types 3 and 4 (groups) are refused: proto2 has them, no image message uses them. Types 6 and 7 do not exist.
 * Whether a length-delimited value is itself a message only the schema knows: a scan is of one level, and a reader with the
 * schema scans each level it goes down to.
 *
 * Facts: the protobuf encoding specification.
 */
#ifndef SF_WIRE_H
#define SF_WIRE_H

#include "sf.h"

#define SF_MAX_VARINT 10                /* ceil(64 / 7) */
#define SF_MAX_FIELD ((1u << 29) - 1)   /* 32-bit tag less 3 bits of type */

enum sf_wire { SF_WIRE_VARINT = 0, SF_WIRE_I64 = 1, SF_WIRE_LEN = 2, SF_WIRE_GROUP = 3, SF_WIRE_END_GROUP = 4, SF_WIRE_I32 = 5 };

struct sf_field {
	uint32_t number;
	uint32_t type;   /* enum sf_wire */
	uint32_t offset; /* of the value in the message: behind the tag, and behind the length of type 2 */
	uint32_t size;   /* bytes of the value */
	uint64_t value;  /* types 0, 1 and 5: the number; type 2: 0 */
};
_Static_assert(sizeof(struct sf_field) == 24, "the loader reads 24 bytes");

/* Reads the varint at *at, and moves *at behind it. */
SF_MUST_CHECK int sf_get_varint(const uint8_t *bytes, uint32_t size, uint32_t *at, uint64_t *value, struct sf_error *error);

/* Reads the field at *at, and moves *at behind it. */
SF_MUST_CHECK int sf_get_field(const uint8_t *message, uint32_t size, uint32_t *at, struct sf_field *field,
			       struct sf_error *error);

/* Scans one level of a message into `table` (null: only checks and counts). `*count`: how many fields it has. */
SF_MUST_CHECK int sf_get_fields(const uint8_t *message, uint32_t size, struct sf_field *table, uint32_t capacity,
				uint32_t *count, struct sf_error *error);

/*
 * Checks the top level of many messages of one file at once: `records` are their places in `file`. An error's `record`
 * is the index of the bad message and its `offset` the byte of the file.
 */
struct sf_record;
SF_MUST_CHECK int sf_check_messages(const uint8_t *file, const struct sf_record *records, uint32_t count,
				    struct sf_error *error);

/* Writes a varint; returns its size, 1 to SF_MAX_VARINT. */
uint32_t sf_put_varint(uint8_t *out, uint64_t value);

#endif
