/** Image files: every file of real sets goes through decode and encode unchanged; damaged ones are refused, clearly. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../../src/core/node.ts';
import { StillframeError } from '../../src/errors.ts';
import { decodeImage, encodeImage, sourceOf } from '../../src/image/codec.ts';
import { fileName, kindNamed, kindOfFile, KINDS } from '../../src/image/kinds.ts';
import { payload } from '../../src/image/payload.ts';
import { openSet } from '../../src/image/node/directory.ts';

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
const sets = ['counter', 'family', 'tcp'];
const files = sets.flatMap((set) => openSet(join(fixtures, set)).names().map((name) => [set, name] as const));

const identity = suite('decodeImage and encodeImage');
for (const [set, name] of files) {
  const kind = kindOfFile(name)?.kind;
  if (kind?.framing === 'raw') continue;
  identity(`${set}/${name} comes back byte for byte`, () => {
    assert.ok(kind, 'a kind for its name');
    const bytes = new Uint8Array(readFileSync(join(fixtures, set, name)));
    const image = decodeImage(sourceOf(bytes, name), kind);
    assert.ok(Buffer.from(encodeImage(name, kind!, image.entries, image.header)).equals(bytes));
  });
}
identity('there was something to compare', () => assert.ok(files.length > 60));

/** Kinds with payloads that the fixtures have no file of: written, read, written again. */
const constructed: [string, Parameters<typeof encodeImage>[2]][] = [
  ['IPCNS_SHM', [
    { message: { desc: ipcDesc(), size: 5n }, payload: payload(Buffer.from('12345')) },
    { message: { desc: ipcDesc(), size: 8192n, in_pagemaps: true }, payload: payload(new Uint8Array(0)) },
    { message: { desc: ipcDesc(), size: 8n }, payload: payload(Buffer.from('abcdefgh')) },
  ]],
  ['IPCNS_SEM', [{ message: { desc: ipcDesc(), nsems: 3 }, payload: payload(Buffer.from('010002000300', 'hex')) }]],
  ['IPCNS_MSG', [
    { message: { desc: ipcDesc(), qbytes: 100, qnum: 2 }, inner: [
      { message: { mtype: 1n, msize: 3 }, payload: payload(Buffer.from('abc')) },
      { message: { mtype: 2n, msize: 8 }, payload: payload(Buffer.from('12345678')) },
    ] },
    { message: { desc: ipcDesc(), qbytes: 100, qnum: 0 }, inner: [] },
  ]],
  ['GHOST_FILE', [
    { message: { uid: 0, gid: 0, mode: 0o100644, chunks: true, size: 9000n } },
    { message: { len: 2n, off: 0n }, payload: payload(Buffer.from('hi')) },
    { message: { len: 3n, off: 8192n }, payload: payload(Buffer.from('ho!')) },
  ]],
  ['BPFMAP_DATA', [{ message: { map_id: 1, keys_bytes: 4, values_bytes: 2, count: 1 }, payload: payload(Buffer.from('kkkkvv')) }]],
];
function ipcDesc(): object {
  return { key: 1, uid: 0, gid: 0, cuid: 0, cgid: 0, mode: 0o600, id: 7 };
}
for (const [name, entries] of constructed) {
  identity(`${name}: payloads are found and written back`, () => {
    const kind = kindNamed(name)!;
    const bytes = encodeImage(name, kind, entries);
    const image = decodeImage(sourceOf(bytes, name), kind);
    assert.is(image.entries.length, entries.length);
    const flat = (list: typeof entries): (string | undefined)[] => list.flatMap((e) => [e.payload && Buffer.from(e.payload.bytes()).toString(), ...flat([...e.inner ?? []])]);
    assert.equal(flat(image.entries).filter(Boolean), flat(entries).filter(Boolean));
    assert.ok(Buffer.from(encodeImage(name, kind, image.entries)).equals(bytes));
  });
}

identity('a payload that is not as long as its message says is not written', () => {
  const entries = [{ message: { pipe_id: 1, bytes: 4 }, payload: payload(Buffer.from('123')) }];
  assert.throws(() => encodeImage('pipes-data.img', kindNamed('PIPES_DATA')!, entries), /pipes-data.img, record 0: its message announces 4, its payload has 3 bytes/);
});
identity.run();

