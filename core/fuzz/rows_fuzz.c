/* Fuzzes tables of messages: whatever columns and values, nothing outside of the buffers is touched, and what one level holds can be scanned. */
#include <stdlib.h>
#include <string.h>
#include "../rows.h"
#include "../wire.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROWS 3u
#define COLUMN (2 + 8 * ROWS)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3)
		return 0;
	uint32_t room = (uint32_t)data[0] << 4, pool_size = data[1], ncolumns = (uint32_t)((size - 2) / COLUMN), total, sizes[ROWS];
	struct sf_column *columns = calloc(ncolumns + 1, sizeof(*columns));
	uint64_t *values = malloc(8 * ROWS * (ncolumns + 1));
	uint8_t *present = malloc(ROWS * (ncolumns + 1)), *pool = calloc(pool_size + 1, 1), *out = malloc(room + 1);
	struct sf_error error = { 0 };
	bool flat = true;
	for (uint32_t i = 0; i < ncolumns; i++) {
		const uint8_t *from = data + 2 + COLUMN * i;
		columns[i] = (struct sf_column){ from[0] % (SF_COLUMN_KINDS + 1), (from[1] & 15u) << 3, values + ROWS * i, from[1] & 128 ? present + ROWS * i : NULL };
		memcpy(values + ROWS * i, from + 2, 8 * ROWS);
		for (uint32_t row = 0; row < ROWS; row++)
			present[ROWS * i + row] = from[1] >> (4 + row) & 1;
		flat &= columns[i].kind <= SF_ZIGZAG && columns[i].tag != 0;
	}
	int code = sf_put_rows(out, room, columns, ncolumns, pool, pool_size, ROWS, sizes, &total, &error);
	REQUIRE(total <= room && (code == SF_E_OK || error.record < ROWS));
	for (uint32_t row = 0, at = 0; code == SF_E_OK && row < ROWS; at += sizes[row++]) {
		uint32_t count;
		REQUIRE(sizes[row] <= total - at);
		REQUIRE(!flat || sf_get_fields(out + at, sizes[row], NULL, 0, &count, &error) == SF_E_OK);
	}
	free(out);
	free(pool);
	free(present);
	free(values);
	free(columns);
	return 0;
}
