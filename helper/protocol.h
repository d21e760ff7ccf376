/*
 * The wire between the supervisor (Node, through koffi) and the helper: a SOCK_STREAM socket pair.
 *
 *   supervisor                               helper
 *       | -- struct sf_request + payload [+fd] --> |   one at a time; the supervisor blocks for the reply
 *       | <-- struct sf_reply + payload [+fd] ---- |
 *       | -- end of file ------------------------> |   (supervisor gone) lets every task go on, then exits
 *
 * A payload is at most SF_MAX_PAYLOAD bytes; at most one descriptor travels with a message (SCM_RIGHTS).
 * The helper is mechanism only: it seizes, injects, runs programs, copies pages, starts restored tasks and hands back
 * descriptors. What they are for it does not know.
 */
#ifndef SF_PROTOCOL_H
#define SF_PROTOCOL_H

#include "program.h"

#define SF_PROTOCOL_VERSION 2
#define SF_REQUEST_MAGIC 0x51526653u /* "SfRQ" */
#define SF_REPLY_MAGIC 0x50526653u   /* "SfRP" */
#define SF_MAX_PAYLOAD (256u << 20)  /* registers of 10,000 threads, programs of 1,000,000 steps */

enum sf_req {
	SF_REQ_HELLO = 1,   /* -> struct sf_hello */
	SF_REQ_SEIZE = 2,   /* u32 timeout_ms (0: 10 s), u32 tid[] -> struct sf_seized[]: PTRACE_SEIZE + INTERRUPT, all asked first, then waited for */
	SF_REQ_STATE = 3,   /* u32 tid[] -> struct sf_thread_state + xstate bytes + siginfos, for each (tids must be seized) */
	SF_REQ_RUN = 4,     /* struct sf_run + u32 tid[] (padded to 8) + block -> for each thread the block after it ran */
	SF_REQ_DETACH = 5,  /* struct sf_detach[] -> s32[]: 0 or -errno, for each */
	SF_REQ_KILL = 6,    /* u32 pid[] -> s32[]: SIGKILL each, then wait until each is gone or a zombie */
	SF_REQ_SCAN = 7,    /* struct sf_scan + struct sf_range[] (none: start..end) -> struct sf_region[]: what the page tables say */
	SF_REQ_PAGES = 8,   /* struct sf_pages + struct sf_range[] (+ u64 place[] of each) [+fd] -> u64 bytes: task memory to a file */
	SF_REQ_PEEK = 9,    /* struct sf_peek -> bytes of task memory (a short read ends at the first unreadable page) */
	SF_REQ_POKE = 10,   /* struct sf_peek + bytes -> nothing: writes through /proc/PID/mem */
	SF_REQ_LOCAL = 11,  /* block -> the block after it ran in the helper itself. Descriptors it opened stay open there */
	SF_REQ_PUT_FD = 12, /* [fd] -> s32: the number under which the helper now holds it */
	SF_REQ_GET_FD = 13, /* s32 number -> [fd] */
	SF_REQ_CLOSE = 14,  /* s32 number[] -> nothing */
	SF_REQ_ARENA = 15,  /* u64 address, u64 size -> struct sf_arena [+fd]: the restore's shared memory, executor inside */
	SF_REQ_SPAWN = 16,  /* struct sf_spawn -> s32 pid: the first task of a restore, on its block in the arena */
	SF_REQ_AWAIT = 17,  /* struct sf_await + u64 block[] (threads that must not die while they run) -> struct sf_awaited: until all parked, one failed, one died, or time is up */
	SF_REQ_TAKEOVER = 18, /* struct sf_takeover + calls + xstate (padded to 8), for each thread -> struct sf_taken[] */
	SF_REQ_FILE_PAGES = 19, /* struct sf_file_pages + struct sf_range[]: held descriptor's bytes to another held descriptor (the same: each range is moved) */
	SF_REQ_FAULT = 20,  /* u32 request, u32 nth, s32 errno (0: the helper kills itself), u32 where (0: any) -> u32 points
			       the previous plan saw. Fault injection for tests; refused unless started with --faults */
	SF_REQ_KEEP = 30,   /* struct sf_keep + words -> s32 pid of a process of its own that keeps descriptors for a task (keeper.c) */
	SF_REQ_GUARD = 31,  /* block -> nothing: a process that runs it when the helper dies; one at a time. Nothing -> nothing: it is dismissed */
	SF_REQ_CPUID = 32,  /* u32 {leaf, subleaf}[] -> u32 {eax, ebx, ecx, edx}[]: what the processor says of itself */
	SF_REQ_SEIZE_FROZEN = 33, /* struct sf_thaw + u32 tid[] + fd -> as SEIZE, of threads that a freezer holds: when all are asked, and before
			       they are waited for, the text is written to the descriptor */
	SF_REQ_DESCRIPTORS = 34, /* u32 pid, u32 fd[] (none: all of its table) -> struct sf_descriptor + link + lines, for each */
	SF_REQ_SAME = 35,   /* struct sf_object[] -> u32[]: for each the place of the first that is the same kernel object */
	SF_REQ_VISIT = 36,  /* struct sf_visits + struct sf_visit[] + block -> for each thread the block after it ran */
};

