/** Opening sets: folders, archives, chains; what is damaged is a finding and the rest is there. */
import '../../src/core/node.ts';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { open } from '../../src/inspect/open.ts';
import { openPath } from '../../src/inspect/node/open.ts';
import { StillframeError } from '../../src/errors.ts';
import { chainOf } from '../support/chain.ts';

const FAMILY = 'test/fixtures/family';

async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, StillframeError);
    return (error as Error).message;
  }
  return assert.unreachable() as never;
}

const opening = suite('open');

opening('reads every fixture without a finding, from a folder as from memory', async () => {
  for (const name of ['counter', 'family', 'tcp']) {
    const set = await openPath(`test/fixtures/${name}`);
    assert.equal(set.loaded.findings, []);
    const files = new Map(readdirSync(`test/fixtures/${name}`, { withFileTypes: true }).filter((entry) => entry.isFile())
      .map((entry) => [entry.name, new Uint8Array(readFileSync(`test/fixtures/${name}/${entry.name}`))]));
    const memory = await open(files);
    assert.equal([...memory.tree.tasks.keys()], [...set.tree.tasks.keys()]);
    assert.is(memory.tree.files.size, set.tree.files.size);
    await set.close();
  }
});

opening('an archive opens by path, and one of its folders by name', async () => {
  const set = await openPath('test/fixtures/podman-counter.tar.gz:checkpoint');
  assert.equal([...set.tree.tasks.keys()], [1, 8]);
  assert.match(await refusal(openPath('test/fixtures/podman-counter.tar.gz', { set: 'nowhere' })), /no image set in its folder 'nowhere'\. It has sets in: checkpoint/);
  await set.close();
});

opening('a damaged file is a finding with its place; the rest is there', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sf-open-'));
  try {
    cpSync(FAMILY, folder, { recursive: true });
    const mm = readFileSync(join(FAMILY, 'mm-14602.img'));
    unlinkSync(join(folder, 'mm-14602.img'));
    writeFileSync(join(folder, 'mm-14602.img'), mm.subarray(0, 100));
    const set = await openPath(folder);
    assert.equal(set.loaded.findings.map(({ rule, file }) => [rule, file]), [['structure/decode', 'mm-14602.img']]);
    assert.is(set.tree.tasks.size, 4);
    assert.is(set.tree.tasks.get(14602)?.mm, undefined);
    await set.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

opening('parent links that lead nowhere or form a loop are findings', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sf-open-'));
  try {
    cpSync('test/fixtures/counter', join(folder, 'a'), { recursive: true });
    symlinkSync('../gone', join(folder, 'a', 'parent'));
    assert.is((await openPath(join(folder, 'a'))).parentFinding?.rule, 'chain/parent');
    unlinkSync(join(folder, 'a', 'parent'));
    symlinkSync('.', join(folder, 'a', 'parent'));
    const set = await openPath(join(folder, 'a'));
    assert.is(set.chain.at(-1)?.parentFinding?.rule, 'chain/loop');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

opening('what is no set says what to name instead', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sf-open-'));
  try {
    assert.match(await refusal(openPath(folder)), 'it is empty. Name the folder');
    writeFileSync(join(folder, 'x'), 'hello');
    assert.match(await refusal(openPath(folder)), 'there are no images in it');
    assert.match(await refusal(openPath(join(folder, 'x'))), 'neither a folder of images nor an archive');
    assert.match(await refusal(openPath(join(folder, 'y'))), 'there is no such file or folder');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

opening.run();

const memory = suite('AddressSpace');

memory('follows pages through a chain, newest first', async () => {
  const set = await chainOf(
    { pages: { 0x1000: 1, 0x2000: 1, 0x3000: 1 } },
    { pages: { 0x2000: 2 }, parent: [0x1000, 0x3000] },
    { pages: { 0x3000: 3 }, parent: [0x1000, 0x2000] },
  );
  const space = set.memory(5);
  assert.equal([...space.runs()].map((run) => [run.start, run.link, run.state]), [[0x1000n, 2, 'stored'], [0x2000n, 1, 'stored'], [0x3000n, 0, 'stored']]);
  const { bytes, known } = await space.read(0x1ff0n, 0x1020);
  assert.equal([bytes[0], bytes[0x10], bytes[0x1010]], [1, 2, 3]);
  assert.ok(known.every((one) => one === 1));
});

memory('anonymous memory without a page is zero, pages a parent lacks are missing', async () => {
  const set = await chainOf({ pages: { 0x1000: 1 } }, { pages: {}, parent: [0x1000, 0x2000] });
  const space = set.memory(5);
  assert.equal([...space.runs()].map((run) => [run.start, run.state]), [[0x1000n, 'stored'], [0x2000n, 'missing']]);
  const { bytes, known } = await space.read(0x1fffn, 0x1002);
  assert.equal([known[0], known[1], known[0x1001]], [1, 0, 1]);
  assert.is(bytes[0x1001], 0);
});

memory('shared memory is read where the task has it mapped', async () => {
  const set = await openPath(FAMILY);
  const space = set.memory(14596);
  const shared = space.mappings.find((mapping) => mapping.kind === 'memfd')!;
  assert.is(shared.name, '/dev/zero');
  assert.ok([...space.runs(shared.start, shared.end)].length > 0);
  await set.close();
});

memory.run();
