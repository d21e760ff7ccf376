/**
 * Range algebra (core/ranges.h). A list is a flat array `[start0, end0, start1, end1, ...]` of half-open ranges; inputs of the set
 * operations are sorted and disjoint, results are normalised (touching ranges joined).
 */
import type { CoreExports, CoreInstance } from '../../wasm/loader.ts';

export type Ranges = BigUint64Array;

/** Ranges as the core takes them. */
export function flat(ranges: readonly { readonly start: bigint; readonly end: bigint }[]): Ranges {
  const out = new BigUint64Array(ranges.length * 2);
  ranges.forEach(({ start, end }, i) => {
    out[2 * i] = start;
    out[2 * i + 1] = end;
  });
  return out;
}

/** `mapping` of a piece that lies in none. */
export const NO_MAPPING = 0xffffffff;

/** A part of a range that lies in one mapping or in none. */
export interface Piece {
  readonly start: bigint;
  readonly end: bigint;
  /** Index of the range that it is a part of. */
  readonly range: number;
  /** Index of the mapping, or `NO_MAPPING`. */
  readonly mapping: number;
}

type SetOperation = 'sf_ranges_union' | 'sf_ranges_intersect' | 'sf_ranges_subtract';

export class RangesCore {
  constructor(readonly instance: CoreInstance) {}

  /** Sorts, drops empty ranges, joins what touches or overlaps. @throws CoreError RANGE_BACKWARD */
  normalise(ranges: Ranges): Ranges {
    pairs(ranges);
    return this.instance.run((core) => {
      const at = core.place(ranges);
      core.check(core.exports.sf_ranges_normalise(at, ranges.length / 2, core.scratch, core.error), DOING);
      return core.u64(at, 2 * (core.u32(core.scratch, 1)[0] ?? 0)).slice();
    });
  }

  /** @throws CoreError RANGE_ORDER, RANGE_BACKWARD (`record` counts through a, then b) */
  union(a: Ranges, b: Ranges): Ranges { return this.#combine('sf_ranges_union', a, b); }
  /** @throws CoreError RANGE_ORDER, RANGE_BACKWARD */
  intersect(a: Ranges, b: Ranges): Ranges { return this.#combine('sf_ranges_intersect', a, b); }
  /** What of `a` is not in `b`. @throws CoreError RANGE_ORDER, RANGE_BACKWARD */
  subtract(a: Ranges, b: Ranges): Ranges { return this.#combine('sf_ranges_subtract', a, b); }

  /** Cuts ranges at the borders of mappings; nothing is joined or dropped. @throws CoreError RANGE_ORDER, RANGE_BACKWARD */
  split(ranges: Ranges, mappings: Ranges): Piece[] {
    pairs(ranges);
    pairs(mappings);
    return this.instance.run((core) => {
      const n = ranges.length / 2;
      const m = mappings.length / 2;
      const [a, b] = [core.place(ranges), core.place(mappings)];
      const out = core.alloc((n + 2 * m) * 24);
      core.check(core.exports.sf_ranges_split(a, n, b, m, out, core.scratch, core.error), DOING);
      const count = core.u32(core.scratch, 1)[0] ?? 0;
      const wide = core.u64(out, count * 3);
      const words = core.u32(out, count * 6);
      return Array.from({ length: count }, (_, i) => ({
        start: wide[3 * i] ?? 0n, end: wide[3 * i + 1] ?? 0n, range: words[6 * i + 4] ?? 0, mapping: words[6 * i + 5] ?? 0,
      }));
    });
  }

  #combine(operation: SetOperation, a: Ranges, b: Ranges): Ranges {
    pairs(a);
    pairs(b);
    return this.instance.run((core) => {
      const [na, nb] = [a.length / 2, b.length / 2];
      const [at, bt] = [core.place(a), core.place(b)];
      const out = core.alloc((na + nb) * 16);
      const call: CoreExports[SetOperation] = core.exports[operation];
      core.check(call(at, na, bt, nb, out, core.scratch, core.error), DOING);
      return core.u64(out, 2 * (core.u32(core.scratch, 1)[0] ?? 0)).slice();
    });
  }
}

const DOING = 'compare address ranges';

function pairs(ranges: Ranges): void {
  if (ranges.length % 2 !== 0) throw new RangeError(`a list of ranges has a start and an end for each: ${ranges.length} numbers`);
}
