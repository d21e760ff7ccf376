/*
 * What the natively built core makes of a file, one line a fact, for comparison with the WebAssembly build.
 *   cli scan FILE       header, each record, the fields of each message
 *   cli pagemap FILE    each entry
 *   cli hash FILE       each page's hash with seed 5, then which are zero
 * A refusal is printed as `error NAME offset record got want`; the exit code is 0 all the same.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../container.h"
#include "../pagehash.h"
#include "../pagemap.h"
#include "../wire.h"

static int refuse(const struct sf_error *error)
{
	printf("error %s %" PRIu64 " %u %" PRIu64 " %" PRIu64 "\n", sf_error_name(error->code), error->offset, error->record,
	       error->got, error->want);
	return 0;
}

static void *room(size_t count, size_t size)
{
	void *memory = calloc(count + 1, size);
	if (memory == NULL)
		abort();
	return memory;
}

static int scan(const uint8_t *file, uint32_t size)
{
	struct sf_header header;
	struct sf_error error = { 0 };
	struct sf_record record;
	if (sf_get_header(file, size, &header, &error) != SF_E_OK)
		return refuse(&error);
	printf("header %u %u %u\n", header.kind, header.magic, header.size);
	for (uint64_t at = header.size;; at = record.offset + record.size) {
		struct sf_field *fields;
		uint32_t count;
		if (sf_get_record(file + at, at, size, &record, &error) != SF_E_OK)
			return refuse(&error);
		if (record.offset == 0)
			return 0;
		printf("record %" PRIu64 " %u\n", record.offset, record.size);
		fields = room(record.size, sizeof(*fields));
		if (sf_get_fields(file + record.offset, record.size, fields, record.size, &count, &error) != SF_E_OK)
			refuse(&error);
		else
			for (uint32_t i = 0; i < count; i++)
				printf("field %u %u %u %u %" PRIu64 "\n", fields[i].number, fields[i].type, fields[i].offset,
				       fields[i].size, fields[i].value);
		free(fields);
	}
}

static int pagemap(const uint8_t *file, uint32_t size)
{
	uint32_t n = size / SF_MIN_PAGEMAP_ENTRY + 1;
	struct sf_pagemap map = { room(n, 8), room(n, 8), room(n, 8), room(n, 4), room(n, 4), n, 0, 0, 0 };
	struct sf_error error = { 0 };
	struct sf_header header;
	if (sf_get_header(file, size, &header, &error) != SF_E_OK)
		return refuse(&error);
	if (sf_get_pagemap(file, size, header.size, 4096, &map, &error) != SF_E_OK)
		return refuse(&error);
	printf("pages %u marks %u\n", map.pages_id, map.all_marks);
	for (uint32_t i = 0; i < map.count; i++)
		printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %u %u\n", map.vaddr[i], map.nr_pages[i], map.offset[i], map.flags[i],
		       map.marks[i]);
	return 0;
}

static int hash(const uint8_t *file, uint32_t size)
{
	uint32_t count = size / SF_PAGE;
	struct sf_hash *hashes = room(count, sizeof(*hashes));
	uint8_t *bitmap = room(count / 8 + 1, 1);
	sf_hash_pages(file, count, 5, hashes);
	sf_zero_pages(file, count, bitmap);
	for (uint32_t i = 0; i < count; i++)
		printf("%016" PRIx64 "%016" PRIx64 " %d\n", hashes[i].high, hashes[i].low, bitmap[i / 8] >> i % 8 & 1);
	return 0;
}

int main(int argc, char **argv)
{
	static char buffer[1 << 16];
	uint8_t *file = NULL;
	size_t size = 0, got;
	FILE *stream = argc == 3 ? fopen(argv[2], "rb") : NULL;
	if (stream == NULL) {
		fprintf(stderr, "usage: cli scan|pagemap|hash FILE\n");
		return 2;
	}
	while ((got = fread(buffer, 1, sizeof(buffer), stream)) > 0) {
		/* Always a fresh block of exactly that size, so that ASan sees a read past its end. */
		uint8_t *more = malloc(size + got);
		if (more == NULL)
			abort();
		if (size > 0)
			memcpy(more, file, size);
		memcpy(more + size, buffer, got);
		free(file);
		file = more;
		size += got;
	}
	fclose(stream);
	if (file == NULL)
		file = malloc(1);
	if (strcmp(argv[1], "scan") == 0)
		return scan(file, (uint32_t)size);
	if (strcmp(argv[1], "pagemap") == 0)
		return pagemap(file, (uint32_t)size);
	return hash(file, (uint32_t)size);
}

/* Leaks do not matter in a program that prints and ends. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
