/** A restore without images: a process with a thread and a child, built from programs, with code to run afterwards. */
import * as assert from 'uvu/assert';
import { writeSync } from 'node:fs';
import { SYSCALLS } from '../../src/kernel/syscalls.ts';
import { Op, Program } from '../../src/program/program.ts';
import type { Helper } from '../../src/helper/client.ts';
import { REGS_SIZE, type Takeover } from '../../src/helper/protocol.ts';

export const ARENA = 0x6000_0000_0000n;
export const SIZE = 1n << 20n;
export const SHARED = 4096n; // after the executor
export const CODE = 0x1000_0000n;
export const CLONE_PARENT = 0x8000n;
const THREAD_FLAGS = 0x100n | 0x200n | 0x400n | 0x800n | 0x10000n | 0x40000n;
const SIGCHLD = 17;

// what the tasks do once they are taken over
const PAUSE = Buffer.from('b8220000000f05ebf7', 'hex'); // 1: pause(); goto 1
const EXIT_42 = Buffer.from('b8e7000000bf2a0000000f05', 'hex'); // exit_group(42)
const WAIT_AND_EXIT = Buffer.from( // wait4(-1, &status, 0, 0); exit_group(WEXITSTATUS(status) + 1)
  '4883ec20b83d00000048c7c7ffffffff488d74241031d24531d20f050fb67c241183c701b8e70000000f05', 'hex');

function registers(rip: bigint, rsp: bigint): Buffer {
  const regs = Buffer.alloc(REGS_SIZE);
  const set = (index: number, value: bigint): void => void regs.writeBigUInt64LE(BigInt.asUintN(64, value), index * 8);
  set(15, -1n); // orig_rax: in no system call
  set(16, rip);
  set(17, 0x33n);
  set(18, 0x202n);
  set(19, rsp);
  set(20, 0x2bn);
  return regs;
}

export interface Toy { readonly blocks: readonly bigint[]; readonly programs: readonly Program[]; readonly fd: number }

/** Blocks: root, its thread, child. Each is placed after the last; `spoil` makes the child's program fail. */
export function place(helper: Helper, { spoil = false }: { spoil?: boolean } = {}): Toy {
  const { fd, executorSize } = helper.arena(ARENA, SIZE);
  assert.is(executorSize, Number(SHARED));
  const root = new Program('task root').resource('memory');
  const thread = new Program('thread of root');
  const child = new Program('task child').resource('its cwd');
  const programs = [root, thread, child];
  const block = (i: number): bigint => ARENA + SHARED + 4096n + BigInt(i) * 65536n;
  const deferredBlock = (i: number): bigint => block(i);
  root.call('mmap', [CODE, 0x3000, 7, 0x100032, -1, 0], { expect: { equals: CODE } });
  [PAUSE, EXIT_42, WAIT_AND_EXIT].forEach((code, i) => root.control(Op.COPY, [CODE + BigInt(i) * 0x100n, root.data(code), code.length]));
  root.control(Op.SPAWN, [0, SIGCHLD, 0, 0, deferredBlock(2), 0]);
  root.control(Op.THREAD, [THREAD_FLAGS, 0, 0, 0, deferredBlock(1), 0]);
  for (const program of programs) {
    if (program === child && spoil) program.call('chdir', [program.cstring('/nowhere/at/all')]);
    program.barrier(0);
    program.park();
  }
  const shared = Buffer.alloc(528);
  shared.writeUInt32LE(programs.length, 16);
  writeSync(fd, shared, 0, shared.length, Number(SHARED));
  programs.forEach((program, i) => {
    const bytes = program.encode({ shared: ARENA + SHARED });
    writeSync(fd, bytes, 0, bytes.length, Number(block(i) - ARENA));
  });
  return { blocks: programs.map((_, i) => block(i)), programs, fd };
}

export const word = (helper: Helper, address: bigint, at: number): number => helper.peek(helper.pid, address, 72).readUInt32LE(at);

/** What each of the three is to become: the root waits for its child and ends with its code + 1, the child ends with 42, the thread pauses. */
export function becoming(helper: Helper, toy: Toy): Takeover[] {
  const [root, thread, child] = toy.blocks.map((block) => word(helper, block, 64));
  const unmap = { nr: SYSCALLS.munmap, args: [ARENA, SIZE] };
  const xstate = Buffer.alloc(helper.hello.xstateSize); // of exactly this size, or the kernel refuses it
  xstate.writeUInt16LE(0x37f, 0);
  xstate.writeUInt32LE(0x1f80, 24);
  return [
    { tid: thread!, calls: [], xstate, sigmask: 0n, regs: registers(CODE, CODE + 0x2000n) },
    { tid: root!, calls: [unmap], xstate, sigmask: 0x200n, regs: registers(CODE + 0x200n, CODE + 0x3000n) },
    { tid: child!, calls: [{ nr: SYSCALLS.getpid, args: [], expect: { equals: child! } }, unmap], xstate, sigmask: 0n, regs: registers(CODE + 0x100n, CODE + 0x3000n) },
  ];
}
