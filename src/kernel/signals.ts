/** Signals, from `<asm/signal.h>` and `<asm-generic/siginfo.h>`. */
export const SIG = {
  HUP: 1, INT: 2, QUIT: 3, ILL: 4, TRAP: 5, ABRT: 6, BUS: 7, FPE: 8, KILL: 9, USR1: 10, SEGV: 11, USR2: 12, PIPE: 13, ALRM: 14, TERM: 15,
  STKFLT: 16, CHLD: 17, CONT: 18, STOP: 19, TSTP: 20, TTIN: 21, TTOU: 22, URG: 23, XCPU: 24, XFSZ: 25, VTALRM: 26, PROF: 27, WINCH: 28,
  IO: 29, PWR: 30, SYS: 31,
} as const;
/** Signals are 1 to 64; a kernel signal set is one 64-bit word. */
export const NSIG = 64;
export const SIGSET_SIZE = 8;
export const SIG_BLOCK = 0;
export const SIG_UNBLOCK = 1;
export const SIG_SETMASK = 2;
/** sizeof(siginfo_t) */
export const SIGINFO_SIZE = 128;
/** sizeof(struct kernel_sigaction): handler, flags, restorer, mask. */
export const KERNEL_SIGACTION_SIZE = 32;
/** sizeof(stack_t) */
export const STACK_T_SIZE = 24;

const NAMES = new Map<number, string>(Object.entries(SIG).map(([name, number]) => [number, `SIG${name}`]));
/** `SIGTERM`, `SIGRTMIN+3` (counted from 32, the kernel's first one is 32), or `signal 99`. */
export function signalName(number: number): string {
  return NAMES.get(number) ?? (number >= 32 && number <= NSIG ? `SIGRTMIN+${number - 32}` : `signal ${number}`);
}
