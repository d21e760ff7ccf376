/** What reading and writing need to know of a message, computed from its description once, at first use. */
import type { Cardinality, Desc, Field } from './schema/define.ts';

/** A message that does not fit its description. `path` is the field, `sk.opts.so_mark`. */
export class WireError extends Error {
  constructor(readonly path: string, readonly why: string) {
    super(path === '' ? why : `field ${path}: ${why}`);
    this.name = 'WireError';
  }
  /** The same error, seen from the message that holds the field `name`. */
  inside(name: string): WireError {
    return new WireError(this.path === '' ? name : `${name}.${this.path}`, this.why);
  }
}

/** Types on the wire. */
export const Wire = { VARINT: 0, I64: 1, LEN: 2, I32: 5 } as const;

/** Nesting deeper than this is not an image (the deepest real one, a cgroup tree, is bounded by the kernel's own limits). */
export const MAX_DEPTH = 100;

export interface FieldPlan {
  readonly name: string;
  readonly no: number;
  readonly type: Field<unknown, Cardinality>['type'];
  readonly wire: number;
  /** Field number and wire type, as the number before the value. */
  readonly tag: number;
  readonly repeated: boolean;
  readonly required: boolean;
  /** A value from 0 to 127 is two bytes: the tag and itself. */
  readonly small: boolean;
  /** Its place among the fields. */
  readonly place: number;
  /** Of a required field: its bit in `Plan.complete`. */
  readonly bit: number;
  readonly message: (() => Desc<object>) | undefined;
}

export interface Plan {
  readonly name: string;
  /** In the order of their numbers. */
  readonly fields: readonly FieldPlan[];
  readonly byNumber: ReadonlyMap<number, FieldPlan>;
  readonly repeated: readonly string[];
  readonly required: readonly string[];
  /** The bits of all required fields; 0 when there are more than bits. */
  readonly complete: number;
  /**
   * Makes an empty message: a plain object. Each kind of message has a function of its own, so that the engine learns how much room its
   * objects need: they do not grow field by field.
   */
  readonly make: () => Record<string, unknown>;
}

const BITS = 30;
const SMALL: ReadonlySet<FieldPlan['type']> = new Set(['uint32', 'int32', 'enum']);

const plans = new WeakMap<object, Plan>();

export function planOf(desc: Desc<object>): Plan {
  let plan = plans.get(desc);
  if (plan === undefined) plans.set(desc, plan = makePlan(desc));
  return plan;
}

function makePlan(desc: Desc<object>): Plan {
  const fields = Object.entries(desc.fields).map(([name, field]): FieldPlan => {
    const wire = wireOf(field.type);
    return {
      name, no: field.no, type: field.type, wire, tag: (field.no << 3 | wire) >>> 0, repeated: field.card === 'rep',
      required: field.card === 'req', small: SMALL.has(field.type) && field.no < 16, place: 0, bit: 0, message: field.message,
    };
  }).sort((a, b) => a.no - b.no).map((field, place) => ({ ...field, place }));
  const required = fields.filter((field) => field.required);
  const few = required.length <= BITS;
  if (few) required.forEach((field, i) => { fields[field.place] = { ...field, bit: 1 << i }; });
  return {
    name: desc.name, fields, byNumber: new Map(fields.map((field) => [field.no, field])),
    repeated: fields.filter((field) => field.repeated).map((field) => field.name),
    required: required.map((field) => field.name), complete: few ? 2 ** required.length - 1 : 0, make: maker(),
  };
}

function maker(): () => Record<string, unknown> {
  const Shape = function (): void { /* empty */ } as unknown as new () => Record<string, unknown>;
  Shape.prototype = Object.prototype;
  return () => new Shape();
}

function wireOf(type: FieldPlan['type']): number {
  if (type === 'string' || type === 'bytes' || type === 'message') return Wire.LEN;
  if (type === 'fixed32') return Wire.I32;
  return type === 'fixed64' ? Wire.I64 : Wire.VARINT;
}
