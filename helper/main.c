/*
 * The helper's loop: one request, one reply, until the supervisor is gone. Mechanism only; what a request is for it does
 * not know. Started as `stillframe-helper FD [--faults|--parent]`, FD being its end of the socket pair. With --parent the
 * supervisor is its child (src/helper/under.ts), and that one's end without a word is a failure: exit code 1.
 */
#include "executor.h"
#include "helper.h"

int wire_socket = -1;

static void on_alarm(int sig) { (void)sig; } /* only interrupts a wait */

__asm__(".globl sf_restorer\nsf_restorer: mov $15, %eax\nsyscall\n");
extern void sf_restorer(void);

/* Signals of the terminal are the supervisor's business: it decides, and its end is our end of file. */
static MUST_CHECK struct fail settle(void)
{
	struct sigaction act = {on_alarm, SA_RESTORER, sf_restorer, 0};
	uint64_t mask = ~(SIGBIT(SIGALRM) | SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGILL) | SIGBIT(SIGFPE));
	TRY(check(SF_AT_SIGINFO, 0, sys_sigaction(SIGALRM, &act)));
	TRY(check(SF_AT_SETMASK, 0, sys_sigprocmask(SIG_SETMASK, &mask, 0)));
	return tracees_init();
}

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
}

static struct fail req_hello(struct request *rq, struct reply *rp)
{
	(void)rq;
	uint32_t r[4];
	struct sf_hello h = {
		.version = SF_PROTOCOL_VERSION, .pid = (uint32_t)sys_getpid(), .page_size = (uint32_t)PAGE_SIZE, .executor_size = EXECUTOR_PAGES,
	};
	cpuid(1, 0, r);
	if ((r[2] & (1u << 27)) != 0) { /* OSXSAVE */
		uint32_t lo, hi;
		__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
		h.xfeatures = ((uint64_t)hi << 32) | lo;
		cpuid(13, 0, r);
		h.xstate_size = r[1];
	}
	return buffer_append(&rp->out, &h, sizeof h);
}

static struct fail req_cpuid(struct request *rq, struct reply *rp)
{
	struct leaf { uint32_t leaf, sub; } *asked = (struct leaf *)rq->payload;
	if (rq->size == 0 || rq->size % sizeof *asked != 0 || rq->size > 4096) return failed(SF_AT_DECODE, rq->size, -EINVAL);
	for (uint32_t i = 0; i < rq->size / sizeof *asked; i++) {
		uint32_t r[4];
		cpuid(asked[i].leaf, asked[i].sub, r);
		TRY(buffer_append(&rp->out, r, sizeof r));
	}
	return OK;
}

/*
 * One enum, one switch. Why each is safe: everything a request names (tid, descriptor, address, length) is checked by its
 * handler against the payload's size, the table of seized threads or the arena before use; what it does to another task is
 * what ptrace and /proc allow this user anyway; what it leaves behind in a task is nothing (inject.c) or a task that dies
 * with us (arena.c, takeover.c).
 */
static MUST_CHECK struct fail privileged_op(struct request *rq, struct reply *rp)
{
	POINT(SF_AT_DECODE, 0);
	switch ((enum sf_req)rq->op) {
	case SF_REQ_HELLO: return req_hello(rq, rp);
	case SF_REQ_SEIZE: return req_seize(rq, rp);
	case SF_REQ_STATE: return req_state(rq, rp);
	case SF_REQ_RUN: return req_run(rq, rp);
	case SF_REQ_DETACH: return req_detach(rq, rp);
	case SF_REQ_KILL: return req_kill(rq, rp);
	case SF_REQ_SCAN: return req_scan(rq, rp);
	case SF_REQ_PAGES: return req_pages(rq, rp);
	case SF_REQ_PEEK: return req_peek(rq, rp);
	case SF_REQ_POKE: return req_poke(rq, rp);
	case SF_REQ_LOCAL: return req_local(rq, rp);
	case SF_REQ_PUT_FD: return req_put_fd(rq, rp);
	case SF_REQ_GET_FD: return req_get_fd(rq, rp);
	case SF_REQ_CLOSE: return req_close(rq, rp);
	case SF_REQ_ARENA: return req_arena(rq, rp);
	case SF_REQ_SPAWN: return req_spawn(rq, rp);
	case SF_REQ_AWAIT: return req_await(rq, rp);
	case SF_REQ_TAKEOVER: return req_takeover(rq, rp);
	case SF_REQ_FILE_PAGES: return req_file_pages(rq, rp);
	case SF_REQ_GUARD: return req_guard(rq, rp);
	case SF_REQ_FAULT: return req_fault(rq, rp);
	case SF_REQ_SEIZE_FROZEN: return req_seize_frozen(rq, rp);
	case SF_REQ_CPUID: return req_cpuid(rq, rp);
	case SF_REQ_VISIT: return req_visit(rq, rp);
	case SF_REQ_KEEP: return req_keep(rq, rp);
	case SF_REQ_DESCRIPTORS: return req_descriptors(rq, rp);
	case SF_REQ_SAME: return req_same(rq, rp);
	default: return failed(SF_AT_DECODE, rq->op, -ENOSYS);
	}
}

static MUST_CHECK struct fail serve_one(struct buffer *payload, struct reply *rp)
{
	struct sf_request head;
	autofd fd = -1;
	TRY(wire_receive(wire_socket, payload, &head, &fd));
	struct request rq = {head.op, head.size, payload->data, fd};
	fault_request(head.op);
	struct fail why = privileged_op(&rq, rp);
	fd = rq.fd;
	/* before the reply: who waits for it may want to unmount what the file is on */
	fd_cleanup(&fd);
	fd = -1;
	struct fail sent = wire_send(wire_socket, &head, why, rp);
	if (rp->fd >= 0) (void)sys_close(rp->fd);
	rp->fd = -1;
	buffer_reset(&rp->out);
	buffer_reset(payload);
	return sent;
}

static int number(const char *text)
{
	int n = 0;
	if (*text == 0) return -1;
	for (; *text != 0; text++) {
		if (*text < '0' || *text > '9' || n > 1000000) return -1;
		n = n * 10 + (*text - '0');
	}
	return n;
}

static bool is_word(const char *text, const char *word)
{
	while (*text != 0 && *text == *word) text++, word++;
	return *text == *word;
}

__attribute__((noreturn, used)) static void start(const int64_t *stack)
{
	int64_t argc = stack[0];
	char *const *argv = (char *const *)(stack + 1);
	if (argc >= 1 && is_word(argv[0], SF_KEEPER_NAME)) keep();
	if (argc < 2 || argc > 3 || (wire_socket = number(argv[1])) < 0) sys_exit_group(2);
	faults_enabled = argc == 3 && is_word(argv[2], "--faults");
	bool parent = argc == 3 && is_word(argv[2], "--parent");
	if (argc == 3 && !faults_enabled && !parent) sys_exit_group(2);
	if (sys_fcntl(wire_socket, 2 /* F_SETFD */, 1 /* FD_CLOEXEC */) < 0 || settle().error != 0) sys_exit_group(3);
	struct buffer payload = {0, 0, 0};
	struct reply reply = {{0, 0, 0}, -1};
	for (;;) {
		struct fail f = serve_one(&payload, &reply);
		/* the kernel detaches what is still traced, and kills what was taken over */
		if (f.error != 0) sys_exit_group(f.error == -EPIPE && !parent ? 0 : 1);
	}
}

__asm__(".globl _start\n_start: xor %ebp, %ebp\nmov %rsp, %rdi\nand $-16, %rsp\ncall start\nud2\n");
