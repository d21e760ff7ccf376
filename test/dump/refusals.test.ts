/** What cannot be dumped is refused in one list of all reasons; the tree is not touched and the images directory stays empty. */
import { execFileSync, spawn } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dump } from '../../src/dump/dump.ts';
import { RefusedError, type ErrorParts } from '../../src/errors.ts';
import { SILENT } from '../../src/log.ts';
import { TestProgram } from '../support/program.ts';
import { differences, snapshot } from '../support/snapshot.ts';
import { filesIn, options, rejected, withDirectory } from './support.ts';

interface Row {
  /** Argument of test/programs/undumpable.c. */
  readonly what: string;
  readonly where: RegExp;
  readonly why: RegExp;
  readonly remedy?: RegExp;
}

const ROWS: readonly Row[] = [
  { what: 'vsock', where: /fd \d+ \(socket:\[\d+\]\)/u, why: /virtual machine \(AF_VSOCK\) sockets are not supported/u, remedy: /close/u },
  { what: 'alg', where: /fd \d+ \(socket:\[\d+\]\)/u, why: /kernel crypto \(AF_ALG\) sockets are not supported/u, remedy: /close/u },
  { what: 'xdp', where: /fd \d+ \(socket:\[\d+\]\)/u, why: /AF_XDP sockets are not supported/u, remedy: /close/u },
  { what: 'sysv', where: /mapping [0-9a-f]+-[0-9a-f]+ \/SYSV/u, why: /only a part of the System V shared memory segment/u, remedy: /shmdt/u },
  { what: 'ghost', where: /fd \d+ \(\/.*deleted\)/u, why: /more than --ghost-limit/u, remedy: /--ghost-limit 3145728/u },
  { what: 'replaced', where: /fd \d+ \(\/.*replaced \(deleted\)\)/u, why: /another file has its name/u },
  { what: 'renamed', where: /fd \d+ \(/u, why: /removed|another name/u },
  { what: 'namespace', where: /task \d+ \(undumpable\)/u, why: /other namespaces than the dump \(net\)/u },
  { what: 'children', where: /task \d+ \(undumpable\)/u, why: /its children will live in another time namespace/u },
  { what: 'clocks', where: /task \d+ \(undumpable\)/u, why: /another time namespace than task \d+/u },
  { what: 'queue', where: /task \d+ \(undumpable\)/u, why: /POSIX message queue \/sf-undumpable, which no task of it has open/u, remedy: /mq_unlink/u },
  { what: 'undo', where: /task \d+ \(undumpable\)/u, why: /operated on semaphore set \d+.*SEM_UNDO/u, remedy: /release/u },
  { what: 'mqueue', where: /fd \d+ \(\/sf-undumpable \(deleted\)\)/u, why: /messages wait in it/u, remedy: /received/u },
  { what: 'notify', where: /fd \d+ \(\/sf-undumpable/u, why: /mq_notify/u, remedy: /withdraw/u },
  { what: 'io_uring', where: /fd \d+ \(anon_inode:\[io_uring\]\)/u, why: /io_uring cannot be dumped/u, remedy: /UV_USE_IO_URING=0/u },
  { what: 'io_uring', where: /mapping [0-9a-f]+-[0-9a-f]+ anon_inode:\[io_uring\]/u, why: /io_uring cannot be dumped/u, remedy: /io_uring_disabled/u },
  { what: 'userfaultfd', where: /fd \d+ \(anon_inode:\[userfaultfd\]\)/u, why: /userfaultfd cannot be dumped/u, remedy: /close/u },
  { what: 'userfaultfd', where: /mapping [0-9a-f]+-[0-9a-f]+/u, why: /registered with a userfaultfd/u, remedy: /UFFDIO_UNREGISTER/u },
  { what: 'secret', where: /fd \d+ \(\/secretmem/u, why: /memfd_secret/u, remedy: /close/u },
  { what: 'secret', where: /mapping [0-9a-f]+-[0-9a-f]+ \/secretmem/u, why: /memfd_secret/u, remedy: /unmap/u },
  { what: 'perf', where: /fd \d+ \(anon_inode:\[perf_event\]\)/u, why: /perf_event_open/u, remedy: /close/u },
  { what: 'bpf', where: /fd \d+ \(anon_inode:bpf-map\)/u, why: /BPF maps/u, remedy: /close/u },
  { what: 'landlock', where: /task \d+ \(undumpable\)$/u, why: /confined by Landlock/u, remedy: /without its sandbox/u },
  { what: 'landlock-user', where: /task \d+ \(undumpable\)$/u, why: /confined by Landlock/u },
  { what: 'landlock-thread', where: /task \d+ \(undumpable\), thread \d+/u, why: /confined by Landlock/u },
  { what: 'device', where: /fd \d+ \(\/dev\/fuse\)/u, why: /this device is not supported/u, remedy: /close/u },
];

/** The reasons a dump is refused for. */
async function reasonsOf(program: TestProgram, more: Parameters<typeof options>[2] = {}): Promise<readonly ErrorParts[]> {
  return withDirectory(async (images) => {
    await program.settled();
    const before = snapshot(program.pid);
    const error = await rejected(dump(options(program.pid, images, more), SILENT));
    assert.instance(error, RefusedError, error.stack);
    assert.equal(filesIn(images), []);
    assert.equal(differences(before, snapshot(program.pid)), []);
    return (error as RefusedError).reasons;
  });
}

const refusals = suite('refused, unharmed');
for (const row of ROWS) {
  refusals(row.what, async () => {
    const program = new TestProgram('undumpable', { args: [row.what] });
    try {
      await program.waitFor(/^(?:ready|skip.*)$/mu);
      if (program.output.startsWith('skip')) return;
      const reasons = await reasonsOf(program);
      const found = reasons.find((r) => row.where.test(r.where ?? '') && row.why.test(r.why));
      assert.ok(found, JSON.stringify(reasons, null, 1));
      if (row.remedy !== undefined) assert.match(found!.remedy ?? '', row.remedy);
    } finally {
      const set = /^set (\d+)$/mu.exec(program.output)?.[1];
      await program.stop();
      if (set !== undefined) execFileSync('ipcrm', ['-s', set]);
    }
  });
}

refusals('all reasons at once', async () => {
  const program = new TestProgram('undumpable', { args: ['userfaultfd', 'ghost', 'io_uring', 'replaced'] });
  try {
    await program.waitFor(/^ready$/mu);
    const reasons = await reasonsOf(program);
    assert.ok(reasons.length >= 4, JSON.stringify(reasons));
  } finally {
    await program.stop();
  }
});

refusals('a session of somebody else, unless -j', async () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  try {
    await withDirectory(async (images) => {
      const error = await rejected(dump(options(child.pid!, images), SILENT));
      assert.match(error.message, /not a session leader/u);
      assert.match(error.message, /-j/u);
      const { tasks } = await dump(options(child.pid!, images, { shellJob: true }), SILENT);
      assert.is(tasks, 1);
    });
  } finally {
    child.kill('SIGKILL');
  }
});

refusals('a larger --ghost-limit takes the file', async () => {
  const program = new TestProgram('undumpable', { args: ['ghost'] });
  try {
    await program.waitFor(/^ready$/mu);
    await withDirectory(async (images) => {
      await dump(options(program.pid, images, { ghostLimit: 4n << 20n }), SILENT);
      assert.ok(filesIn(images).includes('ghost-file-1.img'));
    });
  } finally {
    await program.stop();
  }
});

refusals.run();
