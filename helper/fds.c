/* Descriptors the helper holds for the supervisor: opened by LOCAL programs or put here, fetched back, copied by pidfd_getfd. */
#include "executor.h"
#include "helper.h"

struct fail req_put_fd(struct request *rq, struct reply *rp)
{
	if (rq->fd < 0) return failed(SF_AT_FD, 0, -EBADF);
	POINT(SF_AT_FD, (uint32_t)rq->fd);
	int32_t number = rq->fd;
	TRY(buffer_append(&rp->out, &number, sizeof number));
	(void)fd_steal(&rq->fd);
	return OK;
}

struct fail req_get_fd(struct request *rq, struct reply *rp)
{
	int32_t number;
	if (rq->size != sizeof number) return failed(SF_AT_DECODE, 0, -EBADMSG);
	memcpy(&number, rq->payload, sizeof number);
	if (number == wire_socket) return failed(SF_AT_FD, (uint32_t)number, -EBADF);
	POINT(SF_AT_FD, (uint32_t)number);
	int64_t copy = sys_fcntl(number, F_DUPFD_CLOEXEC, 0);
	TRY(check(SF_AT_FD, (uint32_t)number, copy));
	rp->fd = (int)copy;
	return OK;
}

struct fail req_close(struct request *rq, struct reply *rp)
{
	(void)rp;
	if (rq->size % 4 != 0) return failed(SF_AT_DECODE, 0, -EBADMSG);
	const int32_t *numbers = (const int32_t *)rq->payload;
	for (uint32_t i = 0; i < rq->size / 4; i++) {
		POINT(SF_AT_FD, (uint32_t)numbers[i]);
		int64_t n = numbers[i] == wire_socket ? -EBADF : sys_close(numbers[i]);
		if (n == -EBADF) return failed(SF_AT_FD, (uint32_t)numbers[i], n);
	}
	return OK;
}

/* A block in the helper itself: the same executor, on the helper's stack. */
struct fail req_local(struct request *rq, struct reply *rp)
{
	const struct sf_block *given = (const struct sf_block *)rq->payload;
	TRY(check(SF_AT_DECODE, 0, sf_executor_check(given, rq->size)));
	if (given->shared != 0) return failed(SF_AT_DECODE, 0, -EINVAL);
	POINT(SF_AT_INJECT_RUN, 0);
	autobuffer memory = {0, 0, 0};
	TRY(buffer_reserve(&memory, given->size));
	memcpy(memory.data, rq->payload, rq->size);
	sf_executor_run((struct sf_block *)memory.data);
	return buffer_append(&rp->out, memory.data, rq->size);
}
