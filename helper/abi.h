/*
 * Kernel constants and structs the helper needs, each group naming its header. Written out here because the headers
 * of the building machine may be older than the kernel it runs on.
 */
#ifndef SF_ABI_H
#define SF_ABI_H

#include <stddef.h>
#include <stdint.h>

/* <asm-generic/errno-base.h>, <asm-generic/errno.h>, <linux/errno.h> */
enum {
	EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, EIO = 5, ENXIO = 6, ENOEXEC = 8, EBADF = 9, ECHILD = 10, EAGAIN = 11, ENOMEM = 12,
	EACCES = 13, EFAULT = 14, EBUSY = 16, EEXIST = 17, EXDEV = 18, EINVAL = 22, ENOTTY = 25, ENOSPC = 28, EPIPE = 32,
	ERANGE = 34, ENOSYS = 38, ENODATA = 61, ETIME = 62, EBADMSG = 74, EOVERFLOW = 75, EMSGSIZE = 90, EOPNOTSUPP = 95,
	ETIMEDOUT = 110, ECANCELED = 125,
	ERESTARTSYS = 512, ERESTARTNOINTR = 513, ERESTARTNOHAND = 514, ERESTART_RESTARTBLOCK = 516,
};

/* <asm/signal.h>, <asm-generic/siginfo.h> */
enum {
	SIGILL = 4, SIGTRAP = 5, SIGBUS = 7, SIGFPE = 8, SIGKILL = 9, SIGSEGV = 11, SIGALRM = 14, SIGCHLD = 17, SIGCONT = 18,
	SIGSTOP = 19, SIGSYS = 31,
	SIG_BLOCK = 0, SIG_SETMASK = 2,
	SI_TKILL = -6,
	SA_RESTORER = 0x04000000,
};
#define SIGBIT(n) (1ull << ((n) - 1))
struct siginfo { int32_t signo, error, code, pad; uint8_t rest[112]; };
_Static_assert(sizeof(struct siginfo) == 128, "siginfo_t is 128 bytes");
struct sigaction { void (*handler)(int); uint64_t flags; void (*restorer)(void); uint64_t mask; };

/* <linux/ptrace.h>, <asm/ptrace-abi.h> */
enum {
	PTRACE_POKEDATA = 5, PTRACE_CONT = 7, PTRACE_DETACH = 17, PTRACE_SYSCALL = 24, PTRACE_GET_THREAD_AREA = 25,
	PTRACE_SETOPTIONS = 0x4200, PTRACE_GETSIGINFO = 0x4202, PTRACE_GETREGSET = 0x4204, PTRACE_SETREGSET = 0x4205,
	PTRACE_SEIZE = 0x4206, PTRACE_INTERRUPT = 0x4207, PTRACE_LISTEN = 0x4208, PTRACE_PEEKSIGINFO = 0x4209, PTRACE_GETSIGMASK = 0x420a,
	PTRACE_SETSIGMASK = 0x420b, PTRACE_GET_RSEQ_CONFIGURATION = 0x420f,
	PTRACE_O_TRACESYSGOOD = 1, PTRACE_O_TRACEEXIT = 1 << 6, PTRACE_O_EXITKILL = 1 << 20, PTRACE_O_SUSPEND_SECCOMP = 1 << 21,
	PTRACE_EVENT_EXIT = 6, PTRACE_EVENT_STOP = 128,
	PTRACE_PEEKSIGINFO_SHARED = 1,
	NT_PRSTATUS = 1, NT_X86_XSTATE = 0x202,
};
struct peeksiginfo { uint64_t off; uint32_t flags; int32_t nr; };
struct rseq_configuration { uint64_t pointer; uint32_t size, signature, flags, pad; };
struct rseq_cs { uint32_t version, flags; uint64_t start_ip, post_commit_offset, abort_ip; }; /* <linux/rseq.h> */
#define RSEQ_CS_OFFSET 8 /* rseq_cs within struct rseq */

/* struct user_regs_struct of <asm/user_64.h> */
struct user_regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, eflags, rsp, ss,
		fs_base, gs_base, ds, es, fs, gs;
};
_Static_assert(sizeof(struct user_regs) == 27 * 8, "user_regs_struct is 27 words");

