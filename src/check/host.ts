/**
 * Where a check tries things out: a helper of its own for each feature, so that whatever a probe opens, mounts, unshares or traces
 * is gone when it is over. Probes are task programs; a probe that fails throws, naming call and errno.
 */
import { Helper } from '../helper/client.ts';
import { StillframeError } from '../errors.ts';
import { ERRNO } from '../kernel/errno.ts';
import { MM, PTRACE, SIG, WAIT } from '../kernel/probes.ts';
import { Cond, Op, Program, RanBlock, type DataRef, type ResultRef } from '../program/program.ts';

/** A child started by a probe: its own program, seen by both sides. */
export interface Child {
  readonly pid: ResultRef;
  /** Waits for its end. */
  wait(): void;
  /** After the parent's program ran: throws when the child's failed. */
  check(ran: RanBlock): void;
}

export class Host {
  #helper: Helper | undefined;

  constructor(readonly feature: string) {}

  /** The helper's pid: where in /proc to look at what a probe made. */
  get pid(): number { return this.#started.pid; }

  get #started(): Helper { return this.#helper ??= Helper.start(); }

  /** Runs a probe in the helper. */
  run(build: (program: Program) => void): RanBlock {
    const program = new Program('this host');
    program.resource(this.feature);
    build(program);
    return this.#started.local(program).check('check');
  }

  close(): void { this.#helper?.close(); }
}

/** For a probe that ran and found that it is not so. */
export function missing(why: string): StillframeError {
  return new StillframeError({ doing: 'check', why });
}

/** Adds the steps that start a child on `child`. It ends with the helper at the latest. */
export function startChild(parent: Program, child: Program): Child {
  const bytes = child.encode();
  const shared = parent.call('mmap', [0, child.layout().size, MM.PROT_RW, MM.MAP_SHARED | MM.MAP_ANONYMOUS, -1, 0]);
  const image = parent.data(bytes, 16);
  parent.control(Op.COPY, [shared, image, bytes.length], { keep: false });
  const pid = parent.control(Op.SPAWN, [0, SIG.CHLD, 0, 0, shared, 0]);
  const size = child.layout().data + child.dataSize;
  return {
    pid,
    wait() {
      parent.call('wait4', [pid, 0, WAIT.WALL, 0]);
      parent.control(Op.COPY, [image, shared, size], { keep: false });
    },
    check(ran) { new RanBlock(child, ran.data(image)).check('check'); },
  };
}

/** Starts a child that runs `prepare`, stops, and is then held by ptrace for `steps`; ended afterwards. */
export function withTracee(host: Host, prepare: (child: Program) => void, steps: (parent: Program, pid: ResultRef) => void): RanBlock {
  const child = new Program('a test child');
  prepare(child);
  child.call('kill', [childPid(child), SIG.STOP]);
  child.call('pause');
  return host.run((program) => {
    const { pid } = startChild(program, child);
    const status = program.reserve(8);
    program.call('wait4', [pid, status, WAIT.WUNTRACED | WAIT.WALL, 0]);
    // 0x7f: it stopped, so its preparation went well; anything else: it has ended.
    program.control(Op.EXPECT, [program.load(status, 1), Cond.EQ, 0x7f, ERRNO.ECHILD], { keep: false, resource: 'preparation of the test child' });
    program.call('ptrace', [PTRACE.SEIZE, pid, 0, 0]);
    program.call('ptrace', [PTRACE.INTERRUPT, pid, 0, 0]);
    program.call('wait4', [pid, status, WAIT.WALL, 0]);
    steps(program, pid);
    program.call('kill', [pid, SIG.KILL]);
    program.call('wait4', [pid, 0, WAIT.WALL, 0]);
  });
}

function childPid(child: Program): ResultRef { return child.call('getpid'); }

/** A struct as bytes: `[width, value]` for each field. */
export function struct(...fields: readonly (readonly [1 | 2 | 4 | 8, number | bigint])[]): Buffer {
  return Buffer.concat(fields.map(([width, value]) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
    return bytes.subarray(0, width);
  }));
}

/** Address family, port and a loopback IPv4 address. */
export const LOOPBACK = struct([2, 2], [2, 0], [4, 0x0100007f], [8, 0]);

/** Places words of 4 bytes. */
export function words(program: Program, ...values: readonly number[]): DataRef {
  return program.data(struct(...values.map((value) => [4, value] as const)));
}