struct sf_request {
	uint32_t magic;
	uint32_t op;       /* enum sf_req */
	uint32_t size;     /* payload bytes */
	uint32_t seq;      /* echoed */
};

struct sf_reply {
	uint32_t magic;
	uint32_t seq;
	uint32_t size;
	int32_t status;    /* 0 or -errno */
	uint32_t where;    /* enum sf_where: which step of the request failed */
	uint32_t subject;  /* the tid, index or descriptor it failed on */
};

/* Which step inside a request failed; the supervisor has a sentence for each. */
enum sf_where {
	SF_AT_NOTHING = 0, SF_AT_DECODE, SF_AT_MEMORY, SF_AT_SEIZE, SF_AT_INTERRUPT, SF_AT_WAIT, SF_AT_GETREGS, SF_AT_SETREGS,
	SF_AT_GETXSTATE, SF_AT_SETXSTATE, SF_AT_GETMASK, SF_AT_SETMASK, SF_AT_SIGINFO, SF_AT_RSEQ, SF_AT_ROBUST, SF_AT_LANDING,
	SF_AT_INJECT_MAP, SF_AT_INJECT_WRITE, SF_AT_INJECT_RUN, SF_AT_INJECT_READ, SF_AT_INJECT_UNMAP, SF_AT_DETACH, SF_AT_KILL,
	SF_AT_OPEN, SF_AT_READ, SF_AT_WRITE, SF_AT_SCAN, SF_AT_CLONE, SF_AT_MMAP, SF_AT_REMOTE_CALL, SF_AT_TIMEOUT, SF_AT_FD,
	SF_AT_DIED, SF_AT_FAULT,
};

struct sf_hello {
	uint32_t version;
	uint32_t pid;
	uint32_t xstate_size;   /* bytes of NT_X86_XSTATE on this CPU */
	uint32_t page_size;
	uint64_t executor_size; /* bytes, page aligned, at the start of an arena */
	uint64_t xfeatures;     /* XCR0 */
};

#define SF_THAW_TEXT 16
struct sf_thaw {
	uint32_t timeout_ms; /* 0: 10 s */
	uint32_t size;       /* bytes of the text */
	char text[SF_THAW_TEXT];
};

struct sf_seized {
	uint32_t tid;
	int32_t status;     /* 0, or -errno: -ESRCH gone, -EPERM traced by somebody else or not permitted */
	int32_t wait_status;/* as waitpid gave it: PTRACE_EVENT_STOP with SIGTRAP, or with the stop signal for a stopped task */
	uint32_t stop_signal; /* 0, or the signal that had stopped the task before */
	uint32_t zombie;    /* 1: it was already a zombie or exited while it was being seized */
	uint32_t seccomp_suspended; /* 1: a seccomp filter of it does not judge what the executor does */
};

struct sf_thread_state {
	uint32_t tid;
	uint32_t xstate_size;      /* bytes that follow this struct */
	uint32_t nsig_thread;      /* siginfo_t (128 bytes each) that follow, thread's own queue ... */
	uint32_t nsig_process;     /* ... then the process's shared queue (only for tid == tgid) */
	uint64_t sigmask;
	uint64_t robust_list, robust_len;
	uint64_t rseq_pointer;     /* 0: not registered */
	uint32_t rseq_size, rseq_signature, rseq_flags;
	uint32_t rseq_aborted;     /* 1: it was inside a restartable sequence; regs.rip is the abort address already */
	uint8_t regs[27 * 8];      /* struct user_regs_struct, NT_PRSTATUS layout */
	uint8_t tls[3 * 16];       /* struct user_desc of GDT entries 12..14 */
};

