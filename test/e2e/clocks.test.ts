/** CLOCK_MONOTONIC and CLOCK_BOOTTIME go on from where they stood, whatever this machine's say; also of a tree that was restored before. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readlinkSync } from 'node:fs';
import { moveClocks } from '../support/clocks.ts';
import { roundTrip } from '../support/round-trip.ts';

const clocks = suite('clocks of a tree');

// who wakes up ends
const mayDiffer = [/./];
const ours = (): string => readlinkSync('/proc/self/ns/time');

clocks('dump and restore', async () => {
  await roundTrip('clocks', {
    afterDump: (_, images) => assert.equal(moveClocks(images, 0n), [0]),
    meanwhile: ({ pid }) => assert.is.not(readlinkSync(`/proc/${pid}/ns/time`), ours()),
  });
});

clocks('a set of long ago, or of a machine that ran for longer', async () => {
  await roundTrip('clocks', { mayDiffer, args: ['1000000'], afterDump: (_, images) => { moveClocks(images, 1_000_000n); } });
});

clocks('of a machine that was started later', async () => {
  const back = -(process.hrtime.bigint() / 1_000_000_000n);
  await roundTrip('clocks', { args: [String(back)], afterDump: (_, images) => { moveClocks(images, back); } });
});

clocks('again and again: each dump but the first is of a tree in a time namespace of its own', async () => {
  const ids: number[][] = [];
  await roundTrip('clocks', { mayDiffer, args: ['3000000'], times: 3, afterDump: (_, images) => { ids.push(moveClocks(images, 1_000_000n)); } });
  assert.equal(ids[0], [0]);
  assert.is.not(ids[1]![0], 0);
  assert.equal(ids[2], ids[1]);
});

clocks('with -R', async () => {
  await roundTrip('clocks', { mayDiffer, args: ['2000000'], times: 2, leaveRunning: true, afterDump: (_, images) => { moveClocks(images, 1_000_000n); } });
});

clocks.run();
