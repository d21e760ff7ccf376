/**
 * What a thread was doing whose call goes on through restart_syscall(2): the kernel put that number in place of the call's own, the other registers
 * are as they were. So the number is looked for where the program put it in: `mov eax, NUMBER` before the instruction.
 */
import { SYSCALLS } from '../../kernel/syscalls.ts';

/** Those that the kernel continues that way. */
const CONTINUED: readonly number[] = [SYSCALLS.poll, SYSCALLS.nanosleep, SYSCALLS.clock_nanosleep, SYSCALLS.futex];
const MOV_EAX = 0xb8, SYSCALL = [0x0f, 0x05] as const;
/** Bytes before the address a thread goes on at that are looked through. */
export const LOOKED_THROUGH = 48;

/** @param code the bytes before the address the thread goes on at, the `syscall` instruction last; undefined: not to be told */
export function originalCall(code: Uint8Array): number | undefined {
  const end = code.length - SYSCALL.length;
  if (end < 0 || code[end] !== SYSCALL[0] || code[end + 1] !== SYSCALL[1]) return undefined;
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  for (let at = end - 5; at >= 0; at--) {
    if (code[at] !== MOV_EAX) continue;
    const nr = view.getUint32(at + 1, true);
    if (CONTINUED.includes(nr)) return nr;
  }
  return undefined;
}
