/** Interrupted system calls: each is continued, neither losing nor gaining time. */
import { suite } from 'uvu';
import { TestProgram } from '../support/program.ts';
import { roundTrip } from '../support/round-trip.ts';
import { OURS, dump, restore } from '../support/tool.ts';

const blocked = suite('blocked');
// threads whose time has come end while the rest is compared: only what the program itself says counts
const mayDiffer = [/./];
blocked('dump and restore', async () => { await roundTrip('blocked', { mayDiffer }); });
blocked('dump with -R, then restore', async () => { await roundTrip('blocked', { leaveRunning: true, mayDiffer }); });
blocked('three dumps with -R are not seen by it', async () => {
  const program = new TestProgram('blocked');
  let good = false;
  try {
    await program.waitFor(/^ready$/m);
    for (let i = 0; i < 3; i++) await dump(OURS, program.pid, `${program.images}${i}`, ['-R']);
    await program.verdict();
    good = true;
  } finally {
    await program.stop(!good);
  }
});
blocked('a dump of calls that go on after another, then restore', async () => {
  const program = new TestProgram('blocked');
  let good = false;
  try {
    await program.waitFor(/^ready$/m);
    await dump(OURS, program.pid, `${program.images}0`, ['-R']);
    await dump(OURS, program.pid, program.images);
    await program.gone();
    await restore(OURS, program.images);
    await program.verdict();
    good = true;
  } finally {
    await program.stop(!good);
  }
});
blocked.run();
