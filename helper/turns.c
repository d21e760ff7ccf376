/*
 * RUN and VISIT: a block in one thread, in threads of one process that take turns, in threads of many processes side by side.
 */
#include "inject.h"

/* Two landings beside each other in a page: what is written to both in one go, no death of ours can do by halves. */
struct pair {
	uint64_t at; /* 0: there is but one landing */
	uint8_t stubs[2 * SF_LANDING_SIZE];
};

/* A thread with a region of its own. It is inside afterwards, or was brought home, or finds home alone. */
static MUST_CHECK struct fail run_first(struct run *r, const uint8_t *block, uint64_t size, struct buffer *out)
{
	TRY(look(r));
	TRY(send_in(r));
	TRY(arrive(r));
	TRY(load(r, block, size));
	return finish_block(r, (const struct sf_block *)block, size, out);
}

/*
 * The next thread, with the region of the one before, which goes home. That one stands in its stub, behind its executor. The next is sent
 * into its own stub, which leaves the region alone; then the region changes hands, in one write; then the first is brought home.
 */
static MUST_CHECK struct fail run_next(struct run *last, struct run *r, struct pair *pair, const uint8_t *block, uint64_t size, struct buffer *out)
{
	const struct sf_block *b = (const struct sf_block *)block;
	uint64_t at = last->region + EXECUTOR_PAGES, mine = (uint64_t)(sf_landing_slots - sf_landing) + __builtin_offsetof(struct landing_slots, mine);
	uint8_t *stub = pair->stubs + (r->landing - pair->at), *other = pair->stubs + (last->landing - pair->at);
	uint32_t yes = 1, no = 0;
	TRY(look(r));
	POINT(SF_AT_INJECT_WRITE, r->tid);
	TRY(write_task(r, SF_AT_INJECT_WRITE, at, block, size));
	make_stub(last, true, other);
	make_stub(r, false, stub);
	r->wrote = true;
	POINT(SF_AT_LANDING, r->tid);
	TRY(write_task(r, SF_AT_LANDING, r->landing, stub, SF_LANDING_SIZE));
	struct user_regs regs = r->home;
	regs.rip = r->landing;
	regs.rbx = last->region;
	regs.r12 = SF_EXECUTOR_AT(last->region, sf_executor_entry);
	regs.r13 = at;
	regs.r14 = at + b->stack_off;
	regs.orig_rax = ~0ull;
	regs.eflags = 0x202;
	POINT(SF_AT_SETREGS, r->tid);
	TRY(set_regs(r->tid, &regs));
	tracee_find(r->tid)->landing = r->landing;
	r->inside = true;
	memcpy(other + mine, &no, sizeof no);
	memcpy(stub + mine, &yes, sizeof yes);
	POINT(SF_AT_LANDING, r->tid);
	TRY(write_task(r, SF_AT_LANDING, pair->at, pair->stubs, sizeof pair->stubs));
	r->region = last->region;
	last->region = 0;
	TRY(be_home(last));
	send_kept(last);
	POINT(SF_AT_SETMASK, r->tid);
	TRY(set_mask(r->tid, run_mask(r)));
	r->results = at + b->results_off;
	POINT(SF_AT_INJECT_RUN, r->tid);
	TRY(resume(r, stub_address(r, sf_landing_mark2)));
	return finish_block(r, b, size, out);
}

static struct run new_run(const struct sf_run *q, uint32_t tid, const uint8_t *block, int mem)
{
	return (struct run){
		.tid = tid, .done_signal = q->done_signal, .take = q->take, .taken = -ENODATA, .landing = q->landing, .mem = mem,
		.region_size = EXECUTOR_PAGES + ROUND_UP(((const struct sf_block *)block)->size, PAGE_SIZE),
	};
}

