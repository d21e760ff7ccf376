/** Archives read in place: members and their places, names of every tar dialect, chains of sets inside, damage. */
import '../../src/core/node.ts';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cleanPath } from '../../src/image/source/tar.ts';
import { MemorySource, readAll } from '../../src/image/source/source.ts';
import { openArchive } from '../../src/image/source/store.ts';
import { StillframeError } from '../../src/errors.ts';

const podman = new Uint8Array(readFileSync('test/fixtures/podman-counter.tar.gz'));

const archives = suite('openArchive');

archives('finds the set of a Podman checkpoint and reads its members where they are', async () => {
  const archive = (await openArchive(new MemorySource('p.tar.gz', podman)))!;
  assert.equal(archive.sets, ['checkpoint']);
  const store = archive.store('checkpoint');
  assert.ok(store.files.includes('core-8.img'));
  assert.not(store.files.includes('config.dump'));
  const want = execFileSync('tar', ['xzOf', 'test/fixtures/podman-counter.tar.gz', 'checkpoint/pages-2.img']);
  assert.ok(want.equals(await readAll((await store.source('pages-2.img'))!, 1 << 20)));
  assert.is((await store.source('pages-2.img'))!.mtime?.getUTCFullYear(), 2026);
});

archives('long names, links and the parent link, in each format tar writes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sf-tar-'));
  try {
    const long = 'a-folder-of-a-name-that-is-long-'.repeat(5);
    mkdirSync(join(folder, long, 'young'), { recursive: true });
    mkdirSync(join(folder, long, 'old'));
    for (const set of ['young', 'old']) writeFileSync(join(folder, long, set, 'inventory.img'), set);
    writeFileSync(join(folder, long, 'young', 'pstree.img'), '');
    symlinkSync('../old', join(folder, long, 'young', 'parent'));
    for (const format of ['ustar', 'gnu', 'pax']) {
      if (format === 'ustar') execFileSync('tar', ['cf', 't.tar', '--format=ustar', `--transform=s,${long},short,`, long], { cwd: folder });
      else execFileSync('tar', ['cf', 't.tar', `--format=${format}`, long], { cwd: folder });
      const name = format === 'ustar' ? 'short' : long;
      const archive = (await openArchive(new MemorySource('t.tar', new Uint8Array(readFileSync(join(folder, 't.tar'))))))!;
      assert.equal(archive.sets, [`${name}/young`, `${name}/old`], format);
      const parent = await archive.store(`${name}/young`).parent();
      assert.ok(parent !== undefined && 'store' in parent, format);
      assert.is(Buffer.from(await readAll((await parent.store.source('inventory.img'))!, 100)).toString(), 'old');
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

archives('what is no archive is not taken for one, and damage is told with its place', async () => {
  assert.is(await openArchive(new MemorySource('x', new Uint8Array(4096))), undefined);
  const tar = execFileSync('gzip', ['-dc', 'test/fixtures/podman-counter.tar.gz'], { maxBuffer: 1 << 26 });
  const header = tar.indexOf('config.dump');
  tar.writeUInt8(tar.readUInt8(header + 150) ^ 1, header + 150);
  try {
    await openArchive(new MemorySource('d.tar', new Uint8Array(tar)));
    assert.unreachable();
  } catch (error) {
    assert.instance(error, StillframeError);
    assert.match((error as Error).message, /d\.tar, byte \d+: this is no header/);
  }
});

archives.run();

const paths = suite('cleanPath');

paths('never leaves the archive', () => {
  for (const [from, to] of [['./a/b', 'a/b'], ['/etc/passwd', 'etc/passwd'], ['../../x', 'x'], ['a/../../b', 'b'], ['a//./b/', 'a/b']] as const) assert.is(cleanPath(from), to);
});

paths.run();
