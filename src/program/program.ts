/**
 * Task programs in TypeScript: building the steps of `helper/program.h`, encoding them to a block, reading a block back.
 * A program is data; nothing here talks to the helper. The builder remembers what each step is for, so that a failed step
 * can be told as: which task, which resource, which call, which errno, what to do.
 */
import { StillframeError } from '../errors.ts';
import { bytesOf } from '../image/text.ts';
import { SYSCALLS, syscallName, type SyscallName } from '../kernel/syscalls.ts';
import { errnoName } from '../kernel/errno.ts';
import { zeroed } from '../zeroed.ts';

export const BLOCK_MAGIC = 0x6b426653;
const BLOCK_HEADER = 72;
const STEP_SIZE = 80;
const NO_RESULT = 0xffffffff;
const DEFAULT_STACK = 16384;
const ASCII = /^[\x01-\x7f]*$/u;

export const Op = {
  SYSCALL: 1, SPAWN: 2, THREAD: 3, BARRIER: 4, STORE: 5, LOAD: 6, COPY: 7, JUMP: 8, FILL: 9, EXPECT: 10, PARK: 11, WRITE_OUT: 12, ADD: 13,
} as const;
export const Cond = { EQ: 0, NE: 1, LT: 2, LE: 3, GT: 4, GE: 5, ANY_BIT: 6, NO_BIT: 7 } as const;
export const State = { IDLE: 0, RUNNING: 1, DONE: 2, FAILED: 3, PARKED: 4, ABORTED: 5 } as const;
const Accept = { OK: 0, ANY: 1, EQ: 2, OR: 3 } as const;
const Kind = { IMM: 0, DATA: 1, RESULT: 2, BLOCK: 3, SELF: 4 } as const;

/** Bytes in the program's data area; `at(n)` points n bytes into them. */
export class DataRef {
  constructor(readonly offset: number, readonly size: number) {}
  at(n: number): DataRef {
    if (n < 0 || n > this.size) throw new RangeError(`offset ${n} in ${this.size} bytes of program data`);
    return new DataRef(this.offset + n, this.size - n);
  }
}

/** The stored result of an earlier step. */
export class ResultRef {
  constructor(readonly index: number) {}
}

/** The address of a stored result, and of those behind it: for steps that copy them. */
export class ResultAddress {
  constructor(readonly index: number) {}
}

/** A value that is known only when the program is encoded: a descriptor number in the helper, an address in the arena. */
export class Deferred {
  constructor(readonly label: string, readonly value: () => bigint | number) {}
}

export const SELF_PID = Symbol('getpid()');
export const SELF_TID = Symbol('gettid()');

export type Arg = number | bigint | DataRef | ResultRef | ResultAddress | Deferred | typeof SELF_PID | typeof SELF_TID;

/** Which results are a success (default: anything that is not -errno). */
export type Expect = 'any' | { equals: number | bigint } | { orErrno: number };

export interface StepOptions {
  /** The resource being handled: `fd 5 (regular /etc/hosts)`. Defaults to the builder's current `resource`. */
  readonly resource?: string;
  readonly expect?: Expect;
  /** Keep the result for later steps and for the reader (implied by using the returned reference). */
  readonly keep?: boolean;
  /** What a person can do about an errno: `{ EADDRINUSE: "..." }`; the key `*` serves every other one. */
  readonly remedy?: Readonly<Record<string, string>>;
}

export interface StepInfo {
  readonly op: number;
  readonly nr: number;
  readonly args: readonly Arg[];
  readonly resource: string;
  readonly expect: Expect | undefined;
  readonly remedy: Readonly<Record<string, string>> | undefined;
  readonly result: number;
}

export class Program {
  readonly steps: StepInfo[] = [];
  #chunks: { offset: number; bytes: Uint8Array | (() => Uint8Array) }[] = [];
  #dataSize = 0;
  #results = 0;
  #resource = '';
  #strings = new Map<string, DataRef>();
  #texts = new Map<number, string>();
  /** Steps that run more than once: what a step is about says the row at which it is (repeat.ts). */
  readonly repeated: { readonly from: number; readonly to: number; readonly row: DataRef; readonly resources: readonly string[] }[] = [];

  /** @param subject who runs it, as a person reads it: `task 1597`, `thread 1600 of task 1597`, `helper` */
  constructor(readonly subject: string) {}

