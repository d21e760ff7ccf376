/*
 * System calls in two layers: raw (assembly) and typed sys_*, which return a value or -errno. Nothing here decides.
 * Everything is inline: the executor uses it too and may call nothing outside its own section.
 */
#ifndef SF_SYS_H
#define SF_SYS_H

#include <stdbool.h>

#include "abi.h"

#define MUST_CHECK __attribute__((warn_unused_result))
#define SYS static inline __attribute__((always_inline, unused))

/* <asm/unistd_64.h> */
enum {
	NR_read = 0, NR_close = 3, NR_poll = 7, NR_lseek = 8, NR_mmap = 9, NR_mprotect = 10, NR_munmap = 11, NR_rt_sigaction = 13,
	NR_rt_sigprocmask = 14, NR_rt_sigreturn = 15, NR_ioctl = 16, NR_pread64 = 17, NR_pwrite64 = 18, NR_mremap = 25, NR_madvise = 28,
	NR_nanosleep = 35, NR_setitimer = 38, NR_getpid = 39, NR_getppid = 110, NR_sendmsg = 46, NR_recvmsg = 47, NR_exit = 60,
	NR_wait4 = 61, NR_kill = 62, NR_fcntl = 72, NR_ftruncate = 77, NR_fstatfs = 138, NR_ptrace = 101, NR_prctl = 157, NR_gettid = 186,
	NR_tkill = 200, NR_futex = 202, NR_clock_gettime = 228, NR_exit_group = 231, NR_tgkill = 234, NR_openat = 257,
	NR_get_robust_list = 274, NR_rt_tgsigqueueinfo = 297, NR_process_vm_readv = 310, NR_process_vm_writev = 311,
	NR_memfd_create = 319, NR_copy_file_range = 326, NR_pidfd_open = 434, NR_process_mrelease = 448, NR_clone3 = 435, NR_write = 1, NR_sched_getaffinity = 204,
	NR_fallocate = 285, NR_dup3 = 292, NR_pipe2 = 293, NR_setsid = 112, NR_chdir = 80, NR_execve = 59, NR_pidfd_getfd = 438, NR_close_range = 436,
	NR_sched_setscheduler = 144, NR_set_robust_list = 273, NR_getdents64 = 217, NR_newfstatat = 262, NR_readlinkat = 267, NR_kcmp = 312,
};

SYS int64_t raw6(int64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	int64_t ret;
	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return ret;
}
#define U(x) ((uint64_t)(x))
#define raw0(nr) raw6(nr, 0, 0, 0, 0, 0, 0)
#define raw1(nr, a) raw6(nr, U(a), 0, 0, 0, 0, 0)
#define raw2(nr, a, b) raw6(nr, U(a), U(b), 0, 0, 0, 0)
#define raw3(nr, a, b, c) raw6(nr, U(a), U(b), U(c), 0, 0, 0)
#define raw4(nr, a, b, c, d) raw6(nr, U(a), U(b), U(c), U(d), 0, 0)
#define raw5(nr, a, b, c, d, e) raw6(nr, U(a), U(b), U(c), U(d), U(e), 0)

/* memory */
SYS int64_t sys_mmap(void *at, size_t size, int prot, int flags, int fd, uint64_t off) { return raw6(NR_mmap, U(at), size, U(prot), U(flags), U(fd), off); }
SYS int64_t sys_munmap(void *at, size_t size) { return raw2(NR_munmap, at, size); }
SYS int64_t sys_mremap(void *at, size_t old, size_t size, int flags) { return raw4(NR_mremap, at, old, size, flags); }
SYS int64_t sys_madvise(void *at, size_t size, int advice) { return raw3(NR_madvise, at, size, advice); }
SYS int64_t sys_memfd_create(const char *name, unsigned flags) { return raw2(NR_memfd_create, name, flags); }

