/**
 * Extended register state (NT_X86_XSTATE, the standard xsave format): where each component lies on a CPU, and the way between
 * these bytes and the image's `user_x86_fpregs_entry`. The order is in the Intel SDM, volume 1, chapter 13; the offsets differ between CPUs.
 */
import type { user_x86_fpregs_entry } from '../../image/schema/index.ts';
import { zeroed } from '../../zeroed.ts';

/** Component numbers: bits of XCR0 and of xstate_bv. */
export const X = { FP: 0, SSE: 1, AVX: 2, BNDREGS: 3, BNDCSR: 4, OPMASK: 5, ZMM_HI256: 6, HI16_ZMM: 7, PKRU: 9, CET_USER: 11 } as const;
const NAMES = ['x87', 'SSE', 'AVX', 'MPX bounds', 'MPX status', 'AVX-512 masks', 'AVX-512 upper', 'AVX-512 high registers', 'PT', 'protection keys', 'PASID', 'shadow stack', 'CET supervisor', 'HDC', 'UINTR', 'LBR', 'HWP', 'AMX configuration', 'AMX tiles', 'APX'];

export interface XstateLayout {
  /** Bytes of the whole area, as PTRACE_GETREGSET gives it. */
  readonly size: number;
  /** Components of user state this CPU and kernel have. */
  readonly features: bigint;
  /** Byte offset of each component from 2 on. */
  readonly offsets: ReadonlyMap<number, number>;
}

const SIZES = new Map<number, number>([[X.AVX, 256], [X.BNDREGS, 64], [X.BNDCSR, 64], [X.OPMASK, 64], [X.ZMM_HI256, 512], [X.HI16_ZMM, 1024], [X.PKRU, 8]]);
const LEGACY = 512;
const HEADER_END = 576;

/** The layout of an x86-64-v4 server of Intel's: what a plan assumes where there is no CPU to ask. */
export const ASSUMED_XSTATE: XstateLayout = {
  size: 2696,
  features: 0x2e7n,
  offsets: new Map([[X.AVX, 576], [X.BNDREGS, 960], [X.BNDCSR, 1024], [X.OPMASK, 1088], [X.ZMM_HI256, 1152], [X.HI16_ZMM, 1664], [X.PKRU, 2688]]),
};

/** The two families of layouts there are: Intel's, with room for MPX, and AMD's without. Offsets of PKRU depend on AVX-512. */
const FAMILIES: readonly (readonly (readonly [number, number])[])[] = [
  [[X.AVX, 576], [X.BNDREGS, 960], [X.BNDCSR, 1024], [X.OPMASK, 1088], [X.ZMM_HI256, 1152], [X.HI16_ZMM, 1664], [X.PKRU, 2688], [17, 2752], [18, 2816]],
  [[X.AVX, 576], [X.OPMASK, 832], [X.ZMM_HI256, 896], [X.HI16_ZMM, 1408], [X.PKRU, 2432]],
  [[X.AVX, 576], [X.PKRU, 832]],
];
const AMX_SIZES = new Map([[17, 64], [18, 8192]]);

/**
 * The layout of a CPU, from what the helper says of it: the family in which exactly its components fill its area.
 * Undefined: none does (a CPU that came later).
 */
export function layoutOf(size: number, features: bigint): XstateLayout | undefined {
  const has = (component: number): boolean => ((features >> BigInt(component)) & 1n) !== 0n;
  for (const family of FAMILIES) {
    const present = family.filter(([component]) => has(component));
    const known = present.reduce((bits, [component]) => bits | (1n << BigInt(component)), 3n);
    const end = present.reduce((last, [component, at]) => Math.max(last, at + (SIZES.get(component) ?? AMX_SIZES.get(component) ?? 0)), HEADER_END);
    if (end === size && (features & ~known) === 0n) return { size, features, offsets: new Map(present) };
  }
  return undefined;
}

export function featureNames(bits: bigint): string {
  const names: string[] = [];
  for (let i = 0; i < 64; i++) if ((bits >> BigInt(i)) & 1n) names.push(NAMES[i] ?? `component ${i}`);
  return names.join(', ');
}

/** Components in use in the image that this CPU does not have: 0n when the thread can run here. */
export function missingFeatures(fpregs: user_x86_fpregs_entry, layout: XstateLayout): bigint {
  const used = fpregs.xsave?.xstate_bv ?? 3n;
  return used & ~(layout.features | 3n);
}

/** The image's extended state as the bytes PTRACE_SETREGSET takes. */
export function encodeXstate(fpregs: user_x86_fpregs_entry, layout: XstateLayout): Buffer {
  const area = zeroed(Math.max(layout.size, HEADER_END));
  area.writeUInt16LE(fpregs.cwd & 0xffff, 0);
  area.writeUInt16LE(fpregs.swd & 0xffff, 2);
  area.writeUInt16LE(fpregs.twd & 0xffff, 4);
  area.writeUInt16LE(fpregs.fop & 0xffff, 6);
  area.writeBigUInt64LE(fpregs.rip, 8);
  area.writeBigUInt64LE(fpregs.rdp, 16);
  area.writeUInt32LE(fpregs.mxcsr, 24);
  area.writeUInt32LE(fpregs.mxcsr_mask, 28);
  put32(area, 32, 128, fpregs.st_space);
  put32(area, 160, 256, fpregs.xmm_space);
  const xsave = fpregs.xsave;
  area.writeBigUInt64LE((xsave?.xstate_bv ?? 3n) & (layout.features | 3n), LEGACY);
  if (xsave === undefined) return area;
  const component32 = (component: number, words: readonly number[]): void => put32(area, layout.offsets.get(component), SIZES.get(component)!, words);
  const component64 = (component: number, words: readonly bigint[]): void => put64(area, layout.offsets.get(component), SIZES.get(component)!, words);
  component32(X.AVX, xsave.ymmh_space);
  component64(X.BNDREGS, xsave.bndreg_state);
  component64(X.BNDCSR, xsave.bndcsr_state);
  component64(X.OPMASK, xsave.opmask_reg);
  component64(X.ZMM_HI256, xsave.zmm_upper);
  component64(X.HI16_ZMM, xsave.hi16_zmm);
  component32(X.PKRU, xsave.pkru);
  return area;
}

/** Words into the area, as many as the component has room for. Undefined: this CPU does not have it. */
function put32(area: Buffer, at: number | undefined, size: number, words: readonly number[]): void {
  if (at === undefined) return;
  const room = Math.max(0, Math.min(size, area.length - at)) >>> 2;
  new Uint32Array(area.buffer, area.byteOffset + at, room).set(words.length > room ? words.slice(0, room) : words);
}

function put64(area: Buffer, at: number | undefined, size: number, words: readonly bigint[]): void {
  if (at === undefined) return;
  const room = Math.max(0, Math.min(size, area.length - at)) >>> 3;
  new BigUint64Array(area.buffer, area.byteOffset + at, room).set(words.length > room ? words.slice(0, room) : words);
}
