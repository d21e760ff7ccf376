/*
 * The container of CRIU's image files.
 *
 *   file    := header record*
 *   header  := magic                        inventory.img only, and every file of image version 1.0
 *            | COMMON magic                 every other image
 *            | SERVICE magic                files of the service kind: stats-dump, stats-restore, irmap-cache
 *   record  := size message payload?
 *   magic, size := u32, little-endian
 *   message := `size` bytes of protobuf
 *   payload := raw bytes that belong to the record; how many is said by a field of the message (ghost-file chunks,
 *              pipe data, socket queues, SysV shm, msg and sem contents). Only a reader with the schema knows.
 *
 * Files without any header (pages-N.img, the iptables and route dumps, ...) are not containers.
 * The core does not know which magic belongs to which image: that is the schema's (src/image).
 *
 * Facts: CRIU 4.2 criu/image.c (magics), criu/protobuf.c (records), criu/include/magic.h.
 */
#ifndef SF_CONTAINER_H
#define SF_CONTAINER_H

#include "sf.h"

#define SF_MAGIC_COMMON 0x54564319u
#define SF_MAGIC_SERVICE 0x55105940u

/*
 * Largest message. CRIU itself has no limit (the size is any u32 and is allocated as it stands), so this one is ours: the
 * largest message a real system writes is mm-PID.img with one vma_entry of up to 64 bytes a mapping; 256 MiB are
 * 4,000,000 mappings, 64 times the kernel's default vm.max_map_count. pstree.img names at most 4,194,304 threads
 * (the kernel's PID_MAX_LIMIT) in 20 MB.
 */
#define SF_MAX_MESSAGE (256u << 20)

/* Header kinds, as sf_header.kind and sf_put_header()'s argument. */
enum sf_header_kind { SF_HEADER_PLAIN = 0, SF_HEADER_COMMON = 1, SF_HEADER_SERVICE = 2 };

struct sf_header {
	uint32_t kind;  /* enum sf_header_kind */
	uint32_t magic; /* the image's own */
	uint32_t size;  /* 4 or 8: where the first record starts */
};
_Static_assert(sizeof(struct sf_header) == 12, "the loader reads 12 bytes");

/* A record's message: bytes [offset, offset + size) of the file. The record's size field is the 4 bytes before. */
struct sf_record {
	uint64_t offset;
	uint32_t size;
	uint32_t reserved;
};
_Static_assert(sizeof(struct sf_record) == 16, "the loader reads 16 bytes");

/* Reads the header from the file's first bytes (8 are enough; fewer only when the file is shorter). */
SF_MUST_CHECK int sf_get_header(const uint8_t *bytes, uint64_t size, struct sf_header *header, struct sf_error *error);

/*
 * Reads the size field at `offset` of a file of `file_size` bytes. `bytes` holds the file from `offset` on: 4 bytes, or
 * what is left of the file. At the file's end the record is all zeros (a real record never has offset 0).
 */
SF_MUST_CHECK int sf_get_record(const uint8_t *bytes, uint64_t offset, uint64_t file_size, struct sf_record *record,
				struct sf_error *error);

/*
 * All records of a file without payloads, from `offset` on, into `table`. `*count` is how many the file has; more than
 * `capacity` is SF_E_TABLE_FULL (with capacity 0 and a null table: only counts). On an error, `*count` is how many are good.
 */
SF_MUST_CHECK int sf_get_records(const uint8_t *file, uint32_t size, uint32_t offset, struct sf_record *table,
				 uint32_t capacity, uint32_t *count, struct sf_error *error);

/* The size fields of `count` records, 4 bytes each, one behind the other; a size above SF_MAX_MESSAGE is refused. */
SF_MUST_CHECK int sf_put_sizes(uint8_t *out, const uint32_t *sizes, uint32_t count, struct sf_error *error);

/* Writes a header; returns its size, 4 or 8. */
uint32_t sf_put_header(uint8_t out[8], uint32_t kind, uint32_t magic);

#endif
