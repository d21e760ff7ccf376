/* The table of threads this helper traces: a dense list, and an index by tid (sparse memory, touched where used). */
#include "helper.h"

#define MAX_TID (1u << 22) /* PID_MAX_LIMIT of <linux/threads.h> */

static struct buffer list;
static uint32_t *slots; /* by tid: position in the list + 1 */

static struct tracee *all(void) { return (struct tracee *)list.data; }
static uint32_t count(void) { return (uint32_t)(list.size / sizeof(struct tracee)); }

struct fail tracees_init(void)
{
	int64_t at = sys_mmap(0, MAX_TID * sizeof *slots, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TRY(check(SF_AT_MEMORY, 0, at));
	slots = (uint32_t *)at;
	return OK;
}

struct tracee *tracee_at(uint32_t index) { return index < count() ? &all()[index] : 0; }

struct tracee *tracee_find(uint32_t tid)
{
	return tid < MAX_TID && slots[tid] != 0 ? &all()[slots[tid] - 1] : 0;
}

struct fail tracee_add(uint32_t tid, bool taken)
{
	if (tid >= MAX_TID) return failed(SF_AT_SEIZE, tid, -ESRCH);
	if (slots[tid] != 0) return failed(SF_AT_SEIZE, tid, -EBUSY);
	struct tracee t = {tid, taken, 0};
	TRY(buffer_append(&list, &t, sizeof t));
	slots[tid] = count();
	return OK;
}

void tracee_remove(uint32_t tid)
{
	struct tracee *t = tracee_find(tid);
	if (t == 0) return;
	struct tracee last = all()[count() - 1];
	slots[last.tid] = slots[tid];
	slots[tid] = 0;
	*t = last;
	if (last.tid == tid) slots[tid] = 0;
	list.size -= sizeof last;
}