/*
 * Running a block in a seized task. `landing` is the address of SF_LANDING_SIZE unused (zero) bytes at the end of an
 * executable mapping of the task (the vDSO's last page, or a text segment's): the way in and the way out. See inject.c.
 */
#define SF_LANDING_SIZE 512
struct sf_run {
	uint32_t ntids;       /* threads of one process; the same block runs in one after the other */
	uint32_t done_signal; /* a signal whose action in this task is to be ignored (default of SIGURG, SIGWINCH, SIGCHLD,
				 SIGCONT, or SIG_IGN), or 0: none such, use system-call stops */
	uint64_t landing;
	uint32_t timeout_ms;  /* for all of them together; 0: 10 s */
	uint32_t take;        /* 0, or 1 + the index of a result that is a descriptor of the task: when the block pauses (raises the
				 done signal itself, with tkill), the helper takes a copy of it. The result read back is then the helper's
				 number, or -errno. The block must close its own, also when nobody took it */
	uint64_t second;      /* 0, or another landing right beside the first in its page: threads then hand one region on (inject.c) */
	uint32_t pid;         /* with `second`: the process that the threads are of */
	uint32_t reserved;
	/* u32 tid[ntids], padded to 8 bytes, and struct sf_block ... follow */
};

/* The same block in threads that do not share memory, side by side. Landings with a stub that was left behind may be refused (EBUSY). */
#define SF_MAX_VISITS 64 /* each holds a descriptor while it lasts */
struct sf_visits {
	uint32_t count;
	uint32_t timeout_ms; /* for all of them together; 0: 10 s */
};
struct sf_visit {
	uint32_t tid;
	uint32_t done_signal;
	uint64_t landing;
};

struct sf_detach {
	uint32_t tid;
	uint32_t signal; /* delivered on the way out: 0, or SIGSTOP to leave it stopped */
};

#define SF_SCAN_OLD_KERNEL 1u
#define SF_SCAN_PROTECT 2u /* write-protect what is found, in the same walk: only ranges of an asynchronous userfaultfd (else EPERM) */
#define SF_SCAN_SKIP 4u    /* with SF_SCAN_PROTECT: other ranges are passed over */
#define SF_SCAN_QUIET 8u   /* with SF_SCAN_PROTECT: nothing is told of what was found */
#define SF_SCAN_ABSENT 16u /* any_of: or of what is not present (swapped out, or nothing at all) within mappings. Not on old kernels */
struct sf_scan {
	uint32_t pid;
	uint32_t flags;         /* SF_SCAN_OLD_KERNEL: as on a kernel without the PAGEMAP_SCAN ioctl (tests); SF_SCAN_PROTECT; SF_SCAN_SKIP; SF_SCAN_QUIET; SF_SCAN_ABSENT */
	uint64_t start, end;
	uint64_t max_regions;   /* 0: no limit but the payload. When as many came, go on at the last one's end */
	uint64_t any_of;        /* PAGE_IS_* of <linux/fs.h>: pages with at least one of these ... */
	uint64_t none_of;       /* ... and none of these */
	uint64_t report;        /* which categories to tell apart in the answer */
	uint64_t all_of;        /* pages with all of these */
};

struct sf_region { uint64_t start, end, categories; };

struct sf_range { uint64_t address; uint64_t size; };

/* In workers: */
#define SF_PAGES_MAY_VANISH 0x80000000u /* pages that cannot be read (any more) are zeros in the file */
#define SF_PAGES_PLACED 0x40000000u     /* each range goes to a place of its own in the file */
struct sf_pages {
	uint32_t pid;
	int32_t fd;         /* held descriptor to write to */
	uint64_t offset;    /* where in the file the first byte goes; the ranges follow each other there without gaps, unless they are placed. Pages of zeros are holes */
	uint32_t nranges;
	uint32_t workers;   /* 0: as many as help */
};

