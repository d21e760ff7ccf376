/*
 * Descriptors of a task, many at once: what the kernel tells of each (DESCRIPTORS), and which kernel objects are one and the same (SAME).
 * Only looks: a copy of a descriptor is taken for as long as it is asked (pidfd_getfd), no position or flag is changed.
 */
#include "helper.h"

#define DECIMAL 10u
#define OCTAL 8u

static uint64_t read_number(const char *p, const char *end, unsigned base)
{
	uint64_t n = 0;
	bool negative = p < end && *p == '-';
	for (p += negative; p < end && *p >= '0' && *p < (char)('0' + base); p++) n = n * base + (uint64_t)(*p - '0');
	return negative ? 0 - n : n;
}

/* The value of a line `name:<tab>value`; NULL: it is another line. */
static const char *value_of(const char *line, const char *end, const char *name)
{
	while (*name != 0 && line < end && *line == *name) line++, name++;
	if (*name != 0 || line >= end || *line++ != ':') return 0;
	while (line < end && (*line == ' ' || *line == '\t')) line++;
	return line;
}

/* Takes the lines that every descriptor has (fs/proc/fd.c seq_show); the others stay in the text. Returns their size. */
static uint32_t take_common(struct sf_descriptor *d, char *text, uint32_t size, bool *whole)
{
	uint32_t kept = 0, seen = 0;
	d->mnt_id = -1;
	for (uint32_t at = 0, next; at < size; at = next) {
		for (next = at; next < size && text[next] != '\n'; next++) continue;
		const char *line = text + at, *end = text + next, *v;
		next++;
		if (end == line) continue;
		if ((v = value_of(line, end, "pos")) != 0) d->pos = read_number(v, end, DECIMAL), seen |= 1;
		else if ((v = value_of(line, end, "flags")) != 0) d->flags = (uint32_t)read_number(v, end, OCTAL), seen |= 2;
		else if ((v = value_of(line, end, "mnt_id")) != 0) d->mnt_id = (int32_t)read_number(v, end, DECIMAL);
		else if (d->ino == 0 && (v = value_of(line, end, "ino")) != 0) d->ino = read_number(v, end, DECIMAL);
		else {
			memmove(text + kept, line, (size_t)(end - line));
			kept += (uint32_t)(end - line);
			text[kept++] = '\n';
		}
	}
	*whole = seen == 3;
	return kept;
}

struct table { uint32_t pid; int process, info, own; struct buffer text; };

/* All of a file of /proc that is one record: shorter than there was room for is its end (fs/seq_file.c seq_read_iter). */
static MUST_CHECK struct fail read_record(int fd, uint32_t subject, struct buffer *text)
{
	for (text->size = 0;;) {
		TRY(buffer_reserve(text, text->size + 32768));
		uint64_t room = text->capacity - text->size;
		int64_t n = sys_read(fd, text->data + text->size, room);
		if (n == -EINTR) continue;
		TRY(check(SF_AT_READ, subject, n));
		text->size += (uint64_t)n;
		if ((uint64_t)n < room) return OK;
		if (text->size > SF_MAX_LINES) return failed(SF_AT_READ, subject, -EMSGSIZE);
	}
}

static MUST_CHECK struct fail ask_owner(int held, uint32_t fd, struct sf_descriptor *d)
{
	struct f_owner_ex owner = {0, 0};
	uint32_t users[2] = {0, 0};
	int64_t signal = sys_fcntl(held, F_GETSIG, 0);
	TRY(check(SF_AT_FD, fd, signal));
	TRY(check(SF_AT_FD, fd, sys_fcntl(held, F_GETOWN_EX, U(&owner))));
	/* a kernel without CONFIG_CHECKPOINT_RESTORE does not tell */
	if (owner.pid != 0) (void)sys_fcntl(held, F_GETOWNER_UIDS, U(users));
	d->signal = (int32_t)signal;
	d->owner_type = owner.type;
	d->owner_pid = owner.pid;
	d->owner_uid = users[0];
	d->owner_euid = users[1];
	return OK;
}

/* FNV-1a, a word at a time, of what all descriptors of an open file have in common. */
static uint32_t key_of(const struct sf_descriptor *d)
{
	uint64_t words[5] = {0, 0, d->pos, d->flags & ~(uint32_t)O_CLOEXEC, (uint32_t)d->mnt_id};
	memcpy(words, d->stat, 16); /* st_dev, st_ino */
	uint64_t hash = 0xcbf29ce484222325ull;
	for (unsigned i = 0; i < 5; i++) hash = (hash ^ words[i]) * 0x100000001b3ull, hash ^= hash >> 32;
	return (uint32_t)hash;
}