static MUST_CHECK struct fail run_thread(const struct sf_run *q, uint32_t tid, const uint8_t *block, uint64_t size, struct buffer *out)
{
	if (tracee_find(tid) == 0) return failed(SF_AT_DECODE, tid, -ESRCH);
	autofd mem = -1;
	TRY(proc_open(tid, "mem", O_RDWR, &mem));
	struct run r = new_run(q, tid, block, mem);
	struct fail f = end_run(&r, run_first(&r, block, size, out));
	f = clear_landings(&r, 1, f);
	if (f.error != 0 && r.taken >= 0) (void)sys_close((int)r.taken);
	send_kept(&r);
	return f;
}

static MUST_CHECK struct fail run_each(const struct sf_run *q, const uint32_t *tids, const uint8_t *block, uint64_t size, struct buffer *out)
{
	for (uint32_t i = 0; i < q->ntids; i++) TRY(run_thread(q, tids[i], block, size, out));
	return OK;
}

/* Threads that take turns at two landings. */
static MUST_CHECK struct fail run_together(const struct sf_run *q, const uint32_t *tids, int mem, const uint8_t *block, uint64_t size, struct buffer *out)
{
	struct pair pair = {.at = q->landing < q->second ? q->landing : q->second};
	struct run runs[2] = {new_run(q, tids[0], block, mem), new_run(q, tids[0], block, mem)};
	runs[1].landing = q->second;
	uint32_t i = 0;
	struct fail f = run_first(&runs[0], block, size, out);
	while (f.error == 0 && ++i < q->ntids) {
		struct run *last = &runs[(i - 1) % 2], *r = &runs[i % 2];
		*r = new_run(q, tids[i], block, mem);
		if (i % 2 != 0) r->landing = q->second;
		f = run_next(last, r, &pair, block, size, out);
	}
	/* after a failure two may be inside */
	for (uint32_t k = 0; k < 2; k++) f = end_run(&runs[k], f);
	f = clear_landings(runs, 2, f);
	for (uint32_t k = 0; k < 2; k++) send_kept(&runs[k]);
	return f;
}

/* Threads of the process `pid`: they have its memory. */
static MUST_CHECK struct fail run_process(const struct sf_run *q, const uint32_t *tids, const uint8_t *block, uint64_t size, struct buffer *out)
{
	for (uint32_t i = 0; i < q->ntids; i++) {
		if (tracee_find(tids[i]) == 0 || sys_tgkill((int)q->pid, (int)tids[i], 0) == -ESRCH) return failed(SF_AT_DECODE, tids[i], -ESRCH);
	}
	autofd mem = -1;
	TRY(proc_open(q->pid, "mem", O_RDWR, &mem));
	struct run second = new_run(q, tids[0], block, mem);
	second.landing = q->second;
	return check_landing(&second).error == 0 && writes_in_one_go(&second) ? run_together(q, tids, mem, block, size, out) : run_each(q, tids, block, size, out);
}

static bool good_signal(uint32_t signal)
{
	return signal <= 64 && (signal == 0 || (SYNCHRONOUS & SIGBIT(signal)) == 0);
}

/* struct sf_run, u32 tid[] padded to 8, block -> that block once for each thread */
struct fail req_run(struct request *rq, struct reply *rp)
{
	struct sf_run q;
	if (rq->size < sizeof q) return failed(SF_AT_DECODE, 0, -EBADMSG);
	memcpy(&q, rq->payload, sizeof q);
	uint64_t head = sizeof q + ROUND_UP(4ull * q.ntids, 8);
	if (rq->size < head + sizeof(struct sf_block)) return failed(SF_AT_DECODE, 0, -EBADMSG);
	const uint32_t *tids = (const uint32_t *)(rq->payload + sizeof q);
	const uint8_t *block = rq->payload + head;
	uint64_t size = rq->size - head;
	if (!good_signal(q.done_signal) || q.landing % 16 != 0) return failed(SF_AT_DECODE, 0, -EINVAL);
	bool beside = q.landing + SF_LANDING_SIZE == q.second || q.second + SF_LANDING_SIZE == q.landing;
	if (q.second != 0 && (!beside || q.landing / PAGE_SIZE != q.second / PAGE_SIZE)) return failed(SF_AT_DECODE, 0, -EINVAL);
	TRY(check(SF_AT_DECODE, 0, sf_executor_check((const struct sf_block *)block, size)));
	if (q.take > ((const struct sf_block *)block)->nresults || (q.take != 0 && q.ntids != 1)) return failed(SF_AT_DECODE, 0, -EINVAL);
	deadline_start(q.timeout_ms != 0 ? q.timeout_ms : 10000);
	struct fail f = q.ntids > 1 && q.second != 0 ? run_process(&q, tids, block, size, &rp->out) : run_each(&q, tids, block, size, &rp->out);
	deadline_stop();
	return f;
}

