/* Decodes and encodes page maps; see pagemap.h for the format. */
#include "pagemap.h"
#include "container.h"
#include "wire.h"

enum { VADDR = 1, COMPAT_NR_PAGES = 2, IN_PARENT = 3, FLAGS = 4, NR_PAGES = 5 };

struct entry {
	uint64_t vaddr, nr_pages;
	uint32_t compat_nr_pages, flags, marks;
	bool in_parent;
};

static int fits32(const struct sf_field *field, struct sf_error *error)
{
	if (field->value >> 32 == 0)
		return SF_E_OK;
	return sf_fail(error, SF_E_FIELD_RANGE, field->offset, field->number, field->value);
}

static int get_entry(const uint8_t *message, uint32_t size, struct entry *entry, struct sf_error *error)
{
	bool has_vaddr = false, has_compat = false;
	*entry = (struct entry){ 0 };
	for (uint32_t at = 0; at < size;) {
		struct sf_field field;
		int code = sf_get_field(message, size, &at, &field, error);
		if (code != SF_E_OK)
			return code;
		if (field.number < VADDR || field.number > NR_PAGES) {
			entry->marks |= SF_MARK_UNKNOWN;
			continue;
		}
		if (field.type != SF_WIRE_VARINT)
			return sf_fail(error, SF_E_FIELD_KIND, field.offset, field.number, field.type);
		switch (field.number) {
		case VADDR:
			entry->vaddr = field.value;
			has_vaddr = true;
			break;
		case COMPAT_NR_PAGES:
			code = fits32(&field, error);
			entry->compat_nr_pages = (uint32_t)field.value;
			has_compat = true;
			break;
		case IN_PARENT:
			entry->in_parent = field.value != 0;
			entry->marks |= SF_MARK_IN_PARENT;
			break;
		case FLAGS:
			code = fits32(&field, error);
			entry->flags = (uint32_t)field.value;
			entry->marks |= SF_MARK_FLAGS;
			break;
		default:
			entry->nr_pages = field.value;
			entry->marks |= SF_MARK_NR_PAGES;
		}
		if (code != SF_E_OK)
			return code;
	}
	if (!has_vaddr || !has_compat)
		return sf_fail(error, SF_E_FIELD_MISSING, size, has_vaddr ? COMPAT_NR_PAGES : VADDR, 0);
	if (!(entry->marks & SF_MARK_NR_PAGES))
		entry->nr_pages = entry->compat_nr_pages;
	if (entry->in_parent)
		entry->flags |= SF_PAGE_PARENT;
	else if (!(entry->marks & SF_MARK_FLAGS))
		entry->flags = SF_PAGE_PRESENT;
	return SF_E_OK;
}

static int get_head(const uint8_t *message, uint32_t size, uint32_t *pages_id, struct sf_error *error)
{
	bool has = false;
	for (uint32_t at = 0; at < size;) {
		struct sf_field field;
		int code = sf_get_field(message, size, &at, &field, error);
		if (code != SF_E_OK)
			return code;
		if (field.number != 1)
			continue;
		if (field.type != SF_WIRE_VARINT)
			return sf_fail(error, SF_E_FIELD_KIND, field.offset, field.number, field.type);
		code = fits32(&field, error);
		if (code != SF_E_OK)
			return code;
		*pages_id = (uint32_t)field.value;
		has = true;
	}
	return has ? SF_E_OK : sf_fail(error, SF_E_FIELD_MISSING, size, 1, 0);
}

/* What is tracked over all entries to give each its marks. */
struct sequence {
	uint64_t last_start, highest_end, file_offset;
	uint32_t page_shift;
};