struct sf_file_pages {
	int32_t from, to;
	uint64_t offset;    /* in `to` */
	uint32_t nranges;   /* ranges: address = offset in `from` */
	uint32_t reserved;
};

struct sf_peek { uint32_t pid; uint32_t size; uint64_t address; };

/*
 * What the kernel tells of one descriptor: what every line of /proc/PID/fdinfo/FD has, the owner of its signals and fstat, then the
 * bytes of the link in /proc/PID/fd and the other lines of fdinfo, each ended by a newline. Multiples of 8 bytes.
 */
#define SF_MAX_LINK 4096u         /* PATH_MAX: what readlink(2) of /proc gives at most */
#define SF_MAX_LINES (16u << 20)  /* of one descriptor: 100,000 watches of an inotify */
struct sf_descriptor {
	uint32_t size;      /* of all of it */
	uint32_t fd;
	uint32_t flags;     /* O_*, O_CLOEXEC of the descriptor included */
	int32_t mnt_id;     /* -1: the kernel does not tell */
	uint64_t pos;
	uint64_t ino;       /* of fdinfo; 0: the kernel does not tell */
	int32_t signal;     /* F_GETSIG; 0 too for O_PATH */
	int32_t owner_type, owner_pid; /* F_GETOWN_EX */
	uint32_t owner_uid, owner_euid; /* F_GETOWNER_UIDS, when there is an owner */
	uint32_t link_size;
	uint32_t lines_size;
	uint32_t key;       /* the same for descriptors that can be the same open file */
	uint8_t stat[144];  /* struct stat of the kernel (<asm/stat.h>) */
};

/* A kernel object, by whose it is. Only those with the same type and key are compared (kcmp). */
struct sf_object {
	uint32_t type;      /* KCMP_* of <linux/kcmp.h> */
	uint32_t key;
	uint32_t pid;
	uint32_t index;     /* KCMP_FILE: the descriptor; else 0 */
};

struct sf_arena { uint64_t executor_size; uint64_t address; };

struct sf_spawn {
	uint64_t block;        /* address inside the arena */
	uint32_t pid;          /* wanted pid, or 0 */
	uint32_t reserved;
	uint64_t clone_flags;  /* CLONE_NEW*; CLONE_PARENT */
};

struct sf_await {
	uint64_t shared;       /* address of struct sf_shared inside the arena */
	uint32_t parked;       /* how many threads must park */
	uint32_t timeout_ms;
};

enum sf_await_end { SF_ALL_PARKED = 1, SF_ONE_FAILED = 2, SF_ONE_DIED = 3, SF_TIME_UP = 4 };
struct sf_awaited { uint32_t end; uint32_t pid; int32_t wait_status; uint32_t parked; };

/*
 * Taking a parked thread over: seize, run the remote calls in order (their last one in a process removes the arena), set
 * extended state, signal mask and registers. It stays stopped until SF_REQ_DETACH. While taken over it is under
 * PTRACE_O_EXITKILL: if the helper dies, no half-made process is left.
 */
struct sf_takeover {
	uint32_t tid;
	uint32_t xstate_size;  /* exactly sf_hello.xstate_size, or 0: leave it */
	uint32_t ncalls;       /* struct sf_remote_call[ncalls] follow, then xstate */
	uint32_t group;        /* threads in a row with the same number make their calls side by side; those behind, after them */
	uint64_t sigmask;
	uint8_t regs[27 * 8];
};

struct sf_remote_call {
	uint32_t nr;
	uint32_t id;
	uint64_t a[6];
	int64_t expect;        /* must equal */
	uint32_t accept;       /* enum sf_accept */
	uint32_t reserved;
};

/*
 * A process that does nothing but hold a descriptor, for as long as the address space lives that `space` (a /proc/PID/pagemap) is
 * of: until `pid` has ended or executed another program, or until it is killed. It is found by its command line: the words.
 */
#define SF_KEEP_WORDS 8
#define SF_KEEPER_NAME "stillframe-keeper" /* the first word */
struct sf_keep { uint32_t pid; int32_t fd; /* held, or -1 */ int32_t space; /* held */ uint32_t size; /* of the words, each ended by a NUL */ };

struct sf_taken { uint32_t tid; int32_t status; uint32_t where; uint32_t call; int64_t result; };

#endif