/* Adds one record. */
static MUST_CHECK struct fail tell(struct table *t, uint32_t fd, struct buffer *out)
{
	char name[12];
	autofd info = -1, held = -1;
	bool whole;
	POINT(SF_AT_READ, fd);
	(void)write_number(name, fd);
	int64_t got = sys_openat(t->info, name, O_RDONLY | O_CLOEXEC);
	TRY(check(SF_AT_OPEN, fd, got));
	info = (int)got;
	TRY(read_record(info, fd, &t->text));
	got = sys_pidfd_getfd(t->process, (int)fd);
	TRY(check(SF_AT_FD, fd, got));
	held = (int)got;

	uint64_t start = out->size;
	struct sf_descriptor *d = buffer_extend(out, sizeof *d);
	if (d == 0) return failed(SF_AT_MEMORY, fd, -ENOMEM);
	d->fd = fd;
	d->lines_size = take_common(d, (char *)t->text.data, (uint32_t)t->text.size, &whole);
	if (!whole) return failed(SF_AT_READ, fd, -EBADMSG);
	TRY(check(SF_AT_READ, fd, sys_fstat(held, d->stat)));
	d->key = key_of(d);
	if ((d->flags & O_PATH) == 0) TRY(ask_owner(held, fd, d));

	TRY(buffer_reserve(out, out->size + SF_MAX_LINK + t->text.size + 8));
	d = (struct sf_descriptor *)(out->data + start);
	(void)write_number(name, (uint32_t)held);
	got = sys_readlinkat(t->own, name, out->data + out->size, SF_MAX_LINK);
	TRY(check(SF_AT_READ, fd, got));
	d->link_size = (uint32_t)got;
	memcpy(out->data + out->size + got, t->text.data, d->lines_size);
	out->size += (uint64_t)got + d->lines_size;
	uint64_t padding = ROUND_UP(out->size, 8) - out->size;
	memset(out->data + out->size, 0, padding);
	out->size += padding;
	d->size = (uint32_t)(out->size - start);
	return OK;
}

/* The numbers in a task's fdinfo, in ascending order (fs/proc/fd.c proc_readfd_common); of the helper's own not those of this request. */
static MUST_CHECK struct fail list(const struct table *t, struct buffer *fds)
{
	char entries[16384];
	bool own = t->pid == (uint32_t)sys_getpid();
	for (;;) {
		int64_t n = sys_getdents(t->info, entries, sizeof entries);
		if (n == -EINTR) continue;
		TRY(check(SF_AT_READ, t->pid, n));
		if (n == 0) return OK;
		for (int64_t at = 0; at < n;) {
			const struct linux_dirent64 *e = (const struct linux_dirent64 *)(entries + at);
			const char *end = e->name;
			while (*end >= '0' && *end <= '9') end++;
			if (end > e->name) {
				uint32_t fd = (uint32_t)read_number(e->name, end, DECIMAL);
				bool ours = own && ((int)fd == t->process || (int)fd == t->info || (int)fd == t->own);
				if (!ours) TRY(buffer_append(fds, &fd, sizeof fd));
			}
			at += e->reclen;
		}
	}
}

static void table_cleanup(struct table *t)
{
	fd_cleanup(&t->process);
	fd_cleanup(&t->info);
	fd_cleanup(&t->own);
	buffer_free(&t->text);
}

/* u32 pid, u32 fd[] */
struct fail req_descriptors(struct request *rq, struct reply *rp)
{
	if (rq->size < 4 || rq->size % 4 != 0) return failed(SF_AT_DECODE, 0, -EBADMSG);
	const uint32_t *words = (const uint32_t *)rq->payload;
	autobuffer all = {0, 0, 0};
	__attribute__((cleanup(table_cleanup))) struct table t = {words[0], -1, -1, -1, {0, 0, 0}};
	const uint32_t *fds = words + 1;
	uint64_t count = rq->size / 4 - 1;
	TRY(proc_open(t.pid, "fdinfo", O_RDONLY, &t.info));
	int64_t got = sys_pidfd_open((int)t.pid);
	TRY(check(SF_AT_OPEN, t.pid, got));
	t.process = (int)got;
	got = sys_open("/proc/self/fd", O_RDONLY | O_CLOEXEC);
	TRY(check(SF_AT_OPEN, t.pid, got));
	t.own = (int)got;
	if (count == 0) {
		TRY(list(&t, &all));
		fds = (const uint32_t *)all.data;
		count = all.size / 4;
	}
	for (uint64_t i = 0; i < count; i++) TRY(tell(&t, fds[i], &rp->out));
	return OK;
}

