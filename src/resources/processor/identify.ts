/**
 * What the processor says of itself (CPUID), as cpuinfo.img keeps it. The words' order is that of criu's images (capability_ver 2, 19
 * words), the leaves are of the Intel SDM vol. 2A "CPUID" and the AMD APM vol. 3 appendix E.
 */
import { StillframeError } from '../../errors.ts';
import { cpuinfo_x86_entry, cpuinfo_x86_entry_vendor as Vendor } from '../../image/schema/index.ts';
import { create } from '../../image/wire.ts';

/** The four registers after CPUID. */
export interface Leaf { readonly eax: number; readonly ebx: number; readonly ecx: number; readonly edx: number }
export type Cpuid = (leaf: number, sub: number) => Leaf;

/** Words of capabilities in an image, by `capability_ver`. */
export const WORDS: Readonly<Record<number, number>> = { 1: 12, 2: 19 };
export const CAPABILITY_VERSION = 2;

/** Word of a bit: Linux's own (word 3) and the ones read from a leaf. */
const LINUX = 3;
/** Set on every x86-64 processor: NOPL and CPUID itself; REP_GOOD depends on the model. */
const NOPL = 20, HAS_CPUID = 25, REP_GOOD = 16;
const XSAVE = 26, ERMS = 9, CQM_LLC = 1;

/** Extended state that criu's images speak of (bits of XCR0): x87, SSE, AVX, MPX (2), AVX-512 (3), PKRU; and without SSE and MPX bounds, which it leaves out. */
const XFEATURES = 0b10_1111_0101n;
/** What an xfeature needs, by its bit: word and bit of the capability. */
const XFEATURE_NEEDS: readonly (readonly [word: number, bit: number])[] = [[0, 0], [0, 25], [4, 28], [9, 14], [9, 14], [9, 16], [9, 16], [9, 16], [9, 25], [11, 3]];

/** @throws StillframeError: a vendor that the image format has no number for */
export function identify(cpuid: Cpuid): cpuinfo_x86_entry {
  const first = cpuid(0, 0), basic = first.eax;
  const extended = cpuid(0x80000000, 0).eax;
  const vendor = vendorOf(text([first.ebx, first.edx, first.ecx]));
  const has = (leaf: number): boolean => (leaf >= 0x80000000 ? extended >>> 16 === 0x8000 && extended >= leaf : basic >= leaf);
  const NONE: Leaf = { eax: 0, ebx: 0, ecx: 0, edx: 0 };
  const read = (leaf: number, sub = 0): Leaf => (has(leaf) ? cpuid(leaf, sub) : NONE);
  const signature = read(1).eax;
  const { family, model, stepping } = signed(signature);
  const [one, seven, amd, quality] = [read(1), read(7), read(0x80000001), read(15)];
  const words = [
    one.edx, amd.edx, 0, 0, one.ecx, 0, amd.ecx, 0, 0, seven.ebx, read(13, 1).eax, seven.ecx, (quality.edx & (1 << CQM_LLC)) === 0 ? 0 : read(15, 1).edx,
    read(0x80000008).ebx, read(6).eax, read(0x8000000a).edx, quality.edx, read(0x80000007).ebx, seven.edx,
  ];
  const set = (word: number, bit: number): void => { words[word] = words[word]! | (1 << bit); };
  const clear = (word: number, bit: number): void => { words[word] = words[word]! & ~(1 << bit); };
  set(LINUX, HAS_CPUID);
  set(LINUX, NOPL);
  if (basic < 13) clear(4, XSAVE);
  if (vendor === Vendor.INTEL) {
    if (family === 15) clear(9, ERMS);
    if (family === 6) set(LINUX, REP_GOOD);
  } else {
    clear(0, 31); // means another thing there
    if (family >= 0x10 || (family === 15 && ((signature >= 0x0f48 && signature < 0x0f50) || signature >= 0x0f58))) set(LINUX, REP_GOOD);
  }
  const capability = words.map((word) => word >>> 0);
  return create(cpuinfo_x86_entry, {
    vendor_id: vendor, cpu_family: family, model, stepping, capability_ver: CAPABILITY_VERSION, capability, model_id: modelName(read),
    ...extendedState(capability, read),
  });
}

function extendedState(capability: readonly number[], read: (leaf: number, sub?: number) => Leaf): Pick<cpuinfo_x86_entry, 'xfeatures_mask' | 'xsave_size' | 'xsave_size_max'> {
  if ((capability[4]! & (1 << XSAVE)) === 0) return { xfeatures_mask: 0n, xsave_size: 0, xsave_size_max: 0 };
  const { eax, ebx, ecx, edx } = read(13);
  let mask = (BigInt(edx) << 32n) | BigInt(eax);
  XFEATURE_NEEDS.forEach(([word, bit], i) => {
    if ((capability[word]! & (1 << bit)) === 0) mask &= ~(1n << BigInt(i));
  });
  return { xfeatures_mask: mask & XFEATURES, xsave_size: ebx, xsave_size_max: ecx };
}

function vendorOf(name: string): number {
  if (name === 'GenuineIntel') return Vendor.INTEL;
  if (name === 'AuthenticAMD' || name === 'HygonGenuine') return Vendor.AMD;
  throw new StillframeError({
    doing: 'cpuinfo', where: 'this processor', why: `its vendor '${name}' has no number in the image format, which knows Intel and AMD`, remedy: 'Leave --cpu-cap out',
  });
}

/** Family, model and stepping from leaf 1's eax: the extended fields count from family 15 and 6 on. */
function signed(eax: number): { family: number; model: number; stepping: number } {
  const base = (eax >>> 8) & 15;
  const family = base === 15 ? base + ((eax >>> 20) & 0xff) : base;
  return { family, model: ((eax >>> 4) & 15) + (family >= 6 ? ((eax >>> 16) & 15) << 4 : 0), stepping: eax & 15 };
}

function modelName(read: (leaf: number) => Leaf): string | undefined {
  const name = text([0x80000002, 0x80000003, 0x80000004].flatMap((leaf) => { const { eax, ebx, ecx, edx } = read(leaf); return [eax, ebx, ecx, edx]; })).replace(/^ +/, '');
  return name === '' ? undefined : name;
}

/** Registers as the characters in them, up to a NUL. */
function text(registers: readonly number[]): string {
  const codes = registers.flatMap((value) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff));
  const end = codes.indexOf(0);
  return String.fromCharCode(...(end < 0 ? codes : codes.slice(0, end)));
}
