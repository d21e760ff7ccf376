/** --file-validation: what of a program's file is recorded and compared. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSet } from '../../src/image/node/directory.ts';
import { readTree } from '../../src/image/tree-read.ts';
import { alive, compiled, until } from '../support/program.ts';
import { OURS, dump, restore, run } from '../support/tool.ts';

const validation = suite('--file-validation');

function buildIds(images: string): Map<string, number> {
  const set = openSet(images);
  try {
    return new Map([...readTree(set).files.values()].flatMap(({ reg }) => (reg === undefined ? [] : [[reg.name, reg.build_id.length] as const])));
  } finally {
    set.close();
  }
}

validation('build ids by default and when asked for, none with filesize; a changed build is refused by name', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sf-validation-'));
  const program = join(dir, 'program'), old = join(dir, 'old');
  copyFileSync(compiled('extras'), program);
  const child = spawn(program, [], { cwd: dir, detached: true, stdio: 'ignore' });
  const pid = child.pid!;
  try {
    await until('it runs', () => alive(pid));
    await new Promise((resolve) => setTimeout(resolve, 200));
    for (const [options, has] of [[['--file-validation', 'filesize'], false], [['--file-validation=buildid'], true], [[], true]] as const) {
      const images = join(dir, `img${options.join('')}`);
      await dump(OURS, pid, images, ['-R', ...options]);
      assert.is((buildIds(images).get(program) ?? 0) > 0, has, options.join(' '));
    }
    const images = join(dir, 'img'), filesize = join(dir, 'img--file-validationfilesize');
    process.kill(pid, 'SIGKILL');
    await until('it is gone', () => !existsSync(`/proc/${pid}`));
    // the same size, another build id: the note's last byte
    renameSync(program, old);
    const bytes = readFileSync(old);
    const at = bytes.indexOf(Buffer.from('GNU\0', 'latin1'), bytes.indexOf(Buffer.from([20, 0, 0, 0, 3, 0, 0, 0, 0x47, 0x4e, 0x55, 0])));
    assert.ok(at > 0, 'the compiler gives build ids');
    bytes[at + 23]! ^= 0xff;
    writeFileSync(program, bytes, { mode: 0o755 });
    const refused = await run(OURS, ['restore', '-d', '-D', images]);
    assert.is(refused.status, 1);
    assert.ok(refused.output.includes(`File ${program} has bad build-ID`), refused.output);
    for (const [set, options] of [[images, ['--file-validation', 'filesize']], [filesize, []]] as const) {
      await restore(OURS, set, options);
      assert.ok(alive(pid));
      process.kill(pid, 'SIGKILL');
      await until('it is gone', () => !alive(pid));
    }
  } finally {
    if (alive(pid)) process.kill(pid, 'SIGKILL');
    rmSync(dir, { recursive: true });
  }
});
validation.run();
