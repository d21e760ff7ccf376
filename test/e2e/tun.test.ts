/** Descriptors of /dev/net/tun. The devices are the test's: whatever happens they are removed. */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TestProgram, compiled } from '../support/program.ts';
import { refusedDump } from '../support/refused.ts';
import { roundTrip } from '../support/round-trip.ts';
import { OURS, run } from '../support/tool.ts';

const clean = (pid: number): void => { execFileSync(compiled('tun'), ['clean', `sfu${pid}`, `sfa${pid}`]); };

async function cleanly(options: Parameters<typeof roundTrip>[1]): Promise<void> {
  const pids: number[] = [];
  try {
    // reading moves a position that means nothing and that nobody can set
    await roundTrip('tun', { ...options, mayDiffer: [/ fd 3$/], afterDump: ({ pid }) => { pids.push(pid); } });
  } finally {
    for (const pid of pids) clean(pid);
  }
}

/** Whether this machine has such devices, and we may make them. */
function available(): boolean {
  try {
    closeSync(openSync('/dev/net/tun', 'r+'));
    return true;
  } catch {
    return false;
  }
}

const tun = suite('tun files');
if (available()) {
  tun('dump and restore', async () => { await cleanly({}); });
  tun('dump with -R, then restore, twice', async () => { await cleanly({ leaveRunning: true, times: 2 }); });
  for (const [how, says] of [['mortal', /network device sfa\d+ goes when the program ends.*ip tuntap add/s], ['filter', /network device sfa\d+ has a filter \(TUNATTACHFILTER\)/]] as const) {
    tun(`refused, and nothing changed: ${how}`, async () => { await refusedDump('tun', [how], says, { lastly: ({ pid }) => { clean(pid); } }); });
  }
  tun('restore is refused where the device is gone', async () => {
    const program = new TestProgram('tun');
    try {
      await program.waitFor(/^ready$/m);
      mkdirSync(program.images);
      const dumped = await run(OURS, ['dump', '-t', String(program.pid), '-D', program.images]);
      assert.is(dumped.status, 0, dumped.output);
      clean(program.pid);
      const { status, output } = await run(OURS, ['restore', '-D', program.images, '-d']);
      assert.is(status, 1, output);
      assert.match(output, /There is no network device sfu\d+ here: make it first \(ip tuntap add dev sfu\d+ mode tun multi_queue\)/);
      assert.not.ok(existsSync(`/sys/class/net/sfu${program.pid}`));
    } finally {
      await program.stop();
      clean(program.pid);
    }
  });
}
tun.run();