/* <linux/wait.h> */
enum { WNOHANG = 1, WALL = 0x40000000 };
#define W_STOPPED(s) (((s) & 0xff) == 0x7f)
#define W_STOPSIG(s) (((s) >> 8) & 0xff)
#define W_EVENT(s) ((s) >> 16)

/* <linux/mman.h>, <linux/memfd.h> */
enum {
	PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4,
	MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20, MAP_POPULATE = 0x8000, MAP_FIXED_NOREPLACE = 0x100000,
	MREMAP_MAYMOVE = 1, MADV_POPULATE_WRITE = 23, MADV_COLLAPSE = 25,
	MFD_CLOEXEC = 1, MFD_NOEXEC_SEAL = 8,
};

/* <linux/sched.h> */
#define CLONE_VM 0x00000100ull
#define CLONE_FS 0x00000200ull
#define CLONE_FILES 0x00000400ull
#define CLONE_SIGHAND 0x00000800ull
#define CLONE_PIDFD 0x00001000ull
#define CLONE_PARENT 0x00008000ull
#define CLONE_NEWPID 0x20000000ull
#define CLONE_THREAD 0x00010000ull
#define CLONE_SYSVSEM 0x00040000ull
#define CLONE_PARENT_SETTID 0x00100000ull
#define CLONE_CHILD_CLEARTID 0x00200000ull
#define CLONE_CLEAR_SIGHAND 0x100000000ull
#define CLONE_INTO_CGROUP 0x200000000ull
struct clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

/* <linux/futex.h> */
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_PRIVATE = 128 };

/* <linux/fcntl.h>, <linux/fs.h>, <linux/prctl.h>, <linux/poll.h> */
enum {
	SEEK_DATA = 3, SEEK_HOLE = 4, FALLOC_FL_KEEP_SIZE = 1, FALLOC_FL_PUNCH_HOLE = 2,
	AT_FDCWD = -100, AT_EMPTY_PATH = 0x1000, O_RDONLY = 0, O_RDWR = 2, O_CLOEXEC = 0x80000, O_PATH = 0x200000, F_DUPFD_CLOEXEC = 1030,
	F_GETSIG = 11, F_GETOWN_EX = 16, F_GETOWNER_UIDS = 17,
	PR_SET_PDEATHSIG = 1, POLLIN = 1, CLOSE_RANGE_CLOEXEC = 4,
};
struct linux_dirent64 { uint64_t ino; int64_t off; uint16_t reclen; uint8_t type; char name[]; }; /* getdents64(2) */
struct f_owner_ex { int32_t type, pid; };
struct pollfd { int32_t fd; int16_t events, revents; };

/* <linux/time_types.h>, <linux/uio.h>, <linux/socket.h> */
struct timespec { int64_t sec, nsec; };
struct itimerval { int64_t interval_sec, interval_usec, value_sec, value_usec; };
struct iovec { void *base; uint64_t len; };
struct msghdr { void *name; uint32_t namelen, pad; struct iovec *iov; uint64_t iovlen; void *control; uint64_t controllen; uint32_t flags, pad2; };
struct cmsg_fd { uint64_t len; int32_t level, type; int32_t fd, pad; };
enum { SOL_SOCKET = 1, SCM_RIGHTS = 1, MSG_NOSIGNAL = 0x4000, MSG_CMSG_CLOEXEC = 0x40000000, MSG_CTRUNC = 8 };

/* PAGEMAP_SCAN and PAGE_IS_* of <linux/fs.h> */
#define PAGEMAP_SCAN 0xc0606610u
enum { PM_SCAN_WP_MATCHING = 1, PM_SCAN_CHECK_WPASYNC = 2 };
enum {
	PAGE_IS_WPALLOWED = 1, PAGE_IS_WRITTEN = 2, PAGE_IS_FILE = 4, PAGE_IS_PRESENT = 8, PAGE_IS_SWAPPED = 16,
	PAGE_IS_PFNZERO = 32, PAGE_IS_HUGE = 64, PAGE_IS_SOFT_DIRTY = 128, PAGE_IS_GUARD = 256,
};
struct pm_scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, category_inverted, category_mask,
		category_anyof_mask, return_mask;
};
_Static_assert(sizeof(struct pm_scan_arg) == 96, "pm_scan_arg is 96 bytes");

#endif