  /** Names what the following steps are about. */
  resource(name: string): this {
    this.#resource = name;
    return this;
  }

  get resultCount(): number { return this.#results; }
  get dataSize(): number { return this.#dataSize; }

  /** Places bytes into the data area. */
  data(bytes: Uint8Array, align = 8): DataRef {
    const ref = this.reserve(bytes.length, align);
    if (bytes.length > 0) this.#chunks.push({ offset: ref.offset, bytes });
    return ref;
  }

  /** Bytes that are known only when the program is encoded. */
  lateData(size: number, bytes: () => Uint8Array): DataRef {
    const ref = this.reserve(size);
    this.#chunks.push({ offset: ref.offset, bytes });
    return ref;
  }

  /** Reserves zeroed bytes for the kernel or a step to fill. */
  reserve(size: number, align = 8): DataRef {
    const offset = Math.ceil(this.#dataSize / align) * align;
    this.#dataSize = offset + size;
    return new DataRef(offset, size);
  }

  /** What lies in the data area from one offset to another, as it is before the program runs. */
  initial(from: number, to: number): Buffer {
    const bytes = Buffer.alloc(to - from);
    for (const { offset, bytes: part } of this.#chunks) if (offset >= from && offset < to) bytes.set(typeof part === 'function' ? part() : part, offset - from);
    return bytes;
  }

  /** A NUL-terminated string (bytes are kept as they are: a path need not be UTF-8). The same string is stored once. */
  cstring(text: string | Uint8Array): DataRef {
    if (typeof text === 'string' && ASCII.test(text)) return this.#strings.get(text) ?? this.#string(text, Buffer.from(`${text}\0`, 'latin1'));
    const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : Buffer.from(text);
    if (bytes.includes(0)) throw new RangeError(`a string with a NUL byte cannot be passed to the kernel: ${JSON.stringify(bytes.toString('latin1'))}`);
    const key = bytes.toString('latin1');
    return this.#strings.get(key) ?? this.#string(key, Buffer.concat([bytes, Buffer.alloc(1)]));
  }

  #string(key: string, bytes: Buffer): DataRef {
    const ref = this.data(bytes, 1);
    this.#strings.set(key, ref);
    this.#texts.set(ref.offset, key);
    return ref;
  }

  /** The same of a string of an image. */
  path(text: string): DataRef {
    return this.cstring(ASCII.test(text) ? text : bytesOf(text));
  }

  /** The string that was placed at a reference, quoted; undefined when it is not a string. */
  textAt(ref: DataRef): string | undefined {
    const text = this.#texts.get(ref.offset);
    return text === undefined ? undefined : JSON.stringify(text);
  }

  /** A system call step. Returns the reference to its result. */
  call(name: SyscallName, args: readonly Arg[] = [], options: StepOptions = {}): ResultRef {
    if (args.length > 6) throw new RangeError(`${name}: a system call has at most 6 arguments`);
    return this.#step(Op.SYSCALL, SYSCALLS[name], args, options);
  }

  /** A control step (see `enum sf_op`). */
  control(op: number, args: readonly Arg[], options: StepOptions = {}): ResultRef {
    return this.#step(op, 0, args, options);
  }

  /** Writes `value` (1, 2, 4 or 8 bytes wide) into the data area before later steps use it. */
  store(at: DataRef, value: Arg, width: 1 | 2 | 4 | 8 = 8): void {
    this.#step(Op.STORE, 0, [at, value, width], { keep: false });
  }

  load(address: Arg, width: 1 | 2 | 4 | 8): ResultRef {
    return this.#step(Op.LOAD, 0, [address, width], {});
  }

  /** The sum of two values, wrapping at 64 bits. */
  add(a: Arg, b: Arg): ResultRef {
    return this.#step(Op.ADD, 0, [a, b], { expect: 'any' });
  }

  /** Jumps to the step with index `to()` (asked at encoding) when `a cond b`. */
  jump(a: Arg, cond: number, b: Arg, to: () => number): void {
    this.#step(Op.JUMP, 0, [a, cond, b, new Deferred('step', to)], { keep: false });
  }

  barrier(index: number): void {
    this.#step(Op.BARRIER, 0, [index], { keep: false });
  }

  park(): void {
    this.#step(Op.PARK, 0, [], { keep: false });
  }

  /** Index of the next step: a jump target. */
  get here(): number { return this.steps.length; }

  #step(op: number, nr: number, args: readonly Arg[], options: StepOptions): ResultRef {
    const result = options.keep === false ? NO_RESULT : this.#results++;
    this.steps.push({ op, nr, args, resource: options.resource ?? this.#resource, expect: options.expect, remedy: options.remedy, result });
    return new ResultRef(result);
  }

  /** Where the parts lie in an encoded block, and how large it is. Multiple of 16. */
  layout(stackSize = DEFAULT_STACK): { results: number; steps: number; data: number; stackTop: number; size: number } {
    const results = BLOCK_HEADER;
    const steps = results + this.#results * 8;
    const data = align16(steps + this.steps.length * STEP_SIZE);
    const stackTop = align16(data + this.#dataSize) + align16(stackSize);
    return { results, steps, data, stackTop, size: stackTop };
  }

  /**
   * The block's bytes without its stack, which is made of zeros where it runs.
   * @param shared address of `struct sf_shared` in the task, or 0n
   */
  encode({ shared = 0n, stackSize = DEFAULT_STACK }: { shared?: bigint; stackSize?: number } = {}): Buffer {
    const at = this.layout(stackSize);
    const block = zeroed(at.data + this.#dataSize);
    const header = [BLOCK_MAGIC, at.size, at.results, this.#results, at.steps, this.steps.length, at.data, this.#dataSize, at.stackTop, 0];
    header.forEach((word, i) => block.writeUInt32LE(word, i * 4));
    block.writeBigUInt64LE(shared, 40);
    const view = new DataView(block.buffer, block.byteOffset, block.length);
    for (let i = 0; i < this.steps.length; i++) encodeStep(view, at.steps + i * STEP_SIZE, this.steps[i]!, i);
    for (const { offset, bytes } of this.#chunks) block.set(typeof bytes === 'function' ? bytes() : bytes, at.data + offset);
    return block;
  }

  /** Tells a failed step as a person needs it. `result` is what the step returned. @param ran tells of a repeated step for what it was run */
  failure(doing: string, index: number, result: bigint, ran?: RanBlock): StillframeError {
    const step = this.steps[index];
    if (step === undefined) {
      return new StillframeError({ doing, where: this.subject, why: `step ${index} of ${this.steps.length} failed with ${result}` });
    }
    const errno = result < 0n && result >= -4095n ? errnoName(Number(-result)) : undefined;
    const got = errno ?? `returned ${result}${typeof step.expect === 'object' && 'equals' in step.expect ? `, expected ${step.expect.equals}` : ''}`;
    const repeated = ran === undefined ? undefined : this.repeated.find(({ from, to }) => index >= from && index < to);
    const resource = repeated?.resources[ran!.data(repeated.row).readUInt32LE(0)] ?? step.resource;
    return new StillframeError({
      doing,
      where: resource === '' ? this.subject : `${this.subject}, ${resource}`,
      why: `${describeStep(this, step)}: ${got}`,
      remedy: (errno === undefined ? undefined : step.remedy?.[errno]) ?? step.remedy?.['*'],
    });
  }
}

const align16 = (n: number): number => Math.ceil(n / 16) * 16;

const HIGH_WORD = 2 ** 32;

/** Two words of an integer that a double holds exactly; negative ones in two's complement. */
function setNumber(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / HIGH_WORD) >>> 0, true);
}

/** A plan has tens of thousands of steps: no BigInt where a number does, no copies. The block starts as zeros. */
function encodeStep(view: DataView, at: number, step: StepInfo, id: number): void {
  view.setUint16(at, step.op, true);
  if (step.expect !== undefined) encodeExpect(view, at, step.expect);
  view.setUint32(at + 4, id, true);
  view.setUint32(at + 8, step.nr, true);
  const { args } = step;
  let kinds = 0;
  for (let i = 0; i < args.length; i++) kinds |= encodeArg(view, at + 32 + 8 * i, args[i]!) << (4 * i);
  view.setUint32(at + 12, kinds, true);
  view.setUint32(at + 16, step.result, true);
}

function encodeExpect(view: DataView, at: number, expect: Expect): void {
  if (expect === 'any') {
    view.setUint16(at + 2, Accept.ANY, true);
    return;
  }
  const equal = 'equals' in expect;
  view.setUint16(at + 2, equal ? Accept.EQ : Accept.OR, true);
  setInteger(view, at + 24, equal ? expect.equals : expect.orErrno);
}

/** `accept` (enum sf_accept) and `expect` of a step or a remote call. */
export function acceptance(expect: Expect | undefined): readonly [number, bigint] {
  if (expect === undefined) return [Accept.OK, 0n];
  if (expect === 'any') return [Accept.ANY, 0n];
  if ('equals' in expect) return [Accept.EQ, BigInt.asIntN(64, BigInt(expect.equals))];
  return [Accept.OR, BigInt(expect.orErrno)];
}

function setInteger(view: DataView, at: number, value: number | bigint): void {
  if (typeof value === 'bigint') view.setBigInt64(at, value, true);
  else setNumber(view, at, value);
}

/** Writes the value; returns what it means. */
function encodeArg(view: DataView, at: number, arg: Arg): number {
  if (typeof arg === 'number') {
    setNumber(view, at, arg);
    return Kind.IMM;
  }
  if (typeof arg === 'bigint') {
    view.setBigInt64(at, arg, true);
    return Kind.IMM;
  }
  if (arg === SELF_PID) return Kind.SELF;
  if (arg === SELF_TID) {
    setNumber(view, at, 1);
    return Kind.SELF;
  }
  if (arg instanceof DataRef) {
    setNumber(view, at, arg.offset);
    return Kind.DATA;
  }
  if (arg instanceof ResultRef) {
    if (arg.index === NO_RESULT) throw new RangeError('the result of a step that keeps none is used');
    setNumber(view, at, arg.index);
    return Kind.RESULT;
  }
  if (arg instanceof Deferred) {
    setInteger(view, at, arg.value());
    return Kind.IMM;
  }
  if (arg instanceof ResultAddress) {
    setNumber(view, at, BLOCK_HEADER + arg.index * 8);
    return Kind.BLOCK;
  }
  throw new TypeError('not a step argument');
}

const OP_NAMES = new Map<number, string>(Object.entries(Op).map(([name, op]) => [op, name.toLowerCase()]));

/** `openat(-100, "/etc/hosts", 0x8000, 0)`: a step as one readable line. */
export function describeStep(program: Program, step: StepInfo): string {
  const name = step.op === Op.SYSCALL ? syscallName(step.nr) : OP_NAMES.get(step.op) ?? `op ${step.op}`;
  return `${name}(${step.args.map((arg) => describeArg(program, arg)).join(', ')})`;
}

function describeArg(program: Program, arg: Arg): string {
  if (typeof arg === 'number') return Number.isInteger(arg) && Math.abs(arg) > 4096 ? `0x${(arg >>> 0).toString(16)}` : String(arg);
  if (typeof arg === 'bigint') return arg > 4096n ? `0x${arg.toString(16)}` : String(arg);
  if (arg === SELF_PID) return 'getpid()';
  if (arg === SELF_TID) return 'gettid()';
  if (arg instanceof DataRef) return program.textAt(arg) ?? `data+${arg.offset}`;
  if (arg instanceof ResultRef) return `result ${arg.index}`;
  if (arg instanceof ResultAddress) return `&result ${arg.index}`;
  if (arg instanceof Deferred) return `<${arg.label}>`;
  return '?';
}

/** A block after it ran. */
export class RanBlock {
  constructor(readonly program: Program, readonly bytes: Buffer) {
    if (bytes.length < BLOCK_HEADER || bytes.readUInt32LE(0) !== BLOCK_MAGIC) throw new RangeError('not a program block');
  }
  get state(): number { return this.bytes.readUInt32LE(48); }
  get at(): number { return this.bytes.readUInt32LE(52); }
  get failedWith(): bigint { return this.bytes.readBigInt64LE(56); }

  /** Throws the failed step's error; does nothing when the program ran to its end. */
  check(doing: string): this {
    if (this.state === State.FAILED) throw this.program.failure(doing, this.at, this.failedWith, this);
    if (this.state !== State.DONE) {
      throw new StillframeError({ doing, where: this.program.subject, why: `its program stopped in state ${this.state} at step ${this.at}` });
    }
    return this;
  }

  result(ref: ResultRef): bigint {
    return this.bytes.readBigInt64LE(this.bytes.readUInt32LE(8) + ref.index * 8);
  }

  /** The bytes of a data reference, as the kernel left them (a view). */
  data(ref: DataRef, size = ref.size): Buffer {
    const start = this.bytes.readUInt32LE(24) + ref.offset;
    return this.bytes.subarray(start, start + size);
  }
}
