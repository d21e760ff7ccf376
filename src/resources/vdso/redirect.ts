/**
 * A task that comes from another kernel: its program has the addresses of the old vDSO's functions, so that one stays where it was, as ordinary
 * memory, and its functions lead into this kernel's vDSO, which lies elsewhere. What this kernel's does not have becomes the system call.
 */
import { SYSCALLS } from '../../kernel/syscalls.ts';
import { vdsoFunctions, type VdsoImage } from './symbols.ts';

/** What is written over the beginning of a function: `at` from the start of the old code; `to` from the start of the new one. */
export interface Detour { readonly at: number; readonly to?: number; readonly code?: Uint8Array }

export interface Redirect {
  readonly detours: readonly Detour[];
  /** This kernel's vDSO: bytes of data pages and of code. 0: it has none. */
  readonly dataSize: number;
  readonly codeSize: number;
}

/** movabs r11, ADDRESS; jmp r11. No function takes or keeps anything in r11. */
const JUMP_SIZE = 13;
/** Functions are at addresses that are multiples of this. */
const ALIGNMENT = 16;

/**
 * System calls that do what the function does. getrandom always goes there: what a program keeps for it has a layout that only the kernel knows it
 * came from.
 */
const CALLS: ReadonlyMap<string, number> = new Map(([
  ['clock_gettime', SYSCALLS.clock_gettime], ['gettimeofday', SYSCALLS.gettimeofday], ['time', SYSCALLS.time], ['getcpu', SYSCALLS.getcpu],
  ['clock_getres', SYSCALLS.clock_getres], ['getrandom', SYSCALLS.getrandom],
] as const).flatMap(([name, nr]) => [[name, nr], [`__vdso_${name}`, nr]]));
const ALWAYS_CALLS = ['getrandom', '__vdso_getrandom'];

/** mov eax, NR; syscall; ret */
const callCode = (nr: number): Uint8Array => Uint8Array.of(0xb8, nr & 0xff, nr >> 8 & 0xff, 0, 0, 0x0f, 0x05, 0xc3);

export function jumpCode(address: bigint): Uint8Array {
  const code = new Uint8Array(JUMP_SIZE);
  code.set([0x49, 0xbb]);
  new DataView(code.buffer).setBigUint64(2, address, true);
  code.set([0x41, 0xff, 0xe3], 10);
  return code;
}

/** @param old the task's vDSO, as it was dumped @param host this kernel's @returns why it cannot be, as a string */
export function redirect(old: Uint8Array, host: VdsoImage | undefined): Redirect | string {
  const here = host === undefined ? new Map<string, number>() : vdsoFunctions(host.bytes);
  const detours = new Map<number, Detour>();
  const functions = vdsoFunctions(old);
  if (functions.size === 0) return 'it is no vDSO';
  for (const [name, at] of functions) {
    if (at < 0 || at % ALIGNMENT !== 0 || at + JUMP_SIZE > old.length) return `its function ${name} is at ${at}, where no detour can be made`;
    const to = ALWAYS_CALLS.includes(name) ? undefined : here.get(name);
    const call = CALLS.get(name);
    if (to !== undefined) detours.set(at, { at, to });
    else if (call !== undefined) detours.set(at, { at, code: callCode(call) });
    else return `this kernel's has no ${name}`;
  }
  return { detours: [...detours.values()], dataSize: host?.dataSize ?? 0, codeSize: host?.bytes.length ?? 0 };
}

/**
 * Whether a thread can go on at `ip` (from the start of the old code): it is at a system call, whose function then returns. Anywhere else it would read
 * the data of a kernel that is gone.
 */
export function canGoOnAt(old: Uint8Array, ip: number, { detours }: Redirect): boolean {
  if (detours.some(({ at }) => ip > at && ip < at + JUMP_SIZE)) return false;
  if (detours.some(({ at }) => ip === at)) return true;
  const isCall = (at: number): boolean => old[at] === 0x0f && old[at + 1] === 0x05;
  return isCall(ip) || isCall(ip - 2);
}
