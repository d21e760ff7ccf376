/* Scans protobuf messages without a schema; see wire.h for the grammar. */
#include "wire.h"
#include "container.h"

int sf_get_varint(const uint8_t *bytes, uint32_t size, uint32_t *at, uint64_t *value, struct sf_error *error)
{
	uint32_t start = *at;
	uint64_t v = 0;
	for (uint32_t i = 0; i < SF_MAX_VARINT; i++) {
		if (start + i >= size)
			return sf_fail(error, SF_E_VARINT_SHORT, start, i, SF_MAX_VARINT);
		uint8_t byte = bytes[start + i];
		if (i == SF_MAX_VARINT - 1 && byte > 1)
			break;
		v |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte < 0x80) {
			*at = start + i + 1;
			*value = v;
			return SF_E_OK;
		}
	}
	return sf_fail(error, SF_E_VARINT_LONG, start, 0, 0);
}

int sf_get_field(const uint8_t *message, uint32_t size, uint32_t *at, struct sf_field *field, struct sf_error *error)
{
	uint32_t start = *at;
	uint64_t tag, length;
	int code = sf_get_varint(message, size, at, &tag, error);
	if (code != SF_E_OK)
		return code;
	if (tag >> 3 == 0 || tag >> 3 > SF_MAX_FIELD)
		return sf_fail(error, SF_E_TAG_NUMBER, start, tag >> 3, SF_MAX_FIELD);
	*field = (struct sf_field){ .number = (uint32_t)(tag >> 3), .type = tag & 7, .offset = *at };
	switch (field->type) {
	case SF_WIRE_VARINT:
		code = sf_get_varint(message, size, at, &field->value, error);
		if (code != SF_E_OK)
			return code;
		field->size = *at - field->offset;
		return SF_E_OK;
	case SF_WIRE_I64:
		length = 8;
		break;
	case SF_WIRE_LEN:
		code = sf_get_varint(message, size, at, &length, error);
		if (code != SF_E_OK)
			return code;
		field->offset = *at;
		break;
	case SF_WIRE_I32:
		length = 4;
		break;
	case SF_WIRE_GROUP:
	case SF_WIRE_END_GROUP:
		return sf_fail(error, SF_E_WIRE_GROUP, start, field->number, field->type);
	default:
		return sf_fail(error, SF_E_WIRE_TYPE, start, field->number, field->type);
	}
	if (length > size - *at)
		return sf_fail(error, SF_E_FIELD_SHORT, start, size - *at, length);
	field->size = (uint32_t)length;
	if (field->type == SF_WIRE_I64)
		field->value = sf_load64(message + *at);
	else if (field->type == SF_WIRE_I32)
		field->value = sf_load32(message + *at);
	*at += field->size;
	return SF_E_OK;
}

int sf_get_fields(const uint8_t *message, uint32_t size, struct sf_field *table, uint32_t capacity, uint32_t *count,
		  struct sf_error *error)
{
	uint32_t n = 0;
	*count = 0;
	for (uint32_t at = 0; at < size; n++) {
		struct sf_field field;
		uint32_t start = at;
		int code = sf_get_field(message, size, &at, &field, error);
		if (code != SF_E_OK)
			return code;
		if (table != NULL) {
			if (n >= capacity)
				return sf_fail(error, SF_E_TABLE_FULL, start, (uint64_t)n + 1, capacity);
			table[n] = field;
		}
		*count = n + 1;
	}
	return SF_E_OK;
}

int sf_check_messages(const uint8_t *file, const struct sf_record *records, uint32_t count, struct sf_error *error)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t fields;
		int code = sf_get_fields(file + records[i].offset, records[i].size, NULL, 0, &fields, error);
		if (code != SF_E_OK) {
			error->record = i;
			error->offset += records[i].offset;
			return code;
		}
	}
	return SF_E_OK;
}

uint32_t sf_put_varint(uint8_t *out, uint64_t value)
{
	uint32_t n = 0;
	for (; value >= 0x80; value >>= 7)
		out[n++] = (uint8_t)(value | 0x80);
	out[n++] = (uint8_t)value;
	return n;
}
