/** Interval and POSIX timers: ids, periods, what was left. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TestProgram } from '../support/program.ts';
import { roundTrip } from '../support/round-trip.ts';
import { OURS, dump, restore } from '../support/tool.ts';

const ROUNDS = Number(process.env['TICKS'] ?? 5);

const timers = suite('timers');
// a CPU clock and a periodic timer move by themselves
const mayDiffer = [/ (timers|thread \d+ ShdPnd|thread \d+ SigPnd)$/];
timers('dump and restore', async () => { await roundTrip('timers', { mayDiffer }); });
timers('dump with -R, then restore', async () => { await roundTrip('timers', { leaveRunning: true, mayDiffer }); });
for (const args of [['700'], ['700', 'periodic'], ['9000'], ['9000', 'periodic']]) {
  timers(`that fire while they are looked at: every ${args.join(' us, ')}`, async () => {
    const program = new TestProgram('ticks', { args });
    try {
      await program.waitFor(/^ready$/m);
      for (let round = 0; round < ROUNDS; round++) {
        const images = `${program.images}${round}`;
        await dump(OURS, program.pid, images);
        await program.gone();
        await restore(OURS, images);
        await program.ask('look'); // 0.2 s: many periods
        assert.not.match(program.output, /FAIL/, `round ${round}`);
      }
      await program.verdict();
    } finally {
      await program.stop();
    }
  });
}
timers.run();
