/* The wire: one request in, one reply out, at most one descriptor with each. Lengths are checked before anything is read. */
#include "helper.h"

static MUST_CHECK struct fail receive_all(int sock, void *to, uint64_t size)
{
	uint8_t *p = to;
	while (size > 0) {
		int64_t n = sys_read(sock, p, size);
		if (n == -EINTR) continue;
		if (n == 0) return failed(SF_AT_READ, 0, -EPIPE);
		TRY(check(SF_AT_READ, 0, n));
		p += n;
		size -= (uint64_t)n;
	}
	return OK;
}

struct fail wire_receive(int sock, struct buffer *payload, struct sf_request *head, int *fd)
{
	struct cmsg_fd control = {0};
	struct iovec iov = {head, sizeof *head};
	struct msghdr m = {.iov = &iov, .iovlen = 1, .control = &control, .controllen = sizeof control};
	int64_t n;
	do n = sys_recvmsg(sock, &m, MSG_CMSG_CLOEXEC); while (n == -EINTR);
	TRY(check(SF_AT_READ, 0, n));
	if (n == 0) return failed(SF_AT_READ, 0, -EPIPE);
	*fd = -1;
	if (m.controllen >= 20 && control.level == SOL_SOCKET && control.type == SCM_RIGHTS) *fd = control.fd;
	if ((uint64_t)n < sizeof *head) TRY(receive_all(sock, (uint8_t *)head + n, sizeof *head - (uint64_t)n));
	if (head->magic != SF_REQUEST_MAGIC || head->size > SF_MAX_PAYLOAD) return failed(SF_AT_DECODE, head->op, -EBADMSG);
	payload->size = 0;
	TRY(buffer_reserve(payload, head->size));
	payload->size = head->size;
	return receive_all(sock, payload->data, head->size);
}

struct fail wire_send(int sock, const struct sf_request *head, struct fail why, struct reply *rp)
{
	if (why.error == 0 && rp->out.size > SF_MAX_PAYLOAD) why = failed(SF_AT_MEMORY, 0, -EMSGSIZE);
	if (why.error != 0) rp->out.size = 0;
	struct sf_reply r = {SF_REPLY_MAGIC, head->seq, (uint32_t)rp->out.size, why.error, why.where, why.subject};
	struct iovec iov[2] = {{&r, sizeof r}, {rp->out.data, rp->out.size}};
	struct cmsg_fd control = {20, SOL_SOCKET, SCM_RIGHTS, rp->fd, 0};
	struct msghdr m = {.iov = iov, .iovlen = 2};
	if (why.error == 0 && rp->fd >= 0) {
		m.control = &control;
		m.controllen = sizeof control;
	}
	uint64_t left = sizeof r + rp->out.size;
	while (left > 0) {
		int64_t n = sys_sendmsg(sock, &m, MSG_NOSIGNAL);
		if (n == -EINTR) continue;
		TRY(check(SF_AT_WRITE, 0, n));
		left -= (uint64_t)n;
		m.control = 0;
		m.controllen = 0;
		for (unsigned i = 0; i < 2; i++) {
			uint64_t part = (uint64_t)n < iov[i].len ? (uint64_t)n : iov[i].len;
			iov[i].base = (uint8_t *)iov[i].base + part;
			iov[i].len -= part;
			n -= (int64_t)part;
		}
	}
	return OK;
}