struct sort { const struct sf_object *objects; uint32_t *first; uint32_t *room; };

/* -1, 0 and 1, or 2: different, and the kernel keeps the order to itself. */
static MUST_CHECK struct fail compare(const struct sort *s, uint32_t i, uint32_t j, int *order)
{
	const struct sf_object *a = &s->objects[i], *b = &s->objects[j];
	if (a->type != b->type || a->key != b->key) {
		*order = a->type < b->type || (a->type == b->type && a->key < b->key) ? -1 : 1;
		return OK;
	}
	POINT(SF_AT_READ, i);
	int64_t n = sys_kcmp((int)a->pid, (int)b->pid, (int)a->type, a->index, b->index);
	TRY(check(SF_AT_READ, a->pid, n));
	*order = n == 0 ? 0 : n == 1 ? -1 : n == 2 ? 1 : 2;
	return OK;
}

/* Each against those already known to be different: for few, and where there is no order. */
#define FEW 4u
static MUST_CHECK struct fail each_against_all(const struct sort *s, uint32_t *places, uint32_t n)
{
	uint32_t known = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = 0;
		for (; j < known; j++) {
			int order;
			TRY(compare(s, places[j], places[i], &order));
			if (order == 0) break;
		}
		if (j < known) s->first[places[i]] = places[j];
		else places[known++] = places[i];
	}
	return OK;
}

/*
 * Sorts places by merging; of those that are one object only the first is kept. It goes as deep as the logarithm of n. One thread: two
 * that compare files of one task wait for each other in the kernel, and take half as long again.
 */
static MUST_CHECK struct fail merge_sort(const struct sort *s, uint32_t *places, uint32_t n, uint32_t *kept, bool *unordered)
{
	*kept = n;
	if (n < 2) return OK;
	uint32_t left, right, i = 0, j = 0, k = 0, *other = places + n / 2;
	TRY(merge_sort(s, places, n / 2, &left, unordered));
	if (!*unordered) TRY(merge_sort(s, other, n - n / 2, &right, unordered));
	if (*unordered) return OK;
	memcpy(s->room, places, left * sizeof *places);
	while (i < left && j < right) {
		int order;
		TRY(compare(s, s->room[i], other[j], &order));
		if (order == 2) {
			*unordered = true;
			return OK;
		}
		if (order == 0) s->first[other[j++]] = s->room[i];
		else places[k++] = order < 0 ? s->room[i++] : other[j++];
	}
	while (i < left) places[k++] = s->room[i++];
	while (j < right) places[k++] = other[j++];
	*kept = k;
	return OK;
}

/* struct sf_object[] -> u32[] */
struct fail req_same(struct request *rq, struct reply *rp)
{
	uint32_t n = rq->size / sizeof(struct sf_object), kept;
	if (n == 0 || rq->size % sizeof(struct sf_object) != 0) return failed(SF_AT_DECODE, 0, -EBADMSG);
	autobuffer work = {0, 0, 0};
	uint32_t *first = buffer_extend(&rp->out, n * sizeof *first);
	uint32_t *places = buffer_extend(&work, 2 * n * sizeof *places);
	if (first == 0 || places == 0) return failed(SF_AT_MEMORY, 0, -ENOMEM);
	struct sort s = {(const struct sf_object *)rq->payload, first, places + n};
	for (uint32_t i = 0; i < n; i++) first[i] = places[i] = i;
	bool unordered = n <= FEW;
	if (!unordered) TRY(merge_sort(&s, places, n, &kept, &unordered));
	if (unordered) {
		for (uint32_t i = 0; i < n; i++) first[i] = places[i] = i;
		TRY(each_against_all(&s, places, n));
	}
	/* a first one is before its equals, so it is settled before them */
	for (uint32_t i = 0; i < n; i++) first[i] = first[first[i]];
	return OK;
}
