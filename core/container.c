/* Reads and writes the framing of image files; see container.h for the grammar. */
#include "container.h"

int sf_get_header(const uint8_t *bytes, uint64_t size, struct sf_header *header, struct sf_error *error)
{
	*header = (struct sf_header){ 0 };
	if (size < 4)
		return sf_fail(error, SF_E_HEADER_SHORT, size, size, 4);
	uint32_t first = sf_load32(bytes);
	if (first != SF_MAGIC_COMMON && first != SF_MAGIC_SERVICE) {
		*header = (struct sf_header){ .kind = SF_HEADER_PLAIN, .magic = first, .size = 4 };
		return SF_E_OK;
	}
	if (size < 8)
		return sf_fail(error, SF_E_HEADER_SHORT, size, size, 8);
	header->kind = first == SF_MAGIC_COMMON ? SF_HEADER_COMMON : SF_HEADER_SERVICE;
	header->magic = sf_load32(bytes + 4);
	header->size = 8;
	return SF_E_OK;
}

int sf_get_record(const uint8_t *bytes, uint64_t offset, uint64_t file_size, struct sf_record *record,
		  struct sf_error *error)
{
	*record = (struct sf_record){ 0 };
	if (offset >= file_size)
		return offset == file_size ? SF_E_OK : sf_fail(error, SF_E_RECORD_SIZE_SHORT, offset, 0, 4);
	uint64_t left = file_size - offset;
	if (left < 4)
		return sf_fail(error, SF_E_RECORD_SIZE_SHORT, offset, left, 4);
	uint32_t size = sf_load32(bytes);
	if (size > left - 4)
		return sf_fail(error, SF_E_RECORD_SHORT, offset, left - 4, size);
	if (size > SF_MAX_MESSAGE)
		return sf_fail(error, SF_E_RECORD_TOO_LARGE, offset, size, SF_MAX_MESSAGE);
	record->offset = offset + 4;
	record->size = size;
	return SF_E_OK;
}

int sf_get_records(const uint8_t *file, uint32_t size, uint32_t offset, struct sf_record *table, uint32_t capacity,
		   uint32_t *count, struct sf_error *error)
{
	uint32_t n = 0;
	for (uint64_t at = offset; at != size; n++) {
		struct sf_record record;
		*count = n;
		int code = sf_get_record(file + (at < size ? at : size), at, size, &record, error);
		if (code != SF_E_OK) {
			error->record = n;
			return code;
		}
		if (table != NULL) {
			if (n >= capacity)
				return sf_fail(error, SF_E_TABLE_FULL, at, (uint64_t)n + 1, capacity);
			table[n] = record;
		}
		at = record.offset + record.size;
	}
	*count = n;
	return SF_E_OK;
}

uint32_t sf_put_header(uint8_t out[8], uint32_t kind, uint32_t magic)
{
	if (kind == SF_HEADER_PLAIN) {
		sf_store32(out, magic);
		return 4;
	}
	sf_store32(out, kind == SF_HEADER_SERVICE ? SF_MAGIC_SERVICE : SF_MAGIC_COMMON);
	sf_store32(out + 4, magic);
	return 8;
}

int sf_put_sizes(uint8_t *out, const uint32_t *sizes, uint32_t count, struct sf_error *error)
{
	for (uint32_t i = 0; i < count; i++) {
		if (sizes[i] > SF_MAX_MESSAGE) {
			int code = sf_fail(error, SF_E_RECORD_TOO_LARGE, 0, sizes[i], SF_MAX_MESSAGE);
			error->record = i;
			return code;
		}
		sf_store32(out + 4 * (uint64_t)i, sizes[i]);
	}
	return SF_E_OK;
}
