/** Whether a processor has what one in an image had: the levels of --cpu-cap. Every difference is named. */
import type { ErrorParts } from '../../errors.ts';
import { cpuinfo_x86_entry_vendor as Vendor, type cpuinfo_entry, type cpuinfo_x86_entry } from '../../image/schema/index.ts';
import { featureNames } from '../registers/xstate.ts';
import { WORDS } from './identify.ts';
import { capabilityName, INSTRUCTIONS } from './names.ts';

/** What --cpu-cap asks to compare: the extended state's layout, what instructions there are, everything. */
export type CpuCap = 'fpu' | 'ins' | 'cpu';

/** Word and bit of what the extended state rests on: FPU, FXSR, OSXSAVE, XSAVES. */
const FPU_BITS = [[0, 0], [0, 24], [4, 27], [10, 3]] as const;

const IMAGE = 'cpuinfo.img';
const OTHER_CPU = 'Restore on a processor that has them, or, when the tree surely never used them, with --cpu-cap=none';

/** All that speaks against `host` for a tree from the processor of `image`; nothing: it fits. */
export function compareProcessors(image: cpuinfo_entry | undefined, host: cpuinfo_x86_entry, caps: ReadonlySet<CpuCap>): ErrorParts[] {
  if (image === undefined) {
    return [{ doing: 'restore', where: IMAGE, why: 'the set has no record of the processor', remedy: 'Make the dump with --cpu-cap, or restore without it' }];
  }
  const [was, ...more] = image.x86_entry;
  if (was === undefined || more.length > 0) return [damaged(`it holds ${image.x86_entry.length} x86 processors instead of one`)];
  const wrong = malformed(was);
  if (wrong !== undefined) return [damaged(wrong)];
  const missing = missingBits(was, host);
  const reasons: ErrorParts[] = [];
  const refuse = (why: string, remedy = OTHER_CPU): void => { reasons.push({ doing: 'restore', where: 'this processor', why, remedy }); };
  const names = (bits: readonly Bit[]): string => bits.map(capabilityName).join(' ');
  if (caps.has('fpu')) {
    const lost = missing.filter(([word, bit]) => FPU_BITS.some(([w, b]) => w === word && b === bit));
    if (lost.length > 0) refuse(`it lacks what the extended state of the tree rests on: ${names(lost)}`);
    const states = (was.xfeatures_mask ?? 0n) & ~(host.xfeatures_mask ?? 0n);
    if (states !== 0n) refuse(`it lacks extended state that the tree has: ${featureNames(states)}`);
    for (const [field, what] of [['xsave_size', 'its extended state'], ['xsave_size_max', 'its largest extended state']] as const) {
      const before = was[field];
      if (before !== undefined && before !== host[field]) refuse(`${what} is ${host[field] ?? 0} bytes, at the dump it was ${before}`, 'Restore on a processor with the same extended state, or with --cpu-cap=ins,^fpu');
    }
  }
  if (caps.has('ins')) {
    const lost = missing.filter(([word, bit]) => INSTRUCTIONS[word]?.has(bit) === true);
    if (lost.length > 0) refuse(`it lacks instructions that the processor of the dump had: ${names(lost)}`);
  }
  if (caps.has('cpu')) {
    const added = missingBits(host, { ...host, capability: filled(was, host) });
    if (missing.length > 0) refuse(`it lacks capabilities of the processor of the dump: ${names(missing)}`, 'Restore on the same kind of processor, or with --cpu-cap=ins');
    if (added.length > 0) refuse(`it has capabilities that the processor of the dump lacked: ${names(added)}`, 'Restore on the same kind of processor, or with --cpu-cap=ins');
  }
  return reasons;
}

export type Bit = readonly [word: number, bit: number];

/** What the first has and the second has not. */
function missingBits(was: cpuinfo_x86_entry, is: cpuinfo_x86_entry): Bit[] {
  const bits: Bit[] = [];
  was.capability.forEach((had, word) => {
    const lost = had & ~is.capability[word]!;
    for (let bit = 0; bit < 32; bit++) if ((lost & (1 << bit)) !== 0) bits.push([word, bit]);
  });
  return bits;
}

/** An image of the first version has fewer words: what it does not say is taken to be the same. */
const filled = (was: cpuinfo_x86_entry, host: cpuinfo_x86_entry): number[] => host.capability.map((word, i) => was.capability[i] ?? word);

function malformed({ vendor_id, capability_ver, capability }: cpuinfo_x86_entry): string | undefined {
  if (vendor_id !== Vendor.INTEL && vendor_id !== Vendor.AMD) return `it names an unknown vendor, ${vendor_id}`;
  const words = WORDS[capability_ver];
  if (words === undefined) return `its capabilities are of an unknown version, ${capability_ver}`;
  return capability.length === words ? undefined : `it holds ${capability.length} words of capabilities, of version ${capability_ver} there are ${words}`;
}

const damaged = (why: string): ErrorParts => ({ doing: 'restore', where: IMAGE, why, remedy: 'The image is damaged: take another, or restore without --cpu-cap' });