enum stage { SEND_IN, LOAD, READ, COME_OUT };

static MUST_CHECK struct fail visit(enum stage stage, struct run *r, const uint8_t *block, uint64_t size, struct buffer *out)
{
	switch (stage) {
	case SEND_IN:
		TRY(look(r));
		return send_in(r);
	case LOAD:
		TRY(arrive(r));
		return load(r, block, size);
	case READ:
		TRY(finish_block(r, (const struct sf_block *)block, size, out));
		return send_out(r);
	default: return come_out(r);
	}
}

/* Each stage for all of them: while one is on its way to its next stop, the others are seen to. */
static MUST_CHECK struct fail visit_all(struct run *runs, uint32_t n, const uint8_t *block, uint64_t size, struct buffer *out)
{
	for (enum stage stage = SEND_IN; stage <= COME_OUT; stage++) {
		for (uint32_t i = 0; i < n; i++) TRY(visit(stage, &runs[i], block, size, out));
	}
	return OK;
}

static MUST_CHECK struct fail open_all(const struct sf_visit *v, struct run *runs, uint32_t n, const uint8_t *block)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sf_run q = {.done_signal = v[i].done_signal, .landing = v[i].landing};
		int mem = -1;
		if (tracee_find(v[i].tid) == 0) return failed(SF_AT_DECODE, v[i].tid, -ESRCH);
		TRY(proc_open(v[i].tid, "mem", O_RDWR, &mem));
		runs[i] = new_run(&q, v[i].tid, block, mem);
	}
	return OK;
}

static void close_all(struct run *runs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		send_kept(&runs[i]);
		if (runs[i].mem >= 0) (void)sys_close(runs[i].mem);
	}
}

/* struct sf_visits, struct sf_visit[], block -> that block once in each thread */
struct fail req_visit(struct request *rq, struct reply *rp)
{
	struct sf_visits q;
	if (rq->size < sizeof q) return failed(SF_AT_DECODE, 0, -EBADMSG);
	memcpy(&q, rq->payload, sizeof q);
	uint64_t head = sizeof q + (uint64_t)q.count * sizeof(struct sf_visit);
	if (q.count == 0 || q.count > SF_MAX_VISITS || rq->size < head + sizeof(struct sf_block)) return failed(SF_AT_DECODE, 0, -EBADMSG);
	const struct sf_visit *v = (const struct sf_visit *)(rq->payload + sizeof q);
	const uint8_t *block = rq->payload + head;
	uint64_t size = rq->size - head;
	for (uint32_t i = 0; i < q.count; i++) {
		if (!good_signal(v[i].done_signal) || v[i].landing % 16 != 0) return failed(SF_AT_DECODE, v[i].tid, -EINVAL);
	}
	TRY(check(SF_AT_DECODE, 0, sf_executor_check((const struct sf_block *)block, size)));
	autobuffer memory = {0, 0, 0};
	struct run *runs = buffer_extend(&memory, q.count * sizeof *runs);
	if (runs == 0) return failed(SF_AT_MEMORY, 0, -ENOMEM);
	for (uint32_t i = 0; i < q.count; i++) runs[i].mem = -1;
	struct fail f = open_all(v, runs, q.count, block);
	deadline_start(q.timeout_ms != 0 ? q.timeout_ms : 10000);
	if (f.error == 0) f = visit_all(runs, q.count, block, size, &rp->out);
	for (uint32_t i = 0; i < q.count; i++) f = end_run(&runs[i], f);
	deadline_stop();
	f = clear_landings(runs, q.count, f);
	close_all(runs, q.count);
	return f;
}