/* files */
SYS int64_t sys_open(const char *path, int flags) { return raw4(NR_openat, AT_FDCWD, path, flags, 0); }
SYS int64_t sys_openat(int dir, const char *name, int flags) { return raw4(NR_openat, dir, name, flags, 0); }
SYS int64_t sys_close(int fd) { return raw1(NR_close, fd); }
SYS int64_t sys_read(int fd, void *to, size_t n) { return raw3(NR_read, fd, to, n); }
SYS int64_t sys_pread(int fd, void *to, size_t n, uint64_t off) { return raw4(NR_pread64, fd, to, n, off); }
SYS int64_t sys_pwrite(int fd, const void *from, size_t n, uint64_t off) { return raw4(NR_pwrite64, fd, from, n, off); }
SYS int64_t sys_write(int fd, const void *from, size_t n) { return raw3(NR_write, fd, from, n); }
SYS int64_t sys_pipe2(int *ends, int flags) { return raw2(NR_pipe2, ends, flags); }
SYS int64_t sys_getdents(int fd, void *to, size_t n) { return raw3(NR_getdents64, fd, to, n); }
SYS int64_t sys_fstat(int fd, void *to) { return raw4(NR_newfstatat, fd, "", to, AT_EMPTY_PATH); }
SYS int64_t sys_fstatfs(int fd, void *to) { return raw2(NR_fstatfs, fd, to); }
SYS int64_t sys_readlinkat(int dir, const char *name, void *to, size_t n) { return raw4(NR_readlinkat, dir, name, to, n); }
SYS int64_t sys_ftruncate(int fd, uint64_t size) { return raw2(NR_ftruncate, fd, size); }
SYS int64_t sys_fallocate(int fd, uint32_t mode, uint64_t off, uint64_t size) { return raw4(NR_fallocate, fd, mode, off, size); }
SYS int64_t sys_fcntl(int fd, int cmd, uint64_t arg) { return raw3(NR_fcntl, fd, cmd, arg); }
SYS int64_t sys_ioctl(int fd, unsigned cmd, void *arg) { return raw3(NR_ioctl, fd, cmd, arg); }
SYS int64_t sys_copy_file_range(int in, uint64_t *inoff, int out, uint64_t *outoff, size_t n) { return raw6(NR_copy_file_range, U(in), U(inoff), U(out), U(outoff), n, 0); }
SYS int64_t sys_lseek(int fd, uint64_t off, int whence) { return raw3(NR_lseek, fd, off, whence); }
SYS int64_t sys_sendmsg(int fd, struct msghdr *m, int flags) { return raw3(NR_sendmsg, fd, m, flags); }
SYS int64_t sys_recvmsg(int fd, struct msghdr *m, int flags) { return raw3(NR_recvmsg, fd, m, flags); }
SYS int64_t sys_poll(struct pollfd *fds, unsigned n, int ms) { return raw3(NR_poll, fds, n, ms); }

/* other tasks */
SYS int64_t sys_ptrace(int request, int tid, uint64_t addr, uint64_t data) { return raw4(NR_ptrace, request, tid, addr, data); }
SYS int64_t sys_wait4(int pid, int *status, int options) { return raw4(NR_wait4, pid, status, options, 0); }
SYS int64_t sys_vm_readv(int pid, const struct iovec *to, size_t nto, const struct iovec *from, size_t nfrom) { return raw6(NR_process_vm_readv, U(pid), U(to), nto, U(from), nfrom, 0); }
SYS int64_t sys_kill(int pid, int sig) { return raw2(NR_kill, pid, sig); }
SYS int64_t sys_tgkill(int pid, int tid, int sig) { return raw3(NR_tgkill, pid, tid, sig); }
SYS int64_t sys_tkill(int tid, int sig) { return raw2(NR_tkill, tid, sig); }
SYS int64_t sys_set_robust_list(void *head, size_t size) { return raw2(NR_set_robust_list, head, size); }
SYS int64_t sys_get_robust_list(int tid, uint64_t *head, uint64_t *len) { return raw3(NR_get_robust_list, tid, head, len); }
SYS int64_t sys_pidfd_open(int pid) { return raw2(NR_pidfd_open, pid, 0); }
SYS int64_t sys_process_mrelease(int pidfd) { return raw2(NR_process_mrelease, pidfd, 0); }
SYS int64_t sys_pidfd_getfd(int pidfd, int fd) { return raw3(NR_pidfd_getfd, pidfd, fd, 0); }
SYS int64_t sys_kcmp(int a, int b, int type, uint64_t ia, uint64_t ib) { return raw5(NR_kcmp, a, b, type, ia, ib); }
SYS int64_t sys_clone3(struct clone_args *args) { return raw2(NR_clone3, args, sizeof *args); }

/* itself */
SYS int64_t sys_getpid(void) { return raw0(NR_getpid); }
SYS int64_t sys_getppid(void) { return raw0(NR_getppid); }
SYS int64_t sys_gettid(void) { return raw0(NR_gettid); }
SYS int64_t sys_sched_setscheduler(int pid, int policy, const int *priority) { return raw3(NR_sched_setscheduler, pid, policy, priority); }
SYS int64_t sys_prctl(int op, uint64_t a) { return raw5(NR_prctl, op, a, 0, 0, 0); }
SYS int64_t sys_sigaction(int sig, const struct sigaction *act) { return raw4(NR_rt_sigaction, sig, act, 0, 8); }
SYS int64_t sys_sigprocmask(int how, const uint64_t *set, uint64_t *old) { return raw4(NR_rt_sigprocmask, how, set, old, 8); }
SYS int64_t sys_setitimer_real(const struct itimerval *it) { return raw3(NR_setitimer, 0, it, 0); }
SYS int64_t sys_futex(uint32_t *word, int op, uint32_t value, const struct timespec *timeout) { return raw6(NR_futex, U(word), U(op), value, U(timeout), 0, 0); }
SYS int64_t sys_clock_monotonic(struct timespec *t) { return raw2(NR_clock_gettime, 1, t); }
SYS int64_t sys_nanosleep(const struct timespec *t) { return raw2(NR_nanosleep, t, 0); }
SYS __attribute__((noreturn)) void sys_exit_thread(int code) { for (;;) (void)raw1(NR_exit, code); }
SYS __attribute__((noreturn)) void sys_exit_group(int code) { for (;;) (void)raw1(NR_exit_group, code); }

#endif
