/* Tables of messages to wire bytes; what a column writes is in rows.h. */
#include "rows.h"
#include "container.h"
#include "wire.h"

/* What is being written, and the messages that are open. */
struct writer {
	uint8_t *out;
	uint32_t room, at, depth;
	uint32_t records; /* a bit for each that is open: it is a RECORD */
	uint32_t starts[SF_MAX_OPEN];
};

static bool opens(const struct sf_column *column)
{
	return column->kind == SF_OPEN || column->kind == SF_RECORD;
}

static void put(struct writer *w, const uint8_t *bytes, uint32_t size)
{
	__builtin_memcpy(w->out + w->at, bytes, size);
	w->at += size;
}

static void put_fixed(struct writer *w, uint64_t value, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		w->out[w->at++] = (uint8_t)(value >> 8 * i);
}

static void open_message(struct writer *w, bool record)
{
	w->records = (w->records & ~(1u << w->depth)) | (uint32_t)record << w->depth;
	w->at += record ? 4 : 1;
	w->starts[w->depth++] = w->at;
}

/* A message is written behind one byte for its length, and moved when that needs more. */
static int close_message(struct writer *w, struct sf_error *error)
{
	uint32_t start = w->starts[--w->depth], size = w->at - start;
	uint8_t length[10];
	uint32_t more = sf_put_varint(length, size) - 1;
	if (w->records >> w->depth & 1) {
		sf_store32(w->out + start - 4, size);
		return size <= SF_MAX_MESSAGE ? SF_E_OK : sf_fail(error, SF_E_RECORD_TOO_LARGE, start, size, SF_MAX_MESSAGE);
	}
	if (more > 0)
		__builtin_memmove(w->out + start + more, w->out + start, size);
	w->at = start - 1;
	put(w, length, more + 1);
	w->at += size;
	return SF_E_OK;
}

/* The index behind the CLOSE of the OPEN at `i`. */
static uint32_t behind(const struct sf_column *columns, uint32_t i)
{
	for (uint32_t depth = 0;; i++) {
		if (opens(&columns[i]))
			depth++;
		else if (columns[i].kind == SF_CLOSE && --depth == 0)
			return i + 1;
	}
}

/* Every OPEN has its CLOSE. */
static int check_columns(const struct sf_column *columns, uint32_t ncolumns, struct sf_error *error)
{
	uint32_t depth = 0;
	for (uint32_t i = 0; i < ncolumns; i++) {
		uint32_t kind = columns[i].kind;
		if (kind >= SF_COLUMN_KINDS || (kind == SF_CLOSE && depth == 0))
			return sf_fail(error, SF_E_COLUMN_KIND, 0, kind, i);
		if (kind == SF_CLOSE)
			depth--;
		else if (opens(&columns[i]) && ++depth > SF_MAX_OPEN)
			return sf_fail(error, SF_E_CAPACITY, 0, depth, SF_MAX_OPEN);
	}
	return depth == 0 ? SF_E_OK : sf_fail(error, SF_E_COLUMN_KIND, 0, SF_OPEN, ncolumns);
}

static void put_number(struct writer *w, uint32_t kind, uint64_t value)
{
	switch (kind) {
	case SF_FIXED32:
		put_fixed(w, value, 4);
		break;
	case SF_FIXED64:
		put_fixed(w, value, 8);
		break;
	case SF_ZIGZAG:
		w->at += sf_put_varint(w->out + w->at, value << 1 ^ (0 - (value >> 63)));
		break;
	default:
		w->at += sf_put_varint(w->out + w->at, value);
	}
}

/* Where the bytes of the pool are and how many: `value` of BYTES and RAW. */
static uint32_t start_of(uint64_t value) { return (uint32_t)value; }
static uint32_t size_of(uint64_t value) { return (uint32_t)(value >> 32); }

static bool is_pooled(uint32_t kind) { return kind >= SF_BYTES && kind <= SF_RAW; }

/* What `value` needs at most. */
static uint64_t needed(uint32_t kind, uint64_t value)
{
	uint32_t width = kind == SF_WORDS ? 4 : kind == SF_QUADS ? 8 : 0;
	if (width != 0)
		return (uint64_t)(size_of(value) / width) * SF_COLUMN_BOUND;
	return SF_COLUMN_BOUND + (is_pooled(kind) ? (uint64_t)size_of(value) : 0);
}

static void put_numbers(struct writer *w, const struct sf_column *column, const uint8_t *from, uint32_t size)
{
	uint32_t width = column->kind == SF_WORDS ? 4 : 8;
	for (uint32_t at = 0; size - at >= width; at += width) {
		w->at += sf_put_varint(w->out + w->at, column->tag);
		w->at += sf_put_varint(w->out + w->at, width == 4 ? sf_load32(from + at) : sf_load64(from + at));
	}
}

static void put_pooled(struct writer *w, const struct sf_column *column, const uint8_t *from, uint32_t size)
{
	if (column->kind == SF_WORDS || column->kind == SF_QUADS) {
		put_numbers(w, column, from, size);
		return;
	}
	if (column->kind == SF_BYTES) {
		w->at += sf_put_varint(w->out + w->at, column->tag);
		w->at += sf_put_varint(w->out + w->at, size);
	}
	put(w, from, size);
}

static int put_column(struct writer *w, const struct sf_column *column, const uint8_t *pool, uint32_t pool_size, uint32_t row,
		      struct sf_error *error)
{
	uint64_t value = opens(column) || column->kind == SF_CLOSE ? 0 : column->values[row];
	uint64_t most = needed(column->kind, value), left = w->room - w->at, end = (uint64_t)start_of(value) + size_of(value);
	if (most > left)
		return sf_fail(error, SF_E_CAPACITY, w->at, most, left);
	if (is_pooled(column->kind)) {
		if (end > pool_size)
			return sf_fail(error, SF_E_CAPACITY, w->at, end, pool_size);
		put_pooled(w, column, pool + start_of(value), size_of(value));
	} else if (column->kind == SF_CLOSE) {
		return close_message(w, error);
	} else {
		if (column->kind != SF_RECORD)
			w->at += sf_put_varint(w->out + w->at, column->tag);
		if (opens(column))
			open_message(w, column->kind == SF_RECORD);
		else
			put_number(w, column->kind, value);
	}
	return SF_E_OK;
}

int sf_put_rows(uint8_t *out, uint32_t room, const struct sf_column *columns, uint32_t ncolumns, const uint8_t *pool,
		uint32_t pool_size, uint32_t rows, uint32_t *sizes, uint32_t *total, struct sf_error *error)
{
	struct writer w = { .out = out, .room = room };
	*total = 0;
	int code = check_columns(columns, ncolumns, error);
	for (uint32_t row = 0; row < rows && code == SF_E_OK; row++) {
		uint32_t start = w.at;
		for (uint32_t i = 0; i < ncolumns && code == SF_E_OK;) {
			const struct sf_column *column = &columns[i];
			bool absent = column->kind != SF_CLOSE && column->present != NULL && !column->present[row];
			if (!absent)
				code = put_column(&w, column, pool, pool_size, row, error);
			i = absent && opens(column) ? behind(columns, i) : i + 1;
		}
		sizes[row] = w.at - start;
		error->record = code == SF_E_OK ? 0 : row;
	}
	*total = w.at;
	return code;
}
