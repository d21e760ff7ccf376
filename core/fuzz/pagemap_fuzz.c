/* Fuzzes page maps: what decodes and makes sense encodes to something that decodes the same. */
#include <stdlib.h>
#include <string.h>
#include "../container.h"
#include "../pagemap.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sf_pagemap room(uint32_t n)
{
	return (struct sf_pagemap){ malloc(8 * n + 1), malloc(8 * n + 1), malloc(8 * n + 1), malloc(4 * n + 1), malloc(4 * n + 1), n, 0, 0, 0 };
}

static void drop(struct sf_pagemap *map)
{
	free(map->vaddr);
	free(map->nr_pages);
	free(map->offset);
	free(map->flags);
	free(map->marks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sf_header header;
	struct sf_error error = { 0 };
	uint32_t records;
	if (sf_get_header(data, size, &header, &error) != SF_E_OK)
		return 0;
	int framing = sf_get_records(data, (uint32_t)size, header.size, NULL, 0, &records, &error);
	uint32_t page_size = 4096u << size % 5;
	struct sf_pagemap map = room(records == 0 ? 0 : records - 1), again = room(map.capacity);
	int code = sf_get_pagemap(data, (uint32_t)size, header.size, page_size, &map, &error);
	REQUIRE(map.count <= map.capacity && (code != SF_E_OK || (framing == SF_E_OK && map.count == map.capacity)));
	REQUIRE(code == SF_E_OK || error.offset <= size);
	uint8_t *file = malloc(SF_PAGEMAP_BOUND(map.count));
	uint32_t encoded = sf_put_pagemap(file, map.pages_id, map.vaddr, map.nr_pages, map.flags, map.count);
	REQUIRE(encoded <= SF_PAGEMAP_BOUND(map.count));
	uint8_t *exact = malloc(encoded);
	memcpy(exact, file, encoded);
	REQUIRE(sf_get_pagemap(exact, encoded, 8, page_size, &again, &error) == SF_E_OK);
	REQUIRE(again.count == map.count && again.pages_id == map.pages_id);
	for (uint32_t i = 0; i < map.count; i++) {
		REQUIRE(again.vaddr[i] == map.vaddr[i] && again.nr_pages[i] == map.nr_pages[i] && again.flags[i] == map.flags[i]);
		REQUIRE(again.offset[i] == map.offset[i] && (again.marks[i] & SF_MARKS_BAD) == (map.marks[i] & SF_MARKS_BAD));
	}
	free(exact);
	free(file);
	drop(&map);
	drop(&again);
	return 0;
}
