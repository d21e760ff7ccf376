/* Page contents into a file (pagefile.c). */
#ifndef SF_PAGEFILE_H
#define SF_PAGEFILE_H

#include "helper.h"

/* The file's size; of what is no file and has no holes (/dev/null) so much that nothing is left out. */
MUST_CHECK struct fail pages_size(int fd, uint64_t *size);
/* Makes the file at least so long: it may end with pages that were left out. */
MUST_CHECK struct fail pages_set_size(int fd, uint64_t least);
/* `size` bytes at `from` to `off`. Zeros become holes: left out from `end` on, where the file ended before; punched ahead of it. */
MUST_CHECK struct fail pages_write(int fd, const uint8_t *from, uint64_t size, uint64_t off, uint64_t end);

/* The same of `size` zeros; where they cannot be a hole they are written, `chunk` by chunk. */
MUST_CHECK struct fail pages_write_zeros(int fd, uint64_t size, uint64_t off, uint64_t end, uint8_t *chunk, uint64_t chunk_size);

/* Blocks of a tmpfs file that are made as huge pages; one for each thread that copies. Zeroed: there are none. `ns`: of a block, lately, by pages and huge. */
#define BLOCK_SIZE (2ull << 20)
struct blocks { uint8_t *reserved, *window; uint64_t ns[2]; uint32_t count, doublings; bool last; };
/* None where the file is in a file system in which it does not pay. */
void blocks_open(struct blocks *b, int fd);
void blocks_close(struct blocks *b);
/* What the copying of a block took, in one way or the other. */
void blocks_took(struct blocks *b, bool huge, uint64_t ns);
/*
 * Makes the empty block at `off` of the file, within its size, and fills the first `size` bytes. Returns where it is mapped, for the caller to fill the
 * rest; NULL when it cannot be made, is not worth it, or these bytes have pages of zeros: the caller writes it by pages.
 */
MUST_CHECK uint8_t *block_make(struct blocks *b, int fd, uint64_t off, const uint8_t *from, uint64_t size);
/* Bytes [from, from + size) of the block at `off` were filled: pages of zeros among them become holes. */
void block_filled(const struct blocks *b, int fd, uint64_t off, uint64_t from, uint64_t size);

#endif
