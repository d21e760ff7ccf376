/* Files of /proc/PID, and reading a task's memory by whichever way is open. */
#include "helper.h"

unsigned write_number(char *to, uint32_t n)
{
	char digits[12];
	unsigned count = 0, at = 0;
	do digits[count++] = (char)('0' + n % 10); while ((n /= 10) != 0);
	while (count > 0) to[at++] = digits[--count];
	to[at] = 0;
	return at;
}

struct fail proc_open(uint32_t pid, const char *name, int flags, int *fd)
{
	char path[64] = "/proc/";
	unsigned at = 6 + write_number(path + 6, pid);
	path[at++] = '/';
	for (; *name != 0 && at < sizeof path - 1; name++) path[at++] = *name;
	path[at] = 0;
	int64_t got = sys_open(path, flags | O_CLOEXEC);
	if (got < 0) return failed(SF_AT_OPEN, pid, got);
	*fd = (int)got;
	return OK;
}

/* All of it or a failure. */
struct fail read_task(uint32_t pid, int mem, uint64_t address, void *to, uint64_t size)
{
	uint8_t *p = to;
	while (size > 0) {
		int64_t n = sys_pread(mem, p, size, address);
		if (n == -EINTR) continue;
		if (n <= 0) return failed(SF_AT_READ, pid, n < 0 ? n : -EFAULT);
		p += n;
		address += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return OK;
}

char task_state(uint32_t tid)
{
	autofd fd = -1;
	char text[256];
	if (proc_open(tid, "stat", O_RDONLY, &fd).error != 0) return 0;
	int64_t n = sys_read(fd, text, sizeof text);
	for (int64_t i = n - 3; i >= 0; i--) {
		if (text[i] == ')' && text[i + 1] == ' ') return text[i + 2];
	}
	return 0;
}

/* Bytes of a task's memory; short at the first page that cannot be read. */
struct fail req_peek(struct request *rq, struct reply *rp)
{
	struct sf_peek q;
	if (rq->size != sizeof q) return failed(SF_AT_DECODE, 0, -EBADMSG);
	memcpy(&q, rq->payload, sizeof q);
	if (q.size > SF_MAX_PAYLOAD) return failed(SF_AT_DECODE, q.pid, -EMSGSIZE);
	autofd mem = -1;
	TRY(proc_open(q.pid, "mem", O_RDONLY, &mem));
	POINT(SF_AT_READ, q.pid);
	TRY(buffer_reserve(&rp->out, q.size));
	while (rp->out.size < q.size) {
		int64_t n = sys_pread(mem, rp->out.data + rp->out.size, q.size - rp->out.size, q.address + rp->out.size);
		if (n == -EINTR) continue;
		if (n <= 0 && rp->out.size > 0) break;
		if (n <= 0) return failed(SF_AT_READ, q.pid, n < 0 ? n : -EFAULT);
		rp->out.size += (uint64_t)n;
	}
	return OK;
}

struct fail req_poke(struct request *rq, struct reply *rp)
{
	(void)rp;
	struct sf_peek q;
	if (rq->size < sizeof q) return failed(SF_AT_DECODE, 0, -EBADMSG);
	memcpy(&q, rq->payload, sizeof q);
	if (q.size != rq->size - sizeof q) return failed(SF_AT_DECODE, q.pid, -EBADMSG);
	autofd mem = -1;
	TRY(proc_open(q.pid, "mem", O_RDWR, &mem));
	POINT(SF_AT_WRITE, q.pid);
	for (uint64_t done = 0; done < q.size;) {
		int64_t n = sys_pwrite(mem, rq->payload + sizeof q + done, q.size - done, q.address + done);
		if (n == -EINTR) continue;
		if (n <= 0) return failed(SF_AT_WRITE, q.pid, n < 0 ? n : -EFAULT);
		done += (uint64_t)n;
	}
	return OK;
}