static uint32_t place_entry(struct entry *entry, struct sequence *seq)
{
	uint32_t marks = entry->marks;
	uint64_t bytes, end;
	if (entry->nr_pages == 0)
		marks |= SF_MARK_EMPTY;
	if (entry->vaddr & ((1u << seq->page_shift) - 1))
		marks |= SF_MARK_UNALIGNED;
	if (entry->vaddr < seq->last_start)
		marks |= SF_MARK_UNORDERED;
	if (entry->vaddr < seq->highest_end)
		marks |= SF_MARK_OVERLAP;
	bool over = entry->nr_pages > UINT64_MAX >> seq->page_shift;
	bytes = over ? UINT64_MAX : entry->nr_pages << seq->page_shift;
	over |= __builtin_add_overflow(entry->vaddr, bytes, &end);
	if (over)
		end = UINT64_MAX;
	if (entry->flags & SF_PAGE_PRESENT && __builtin_add_overflow(seq->file_offset, bytes, &seq->file_offset)) {
		seq->file_offset = UINT64_MAX;
		over = true;
	}
	if (over)
		marks |= SF_MARK_OVERFLOW;
	seq->last_start = entry->vaddr;
	if (end > seq->highest_end)
		seq->highest_end = end;
	return marks;
}

static int page_shift(uint32_t page_size, uint32_t *shift, struct sf_error *error)
{
	if (page_size < 4096 || page_size > 65536 || (page_size & (page_size - 1)) != 0)
		return sf_fail(error, SF_E_PAGE_SIZE, 0, page_size, 0);
	*shift = (uint32_t)__builtin_ctz(page_size);
	return SF_E_OK;
}

int sf_get_pagemap(const uint8_t *file, uint32_t size, uint32_t offset, uint32_t page_size, struct sf_pagemap *map,
		   struct sf_error *error)
{
	struct sequence seq = { 0 };
	struct sf_record record;
	map->count = 0;
	map->pages_id = 0;
	map->all_marks = 0;
	int code = page_shift(page_size, &seq.page_shift, error);
	if (code != SF_E_OK)
		return code;
	if (size > SF_MAX_PAGEMAP)
		return sf_fail(error, SF_E_INPUT_TOO_LARGE, 0, size, SF_MAX_PAGEMAP);
	if (offset >= size)
		return sf_fail(error, SF_E_PAGEMAP_NO_HEAD, size, 0, 0);
	for (uint32_t at = offset, n = 0; at < size; n++) {
		struct entry entry;
		code = sf_get_record(file + at, at, size, &record, error);
		if (code != SF_E_OK) {
			error->record = n;
			return code;
		}
		const uint8_t *message = file + record.offset;
		code = n == 0 ? get_head(message, record.size, &map->pages_id, error)
			      : get_entry(message, record.size, &entry, error);
		if (code != SF_E_OK) {
			error->record = n;
			error->offset += record.offset;
			return code;
		}
		at = (uint32_t)record.offset + record.size;
		if (n == 0)
			continue;
		uint32_t i = map->count;
		if (i >= map->capacity)
			return sf_fail(error, SF_E_TABLE_FULL, record.offset, (uint64_t)i + 1, map->capacity);
		map->offset[i] = seq.file_offset;
		map->marks[i] = place_entry(&entry, &seq);
		map->vaddr[i] = entry.vaddr;
		map->nr_pages[i] = entry.nr_pages;
		map->flags[i] = entry.flags;
		map->all_marks |= map->marks[i];
		map->count = i + 1;
	}
	return SF_E_OK;
}

uint32_t sf_put_pagemap(uint8_t *out, uint32_t pages_id, const uint64_t *vaddr, const uint64_t *nr_pages,
			const uint32_t *flags, uint32_t count)
{
	uint32_t at = sf_put_header(out, SF_HEADER_COMMON, SF_MAGIC_PAGEMAP);
	uint32_t start = at;
	at += 4;
	out[at++] = 1 << 3;
	at += sf_put_varint(out + at, pages_id);
	sf_store32(out + start, at - start - 4);
	for (uint32_t i = 0; i < count; i++) {
		start = at;
		at += 4;
		out[at++] = VADDR << 3;
		at += sf_put_varint(out + at, vaddr[i]);
		out[at++] = COMPAT_NR_PAGES << 3;
		out[at++] = 0;
		out[at++] = FLAGS << 3;
		at += sf_put_varint(out + at, flags[i]);
		out[at++] = NR_PAGES << 3;
		at += sf_put_varint(out + at, nr_pages[i]);
		sf_store32(out + start, at - start - 4);
	}
	return at;
}
