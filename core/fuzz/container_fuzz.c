/* Fuzzes container framing and wire scanning: the bulk scan and the step-by-step one must agree, whatever the bytes. */
#include <stdlib.h>
#include <string.h>
#include "../container.h"
#include "../wire.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(const uint8_t *message, uint32_t size, int depth)
{
	struct sf_error error, again;
	uint32_t count, known, at = 0, n = 0;
	int code = sf_get_fields(message, size, NULL, 0, &count, &error);
	struct sf_field *table = malloc(count * sizeof(*table) + 1), field;
	REQUIRE(sf_get_fields(message, size, table, count, &known, &again) == code && known == count);
	for (; n < count; n++) {
		REQUIRE(sf_get_field(message, size, &at, &field, &again) == SF_E_OK && at <= size);
		REQUIRE(memcmp(&field, &table[n], sizeof(field)) == 0);
		REQUIRE(field.offset + field.size == at && field.number >= 1 && field.number <= SF_MAX_FIELD);
		/* Any length-delimited value may be a message; look into some as a reader with a schema would. */
		if (field.type == SF_WIRE_LEN && depth < 8)
			check_message(message + field.offset, field.size, depth + 1);
	}
	if (code == SF_E_OK)
		REQUIRE(at == size);
	else
		REQUIRE(sf_get_field(message, size, &at, &field, &again) == code && again.offset == error.offset && error.offset <= size);
	free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sf_header header;
	struct sf_error error, bulk_error = { 0 };
	struct sf_record record;
	uint32_t count, n = 0;
	if (sf_get_header(data, size, &header, &error) != SF_E_OK)
		return 0;
	uint8_t head[8];
	REQUIRE(sf_put_header(head, header.kind, header.magic) == header.size && memcmp(head, data, header.size) == 0);
	int bulk = sf_get_records(data, (uint32_t)size, header.size, NULL, 0, &count, &bulk_error), code;
	struct sf_record *table = malloc(count * sizeof(*table) + 1);
	uint32_t again;
	REQUIRE(sf_get_records(data, (uint32_t)size, header.size, table, count, &again, &error) == bulk || bulk != SF_E_OK);
	for (uint64_t at = header.size;; at = record.offset + record.size, n++) {
		/* Through a window of just what is promised to be enough. */
		size_t window = size - at < 4 ? size - at : 4;
		uint8_t *bytes = malloc(window + 1);
		memcpy(bytes, data + at, window);
		code = sf_get_record(bytes, at, size, &record, &error);
		free(bytes);
		if (code != SF_E_OK || record.offset == 0)
			break;
		REQUIRE(n < count && record.offset == at + 4 && record.offset + record.size <= size);
		REQUIRE(memcmp(&record, &table[n], sizeof(record)) == 0);
		check_message(data + record.offset, record.size, 0);
	}
	REQUIRE(code == bulk && n == count && (code == SF_E_OK || error.offset == bulk_error.offset));
	if (code == SF_E_OK && sf_check_messages(data, table, count, &error) != SF_E_OK)
		REQUIRE(error.record < count && error.offset >= table[error.record].offset && error.offset <= size);
	free(table);
	return 0;
}
