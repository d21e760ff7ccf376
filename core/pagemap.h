/*
 * Page maps: pagemap-PID.img and pagemap-shmem-ID.img, which say what is in pages-N.img and where it belongs.
 *
 *   file    := COMMON PAGEMAP head entry*                    records as in container.h
 *   head    := { 1: pages_id u32 }                           N of pages-N.img
 *   entry   := { 1: vaddr u64, 2: compat_nr_pages u32, 3: in_parent bool?, 4: flags u32?, 5: nr_pages u64? }
 *   flags   := PARENT 1 (the pages are in the parent set) | LAZY 2 (may be brought later) | PRESENT 4 (they are in pages-N.img)
 *
 * Meaning, as every reader must have it:
 *   - number of pages: nr_pages where it is written (4.2 and later, which write compat_nr_pages as 0), else compat_nr_pages;
 *   - flags: with in_parent set, PARENT is added; else an entry without flags is PRESENT (images before flags existed);
 *   - the pages of PRESENT entries lie in pages-N.img one behind the other, in the order of the entries.
 * Entries are sorted by address and do not overlap when CRIU writes them; a reader of altered images cannot rely on it, so
 * decoding gives each entry `marks` instead of an error for what is well-formed but makes no sense.
 *
 * Fields that are not listed (later versions: compression) are skipped here and marked; the image schema keeps them.
 *
 * Facts: CRIU 4.2 images/pagemap.proto, criu/pagemap.c, criu/page-xfer.c, criu/include/pagemap.h.
 */
#ifndef SF_PAGEMAP_H
#define SF_PAGEMAP_H

#include "sf.h"

#define SF_MAGIC_PAGEMAP 0x56084025u

/*
 * Largest page map: one entry a page in the worst case (alternating present and parent pages); at 22 bytes a record 512 MiB
 * are 24 million entries, 95 GB of memory in pieces of one page. It also keeps every offset far inside 32 bits.
 */
#define SF_MAX_PAGEMAP (512u << 20)

enum sf_page_flag { SF_PAGE_PARENT = 1, SF_PAGE_LAZY = 2, SF_PAGE_PRESENT = 4 };

enum sf_page_mark {
	SF_MARK_NR_PAGES = 1 << 0,   /* nr_pages is written */
	SF_MARK_FLAGS = 1 << 1,      /* flags is written */
	SF_MARK_IN_PARENT = 1 << 2,  /* in_parent is written (whatever its value) */
	SF_MARK_UNKNOWN = 1 << 3,    /* it has fields that are not listed above: file offsets may be wrong */
	SF_MARK_UNALIGNED = 1 << 8,  /* vaddr is no multiple of the page size */
	SF_MARK_OVERFLOW = 1 << 9,   /* vaddr + pages goes past the end of the address space, or the file offset past 2^64 */
	SF_MARK_UNORDERED = 1 << 10, /* starts below the start of the entry before it */
	SF_MARK_OVERLAP = 1 << 11,   /* starts below the highest end of all entries before it */
	SF_MARK_EMPTY = 1 << 12,     /* no pages */
};
#define SF_MARKS_BAD 0xff00u         /* any of these: no such entry is written by CRIU */

/* Smallest record of an entry: size field, vaddr of 0 and compat_nr_pages of 0 (bounds how many entries a file has). */
#define SF_MIN_PAGEMAP_ENTRY 8
/* Largest record that is written: size field, tags, 10 + 1 + 5 + 10 bytes of varints. */
#define SF_MAX_PAGEMAP_ENTRY (4 + 4 + 10 + 1 + 5 + 10)

/* Entries as columns, each `capacity` long. */
struct sf_pagemap {
	uint64_t *vaddr;
	uint64_t *nr_pages;
	uint64_t *offset;    /* first byte in pages-N.img; where the entry is not PRESENT: where it would be */
	uint32_t *flags;     /* as resolved: see above */
	uint32_t *marks;     /* enum sf_page_mark */
	uint32_t capacity;
	uint32_t count;      /* filled by decoding */
	uint32_t pages_id;
	uint32_t all_marks;  /* all marks or'ed */
};

/*
 * Decodes the records of a page map: `file` from `offset` (behind the header) to `size`.
 * @param page_size 4096, or up to 65536 for images of other architectures
 */
SF_MUST_CHECK int sf_get_pagemap(const uint8_t *file, uint32_t size, uint32_t offset, uint32_t page_size,
				 struct sf_pagemap *map, struct sf_error *error);

/*
 * Encodes a page map with its header, byte for byte as CRIU 4.2 does: vaddr, compat_nr_pages 0, flags, nr_pages.
 * `out` has room for SF_PAGEMAP_BOUND(count) bytes. Returns how many were written.
 */
#define SF_PAGEMAP_BOUND(count) (24u + (count) * SF_MAX_PAGEMAP_ENTRY)
uint32_t sf_put_pagemap(uint8_t *out, uint32_t pages_id, const uint64_t *vaddr, const uint64_t *nr_pages,
			const uint32_t *flags, uint32_t count);

#endif
