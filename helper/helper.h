/*
 * What the helper's files share: how a failure is told, buffers, requests and replies, the table of seized threads.
 * One file handles one group of requests; main.c reads a request and switches.
 */
#ifndef SF_HELPER_H
#define SF_HELPER_H

#include "protocol.h"
#include "sys.h"

/* A failure: which step (enum sf_where), -errno, and the tid, index or descriptor it was about. error 0: none. */
struct fail { uint32_t where, subject; int32_t error; };
#define OK ((struct fail){0, 0, 0})
#define TRY(expr) do { struct fail fail_ = (expr); if (fail_.error != 0) return fail_; } while (0)

SYS struct fail failed(uint32_t where, uint32_t subject, int64_t error) { return (struct fail){where, subject, (int32_t)error}; }
/* Turns a system call's negative result into a failure. */
SYS MUST_CHECK struct fail check(uint32_t where, uint32_t subject, int64_t result) { return result < 0 ? failed(where, subject, result) : OK; }

/* Bytes that grow (mmap). Owned by whoever declares it; `buffer_free` is safe on an empty one. */
struct buffer { uint8_t *data; uint64_t size, capacity; };
MUST_CHECK struct fail buffer_reserve(struct buffer *b, uint64_t capacity);
MUST_CHECK struct fail buffer_append(struct buffer *b, const void *bytes, uint64_t size);
/* Room for `size` more zeroed bytes; NULL: no memory. */
MUST_CHECK void *buffer_extend(struct buffer *b, uint64_t size);
void buffer_free(struct buffer *b);
/* Gives large memory back between requests. */
void buffer_reset(struct buffer *b);

SYS void fd_cleanup(int *fd) { if (*fd >= 0) (void)sys_close(*fd); }
#define autofd __attribute__((cleanup(fd_cleanup))) int
SYS int fd_steal(int *fd) { int taken = *fd; *fd = -1; return taken; }
#define autobuffer __attribute__((cleanup(buffer_free))) struct buffer

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
SYS bool is_zero(const uint8_t *bytes, uint64_t n) { for (uint64_t i = 0; i < n; i++) { if (bytes[i] != 0) return false; } return true; }

/* CLOCK_MONOTONIC */
SYS uint64_t now_ns(void)
{
	struct timespec t = {0, 0};
	(void)sys_clock_monotonic(&t);
	return (uint64_t)t.sec * 1000000000 + (uint64_t)t.nsec;
}

struct request { uint32_t op, size; const uint8_t *payload; int fd; };
struct reply { struct buffer out; int fd; };
typedef struct fail handler(struct request *rq, struct reply *rp);

/* wire.c: -EPIPE is the end of the conversation. */
MUST_CHECK struct fail wire_receive(int sock, struct buffer *payload, struct sf_request *head, int *fd);
MUST_CHECK struct fail wire_send(int sock, const struct sf_request *head, struct fail why, struct reply *rp);

/* fault.c: points where tests make a request fail or the helper die. `point` is free when there is no --faults. */
extern bool faults_enabled;
void fault_request(uint32_t op);
MUST_CHECK struct fail fault_point(uint32_t where, uint32_t subject);
#define POINT(where, subject) do { if (faults_enabled) TRY(fault_point(where, subject)); } while (0)

/* tracees.c: threads seized by SEIZE or TAKEOVER. */
struct tracee { uint32_t tid, taken; uint64_t landing; /* where its stub is while it is not home */ };
MUST_CHECK struct fail tracees_init(void);
MUST_CHECK struct fail tracee_add(uint32_t tid, bool taken);
void tracee_remove(uint32_t tid);
struct tracee *tracee_find(uint32_t tid);
struct tracee *tracee_at(uint32_t index);   /* NULL past the end */

/* wait.c */
void deadline_start(uint32_t ms);
void deadline_stop(void);
MUST_CHECK struct fail wait_tracee(uint32_t tid, uint32_t where, int *status);
MUST_CHECK struct fail seize_threads(const uint32_t *tids, uint32_t n, uint64_t options, struct sf_seized *out);
char task_state(uint32_t tid);              /* the letter in /proc/TID/stat, 0: gone */

/* interrupted.c: a thread that was just seized goes on, later, as if it had not been. */
MUST_CHECK struct fail hide_interruption(uint32_t tid);

/* proc.c */
unsigned write_number(char *to, uint32_t n); /* decimal, and a NUL; at most 11 bytes. Returns the digits */
MUST_CHECK struct fail proc_open(uint32_t pid, const char *name, int flags, int *fd);
MUST_CHECK struct fail read_task(uint32_t pid, int mem, uint64_t address, void *to, uint64_t size);

/* regs.c */
MUST_CHECK struct fail get_regs(uint32_t tid, struct user_regs *regs);
MUST_CHECK struct fail set_regs(uint32_t tid, const struct user_regs *regs);
MUST_CHECK struct fail get_mask(uint32_t tid, uint64_t *mask);
MUST_CHECK struct fail set_mask(uint32_t tid, uint64_t mask);
MUST_CHECK struct fail leave_rseq(uint32_t tid, struct user_regs *regs, struct rseq_configuration *rseq, bool *moved);

/* The handlers, a file each group. */
handler req_seize, req_seize_frozen, req_detach, req_kill, req_state, req_run, req_visit, req_scan, req_pages, req_file_pages, req_peek, req_poke, req_local,
	req_put_fd, req_get_fd, req_close, req_arena, req_spawn, req_await, req_takeover, req_guard, req_fault, req_keep, req_descriptors, req_same;

/* keeper.c: what a keeper does all its life. */
__attribute__((noreturn)) void keep(void);

extern int wire_socket;
extern uint64_t arena_address, arena_size;
#define PAGE_SIZE 4096ull
#define ROUND_UP(n, to) (((n) + (to) - 1) / (to) * (to))
#define EXECUTOR_PAGES ROUND_UP(SF_EXECUTOR_SIZE, PAGE_SIZE)

#endif
