/**
 * Seccomp: a thread's mode and its chain of filters, oldest first, as ptrace tells them (PTRACE_SECCOMP_GET_FILTER, needs CAP_SYS_ADMIN).
 * Chains that begin alike share their records in seccomp.img, as the kernel shares inherited filters.
 */
import { create } from '../../image/wire.ts';
import { seccomp_entry, seccomp_filter } from '../../image/schema/index.ts';
import { StillframeError } from '../../errors.ts';
import type { Helper } from '../../helper/client.ts';
import { errnoName } from '../../kernel/errno.ts';
import { Program } from '../../program/program.ts';

/** <linux/ptrace.h> */
const PTRACE_SECCOMP_GET_FILTER = 0x420c, PTRACE_SECCOMP_GET_METADATA = 0x420d;
/** struct sock_filter */
const INSTRUCTION = 8;

export const SeccompMode = { DISABLED: 0, STRICT: 1, FILTER: 2 } as const;

interface Filter { readonly bytes: Buffer; readonly flags: bigint }

/** What a thread runs under; `filter` is the index of its newest filter in seccomp.img. */
export interface ThreadSeccomp { readonly mode: number; readonly filter: number | undefined }

/** Gathers the filters of all threads. */
export class SeccompFilters {
  readonly entry = create(seccomp_entry, {});
  readonly #known = new Map<string, number>();
  readonly threads = new Map<number, ThreadSeccomp>();

  /** Reads one thread's. In the frozen window. @param count its filters, from /proc/PID/status */
  read(helper: Helper, tid: number, mode: number, count: number): void {
    if (mode === SeccompMode.DISABLED) return;
    let filter: number | undefined;
    if (mode === SeccompMode.FILTER) for (const one of readChain(helper, tid, count)) filter = this.#add(one, filter);
    this.threads.set(tid, { mode, filter });
  }

  #add({ bytes, flags }: Filter, prev: number | undefined): number {
    const key = `${prev ?? ''}:${flags}:${bytes.toString('latin1')}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const index = this.entry.seccomp_filters.push(create(seccomp_filter, { filter: Uint8Array.from(bytes), prev, flags: flags === 0n ? undefined : Number(flags) })) - 1;
    this.#known.set(key, index);
    return index;
  }
}

/** A seized thread's filters, oldest first: the kernel counts from there. */
function readChain(helper: Helper, tid: number, count: number): Filter[] {
  const sizes = new Program('helper').resource(`thread ${tid}, seccomp filters`);
  const lengths = Array.from({ length: count }, (_, i) => sizes.call('ptrace', [PTRACE_SECCOMP_GET_FILTER, tid, i, 0], { expect: 'any' }));
  const sized = helper.local(sizes).check('dump');
  const bodies = new Program('helper').resource(`thread ${tid}, seccomp filters`);
  const parts = lengths.map((ref, i) => {
    const length = Number(sized.result(ref));
    if (length <= 0) {
      throw new StillframeError({
        doing: 'dump', where: `thread ${tid}, seccomp filter ${i + 1} of ${count}`, why: `ptrace does not tell it: ${errnoName(-length)}`,
        remedy: length === -13 ? 'Reading filters needs CAP_SYS_ADMIN and a process that is not under seccomp itself' : undefined,
      });
    }
    const bytes = bodies.reserve(length * INSTRUCTION);
    const metadata = bodies.data(Buffer.from(BigUint64Array.of(BigInt(i), 0n).buffer));
    bodies.call('ptrace', [PTRACE_SECCOMP_GET_FILTER, tid, i, bytes], { keep: false, expect: { equals: length } });
    bodies.call('ptrace', [PTRACE_SECCOMP_GET_METADATA, tid, 16, metadata], { keep: false });
    return { bytes, metadata };
  });
  const ran = helper.local(bodies).check('dump');
  return parts.map(({ bytes, metadata }) => ({ bytes: Buffer.from(ran.data(bytes)), flags: ran.data(metadata).readBigUInt64LE(8) }));
}
