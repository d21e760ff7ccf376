/*
 * What all of the core shares: the error record, its codes, and little-endian loads.
 *
 * The core is C11 without libc: no allocation, no file, no OS call. Every function works on buffers that the caller
 * owns and says how large they are. It runs as WebAssembly (wasm/loader.ts) and natively (tests, fuzzers).
 */
#ifndef SF_CORE_H
#define SF_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SF_MUST_CHECK __attribute__((warn_unused_result))

/*
 * Errors: a code and its text. `{got}`, `{want}` and `{record}` in a text stand for the numbers of struct sf_error (`{got:x}`: in hex).
 * One table; wasm/loader.ts asks for names and texts through sf_error_name() and sf_error_text().
 */
#define SF_ERRORS(X) \
	X(OK, "no error") \
	X(HEADER_SHORT, "the file ends inside its magic numbers: it is {got} bytes, {want} are needed") \
	X(RECORD_SIZE_SHORT, "the file ends inside a record's size field: {got} of 4 bytes are there") \
	X(RECORD_SHORT, "a record says it is {want} bytes, but {got} are left in the file") \
	X(RECORD_TOO_LARGE, "a message of {got} bytes: none is larger than {want}") \
	X(VARINT_SHORT, "the message ends inside a variable-length integer") \
	X(VARINT_LONG, "a variable-length integer has more than 64 bits") \
	X(TAG_NUMBER, "{got} is no field number: they go from 1 to {want}") \
	X(WIRE_GROUP, "field {got} is a group (wire type {want}), which no image message has") \
	X(WIRE_TYPE, "field {got} has wire type {want}, which does not exist") \
	X(FIELD_SHORT, "a field says its value is {want} bytes, but {got} are left in the message") \
	X(FIELD_KIND, "field {got} has wire type {want}, where a number is expected") \
	X(FIELD_RANGE, "field {got} holds {want}, which does not fit in 32 bits") \
	X(FIELD_MISSING, "required field {got} is missing") \
	X(TABLE_FULL, "the result needs more than the {want} entries that there is room for") \
	X(INPUT_TOO_LARGE, "the input is {got} bytes; the core takes at most {want} at once") \
	X(PAGEMAP_NO_HEAD, "a page map without its first record (pagemap_head)") \
	X(PAGE_SIZE, "{got} is no page size: a power of two from 4096 to 65536 is") \
	X(RANGE_BACKWARD, "range {record} is empty or ends before it starts: {got:x} to {want:x}") \
	X(RANGE_ORDER, "entry {record} starts at {got:x}, before the one ahead of it ends ({want:x}): the list is not sorted and disjoint") \
	X(CAPACITY, "{got} is more than the limit of {want}") \
	X(COLUMN_KIND, "column {want} of a table of messages is of a kind ({got}) that cannot stand there")

enum sf_code {
#define X(name, text) SF_E_##name,
	SF_ERRORS(X)
#undef X
	SF_E_COUNT
};

/* Filled by every function that returns an enum sf_code other than SF_E_OK. */
struct sf_error {
	uint32_t code;
	uint32_t record;  /* index of the record or entry, from 0; 0 where there is none */
	uint64_t offset;  /* byte of the input at which it went wrong */
	uint64_t got, want;
};
_Static_assert(sizeof(struct sf_error) == 32, "the loader reads 32 bytes");

const char *sf_error_name(uint32_t code);
const char *sf_error_text(uint32_t code);

static inline int sf_fail(struct sf_error *error, enum sf_code code, uint64_t offset, uint64_t got, uint64_t want)
{
	*error = (struct sf_error){ .code = code, .offset = offset, .got = got, .want = want };
	return (int)code;
}

static inline uint32_t sf_load32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t sf_load64(const uint8_t *p)
{
	return (uint64_t)sf_load32(p) | (uint64_t)sf_load32(p + 4) << 32;
}

static inline void sf_store32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

#endif
