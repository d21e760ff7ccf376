/** Registers of an image as ptrace takes them, on processors with different layouts. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { join } from 'node:path';
import { openSet } from '../../src/image/node/directory.ts';
import type { thread_info_x86 } from '../../src/image/schema/index.ts';
import { encodeExtendedState, encodeRegisters } from '../../src/resources/registers/restore.ts';
import { ASSUMED_XSTATE, layoutOf, missingFeatures, X } from '../../src/resources/registers/xstate.ts';
import { readSets } from '../../src/restore/sets.ts';
import { ROOT } from '../support/program.ts';

const set = openSet(join(ROOT, 'test/fixtures/counter'));
const info: thread_info_x86 = [...readSets(set, 'counter').tree.tasks.values()][0]!.core.thread_info!;
set.close();

const general = suite('encodeRegisters');

general('in the order of user_regs_struct, in no system call', () => {
  const bytes = encodeRegisters(info);
  assert.is(bytes.length, 27 * 8);
  assert.is(bytes.readBigUInt64LE(0), info.gpregs.r15);
  assert.is(bytes.readBigUInt64LE(16 * 8), info.gpregs.ip);
  assert.is(bytes.readBigUInt64LE(19 * 8), info.gpregs.sp);
  assert.is(bytes.readBigUInt64LE(21 * 8), info.gpregs.fs_base);
  assert.is(bytes.readBigInt64LE(15 * 8), -1n);
});

general('a raw interrupted call is made again; one with a restart block was interrupted', () => {
  const inCall = (result: bigint): Buffer => encodeRegisters({ ...info, gpregs: { ...info.gpregs, orig_ax: 34n, ax: BigInt.asUintN(64, result), ip: 1000n } });
  assert.equal([inCall(-514n).readBigInt64LE(80), inCall(-514n).readBigInt64LE(128)], [34n, 998n]);
  assert.equal([inCall(-516n).readBigInt64LE(80), inCall(-516n).readBigInt64LE(128)], [-4n, 1000n]);
  assert.equal([inCall(7n).readBigInt64LE(80), inCall(7n).readBigInt64LE(128)], [7n, 1000n]);
});

const extended = suite('encodeExtendedState');

extended('each component where the processor has it', () => {
  const xsave = { ...info.fpregs.xsave!, ymmh_space: [1], opmask_reg: [2n], zmm_upper: [3n], hi16_zmm: [4n], xstate_bv: 0xe6n };
  for (const [size, features, at] of [[2696, 0x2e7n, [576, 1088, 1152, 1664]], [2688, 0xe7n, [576, 1088, 1152, 1664]], [2432, 0xe7n, [576, 832, 896, 1408]], [2440, 0x2e7n, [576, 832, 896, 1408]]] as const) {
    const bytes = encodeExtendedState({ ...info, fpregs: { ...info.fpregs, xsave } }, layoutOf(size, features)!);
    assert.is(bytes.length, size);
    assert.equal(at.map((offset) => bytes.readUInt32LE(offset)), [1, 2, 3, 4], `area of ${size} bytes`);
    assert.is(bytes.readBigUInt64LE(512), 0xe6n);
    assert.is(bytes.readUInt32LE(24), info.fpregs.mxcsr);
  }
});

extended('sizes that are known, and one that is not', () => {
  assert.is(layoutOf(832, 0x7n)!.offsets.get(X.AVX), 576);
  assert.is(layoutOf(840, 0x207n)!.offsets.get(X.PKRU), 832);
  assert.is(layoutOf(11008, 0x602e7n)!.offsets.get(X.PKRU), 2688);
  assert.is(layoutOf(576, 3n)!.offsets.size, 0);
  assert.is(layoutOf(999, 0xe7n), undefined);
});

extended('what this processor lacks is told', () => {
  assert.is(missingFeatures(info.fpregs, ASSUMED_XSTATE), 0n);
  assert.is(missingFeatures(info.fpregs, layoutOf(832, 0x7n)!), 0xa0n);
});

general.run();
extended.run();
