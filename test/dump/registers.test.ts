/** Registers of a stopped thread: how an interrupted call goes on, where extended state lies on each kind of processor, build ids. */
import { readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SYSCALLS } from '../../src/kernel/syscalls.ts';
import { lostComponents, restartSyscall, xstateLayout, type Registers } from '../../src/resources/registers/dump.ts';
import { originalCall } from '../../src/resources/registers/interrupted.ts';
import { buildId, buildIdWords } from '../../src/resources/regular/build-id.ts';

const ZERO = Object.fromEntries(['r15', 'r14', 'r13', 'r12', 'bp', 'bx', 'r11', 'r10', 'r9', 'r8', 'ax', 'cx', 'dx', 'si', 'di', 'orig_ax', 'ip', 'cs', 'flags', 'sp', 'ss',
  'fs_base', 'gs_base', 'ds', 'es', 'fs', 'gs'].map((name) => [name, 0n])) as Registers;
const minus = (n: bigint): bigint => BigInt.asUintN(64, -n);
const NO_CALL = minus(1n);

const original = suite('originalCall');
original('the number nearest before the instruction, of those that go on that way', () => {
  const mov = (nr: number): number[] => [0xb8, nr, 0, 0, 0];
  const SYSCALL = [0x0f, 0x05], NOPS = [0x90, 0x90];
  assert.is(originalCall(Uint8Array.from([...NOPS, ...mov(SYSCALLS.poll), ...SYSCALL])), SYSCALLS.poll);
  assert.is(originalCall(Uint8Array.from([...mov(SYSCALLS.poll), ...mov(SYSCALLS.futex), ...NOPS, ...SYSCALL])), SYSCALLS.futex);
  assert.is(originalCall(Uint8Array.from([...mov(SYSCALLS.read), ...SYSCALL])), undefined, 'another call');
  assert.is(originalCall(Uint8Array.from([...mov(SYSCALLS.poll), ...NOPS])), undefined, 'no system call');
  assert.is(originalCall(Uint8Array.from(SYSCALL)), undefined);
  assert.is(originalCall(new Uint8Array(0)), undefined);
});
original.run();

const restart = suite('restartSyscall');
const call = (name: keyof typeof SYSCALLS, error: bigint, more: Partial<Registers> = {}): Registers => ({ ...ZERO, ip: 0x1000n, orig_ax: BigInt(SYSCALLS[name]), ax: minus(error), ...more });
const AGAIN: readonly (readonly [string, Registers])[] = [
  ['read, ERESTARTSYS', call('read', 512n)], ['accept, ERESTARTNOINTR', call('accept', 513n)], ['pause, ERESTARTNOHAND', call('pause', 514n)],
  ['nanosleep in place', call('nanosleep', 516n, { di: 5n, si: 5n })], ['nanosleep without remainder', call('nanosleep', 516n, { di: 5n })],
  ['clock_nanosleep in place', call('clock_nanosleep', 516n, { dx: 5n, r10: 5n })], ['poll', call('poll', 516n)], ['futex', call('futex', 516n)],
];
for (const [name, regs] of AGAIN) {
  restart(`${name}: entered again`, () => {
    const now = restartSyscall(regs);
    assert.is(now.ax, regs.orig_ax);
    assert.is(now.ip, regs.ip - 2n);
    assert.equal({ ...now, ax: 0n, ip: 0n }, { ...regs, ax: 0n, ip: 0n }, 'nothing else changes');
  });
}
for (const [name, regs] of [['nanosleep with a remainder elsewhere', call('nanosleep', 516n, { di: 5n, si: 6n })], ['a call we do not know', call('keyctl', 516n)]] as const) {
  restart(`${name}: EINTR`, () => {
    assert.is(restartSyscall(regs).ax, minus(4n));
    assert.is(restartSyscall(regs).ip, regs.ip);
  });
}
for (const [name, regs] of [['not in a call', { ...ZERO, orig_ax: NO_CALL, ax: minus(512n) }], ['a call that returned', call('read', 4n)], ['a result', { ...ZERO, ax: 17n }]] as const) {
  restart(`${name}: left alone`, () => assert.equal(restartSyscall(regs), regs));
}
restart.run();

const layout = suite('xstateLayout');
const FEATURES = { avx: 0b111n, avx512: 0xe7n, pkru: 0x2e7n, narrow: 0x207n, amx: 0x602e7n };
const LAYOUTS: readonly (readonly [string, number, bigint, readonly [number, number, number]])[] = [
  ['Intel, AVX-512 and keys', 2696, FEATURES.pkru, [1088, 1152, 2688]], ['Intel, AVX-512', 2688, FEATURES.avx512, [1088, 1152, 2688]],
  ['Intel, AMX', 11008, FEATURES.amx, [1088, 1152, 2688]], ['AMD, AVX-512 and keys', 2440, FEATURES.pkru, [832, 896, 2432]],
  ['AMD, AVX-512', 2432, FEATURES.avx512, [832, 896, 2432]],
];
for (const [name, size, features, [opmask, zmm, pkru]] of LAYOUTS) {
  layout(name, () => {
    const at = xstateLayout(size, features);
    assert.equal([at.ymm, at.opmask, at.zmm, at.pkru], [576, opmask, zmm, pkru]);
  });
}
layout('AMD without AVX-512 has its keys right behind AVX', () => assert.is(xstateLayout(840, FEATURES.narrow).pkru, 832));
layout('Intel without AVX-512 has them where they always are', () => assert.is(xstateLayout(2696, FEATURES.narrow).pkru, 2688));
layout.run();

const lost = suite('lostComponents');
lost('AMX tiles in use', () => {
  const area = Buffer.alloc(11008);
  area.writeBigUInt64LE(1n << 18n | 7n, 512);
  assert.equal(lostComponents(area), ['AMX tiles']);
});
lost('nothing unusual', () => {
  const area = Buffer.alloc(2440);
  area.writeBigUInt64LE(0xe7n, 512);
  assert.equal(lostComponents(area), []);
});
lost.run();

const ids = suite('buildId');
const reader = (bytes: Buffer) => (offset: number, size: number): Buffer => bytes.subarray(offset, offset + size);
ids('is what readelf says', () => {
  const node = readFileSync('/bin/ls');
  const said = /Build ID: ([0-9a-f]+)/u.exec(execFileSync('readelf', ['-n', '/bin/ls'], { encoding: 'latin1' }))?.[1];
  const id = buildId(reader(node));
  assert.is(id?.toString('hex'), said);
  assert.is(buildIdWords(id!).length, Math.ceil(id!.length / 4));
  assert.is(buildIdWords(id!)[0], id!.readUInt32LE(0));
});
ids('no ELF file, a short one, a damaged one: none', () => {
  assert.is(buildId(reader(Buffer.from('#!/bin/sh\n'))), undefined);
  assert.is(buildId(reader(Buffer.alloc(0))), undefined);
  const ls = readFileSync('/bin/ls').subarray(0, 4096);
  for (let at = 0; at < 128; at++) {
    const damaged = Buffer.from(ls);
    damaged.writeUInt8(damaged.readUInt8(at) ^ 0xff, at);
    buildId(reader(damaged));
    buildId(reader(ls.subarray(0, at)));
  }
});
ids.run();