/** Decodes; what it throws must be an error for a person. Returns its text, or undefined. */
function refusal(bytes: Uint8Array, name: string): string | undefined {
  try {
    for (const entry of decodeImage(sourceOf(bytes, name), kindOfFile(name)!.kind).entries) entry.payload?.bytes();
    return undefined;
  } catch (error) {
    if (!(error instanceof StillframeError)) throw error;
    assert.match(error.message, name);
    return error.message;
  }
}

const damaged = suite('decodeImage of damaged files');
for (const name of openSet(join(fixtures, 'counter')).names()) {
  if (kindOfFile(name)!.kind.framing === 'raw') continue;
  damaged(`${name} cut at every byte`, () => {
    const bytes = new Uint8Array(readFileSync(join(fixtures, 'counter', name)));
    const whole = decodeImage(sourceOf(bytes, name)).entries.length;
    for (let size = 0; size < bytes.length; size++) {
      const text = refusal(bytes.slice(0, size), name);
      // A cut between two records of a list leaves a shorter list, which only the set as a whole can tell.
      if (text === undefined) assert.ok(decodeImage(sourceOf(bytes.slice(0, size), name)).entries.length < whole, `cut at ${size}`);
    }
  });
}

/** A small generator, so that a failure can be repeated. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
damaged('random flips in every file: an error for a person, or a file that still can be written', () => {
  const next = random(20261123);
  let refused = 0;
  for (const [set, name] of files) {
    const kind = kindOfFile(name)!.kind;
    if (kind.framing === 'raw') continue;
    const original = new Uint8Array(readFileSync(join(fixtures, set, name)));
    for (let round = 0; round < 60; round++) {
      const bytes = original.slice();
      for (let flips = 1 + next(3); flips > 0; flips--) bytes[next(bytes.length)]! ^= 1 << next(8);
      if (refusal(bytes, name) !== undefined) refused++;
      else encodeImage(name, kind, decodeImage(sourceOf(bytes, name), kind).entries);
    }
  }
  assert.ok(refused > 100, `${refused} refused`);
});

const cases: [string, string, string, RegExp][] = [
  ['an empty file', 'pstree.img', '', /pstree.img.*ends inside its magic numbers/],
  ['an unknown magic', 'pstree.img', '1943565478563412', /its magic is 0x12345678, which no image kind has/],
  ['the image of another kind', 'pstree.img', '1943565416313158', /it holds INVENTORY records .*, not PSTREE/],
  ['a record longer than the file', 'pstree.img', '1943565430302750' + 'ff000000' + '0801', /record 0.*says it is 255 bytes, but 2 are left/],
  ['a message without its required field', 'pstree.img', '1943565430302750' + '02000000' + '0801', /record 0, byte 12: pstree_entry: field ppid: a required field is missing/],
  ['two records where one is', 'fs-1.img', '1943565412394051' + '0400000008011001'.repeat(2), /it has 2 records; a FS image has exactly one/],
  ['a page map without its head', 'pagemap-1.img', '1943565425400856', /its first one is missing/],
  ['a payload longer than the file', 'pipes-data.img', '1943565409374556' + '04000000' + '0801107f' + '00', /127 bytes of data should follow it, but 1 are left/],
];
for (const [what, name, hex, pattern] of cases) {
  damaged(`${what} is named`, () => {
    assert.match(refusal(Buffer.from(hex, 'hex'), name) ?? 'accepted', pattern);
  });
}
damaged.run();

const names = suite('kindOfFile');
names('knows the file of every kind, and the id in it', () => {
  for (const kind of KINDS) {
    const name = kind.file.includes('%s') ? fileName(kind.name, 'dump') : fileName(kind.name, 31);
    const found = kindOfFile(name);
    assert.is(found?.kind.name, kind.name, name);
    if (/%[udx]/.test(kind.file)) assert.is(found?.id, 31n, name);
  }
  assert.is(fileName('GHOST_FILE', 31), 'ghost-file-1f.img');
});
names('leaves other files alone', () => {
  for (const name of ['dump.log', 'descriptors.json', 'core-x.img', 'pages-1.img.tmp', 'parent']) assert.is(kindOfFile(name), undefined, name);
  assert.ok(readdirSync(fixtures).length >= 3);
});
names.run();
