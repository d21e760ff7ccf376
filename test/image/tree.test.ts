/** Sets to `FrozenTree` and back: nothing is lost, what is missing is named, old images become new ones. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { StillframeError } from '../../src/errors.ts';
import { encodeImage } from '../../src/image/codec.ts';
import { fileName, kindNamed, kindOfFile } from '../../src/image/kinds.ts';
import { openSet } from '../../src/image/node/directory.ts';
import { MemorySet, type ImageSet } from '../../src/image/set.ts';
import { fd_types } from '../../src/image/schema/index.ts';
import { payload } from '../../src/image/payload.ts';
import { readTree } from '../../src/image/tree-read.ts';
import { writeTree } from '../../src/image/tree-write.ts';
import { childrenOf, emptyTree, fdTableId, fileOf, isDead, pageFlags, pagesOf, rootTask } from '../../src/image/tree.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}/`, import.meta.url));

function copyOf(set: ImageSet): MemorySet {
  return new MemorySet('copy', set.names().map((name) => {
    const source = set.open(name)!;
    return [name, source.range(0, source.size).slice()];
  }));
}

const reading = suite('readTree');
reading('the family: tasks, threads, a zombie, shared descriptions', () => {
  const tree = readTree(openSet(fixture('family')));
  assert.is(tree.tasks.size, 4);
  const root = rootTask(tree)!;
  assert.is(root.pid, 14596);
  assert.ok(childrenOf(tree, root.pid).length >= 2);
  assert.is([...tree.tasks.values()].filter(isDead).length, 1);
  assert.is([...tree.tasks.values()].flatMap((task) => [...task.threads.keys()]).length, 7);
  for (const task of tree.tasks.values()) {
    assert.equal([...task.threads.keys()], isDead(task) ? [task.pid] : task.item.threads);
    assert.is(task.threads.get(task.pid), task.core);
    if (!isDead(task)) assert.ok(tree.fdinfo.get(fdTableId(tree, task)!)!.every((fd) => tree.files.has(fd.id)));
  }
  assert.is(tree.shmem.size, 2);
  assert.ok(tree.pipe_data.length > 0 && tree.socket_queues.length > 0 && tree.ghosts.size === 1);
  assert.equal(tree.rest.map((file) => file.name), ['pages-1.img', 'pages-2.img', 'pages-3.img', 'pages-4.img', 'pages-5.img', 'stats-dump']);
});
reading('page maps account for every page of their pages file', () => {
  const set = openSet(fixture('family'));
  const tree = readTree(set);
  const maps = [...tree.shmem.values(), ...[...tree.tasks.values()].flatMap((task) => task.pagemap ?? [])];
  for (const map of maps) {
    const pages = map.entries.filter((entry) => pageFlags(entry) & 4).reduce((sum, entry) => sum + pagesOf(entry), 0n);
    assert.is(pages * 4096n, BigInt(set.open(fileName('PAGES', map.pages_id))!.size));
  }
});
reading('queued bytes of a TCP connection are taken apart', () => {
  const tree = readTree(openSet(fixture('tcp')));
  const queues = [...tree.tcp_streams.values()].map((stream) => Buffer.from(stream.inq.bytes()).toString());
  assert.ok(queues.includes('from client'), queues.join());
});

const missing: [string, RegExp][] = [
  ['inventory.img', /inventory.img: it is missing. A dump that failed leaves such a set behind/],
  ['pstree.img', /pstree.img: it is missing/],
  ['core-14552.img', /core-14552.img: it is missing; task 14552 of pstree.img refers to it/],
  ['mm-14552.img', /mm-14552.img: it is missing/],
  ['fs-14552.img', /fs-14552.img: it is missing/],
];
for (const [name, pattern] of missing) {
  reading(`without ${name}`, () => {
    const set = copyOf(openSet(fixture('counter')));
    set.files.delete(name);
    assert.throws(() => readTree(set), pattern);
  });
}
reading('an unknown image version is refused', () => {
  const set = copyOf(openSet(fixture('counter')));
  const tree = readTree(set);
  set.write('inventory.img', encodeImage('x', kindNamed('INVENTORY')!, [{ message: { ...tree.inventory, img_version: 3 } }]));
  assert.throws(() => readTree(set), /images have version 3; 1 and 2 are known/);
});
reading('the same pid twice is refused', () => {
  const set = copyOf(openSet(fixture('counter')));
  const item = readTree(set).tasks.get(14552)!.item;
  set.write('pstree.img', encodeImage('x', kindNamed('PSTREE')!, [{ message: item }, { message: item }]));
  assert.throws(() => readTree(set), /pstree.img, record 1: the number 14552 is already/);
});
reading('files nobody knows are listed', () => {
  const set = copyOf(openSet(fixture('counter')));
  set.write('dump.log', new Uint8Array(3));
  set.write('core-77.img', set.files.get('core-14552.img')!);
  const rest = readTree(set).rest;
  assert.equal(rest.filter((file) => file.why !== 'raw'), [{ name: 'core-77.img', why: 'kind' }, { name: 'dump.log', why: 'unknown' }, { name: 'stats-dump', why: 'kind' }]);
});
reading('a file a kind of descriptor, as older versions wrote, becomes files.img', () => {
  const set = copyOf(openSet(fixture('family')));
  const tree = readTree(set);
  const files = [...tree.files.values()];
  const write = (kind: string, messages: object[]): void => set.write(fileName(kind), encodeImage(kind, kindNamed(kind)!, messages.map((message) => ({ message }))));
  write('REG_FILES', files.flatMap((file) => file.reg ?? []));
  write('PIPES', files.flatMap((file) => file.pipe ?? []));
  write('EVENTPOLL_FILE', files.flatMap((file) => (file.epfd ? [{ ...file.epfd, tfd: [] }] : [])));
  write('EVENTPOLL_TFD', files.flatMap((file) => file.epfd?.tfd.map((tfd) => ({ ...tfd, id: file.id })) ?? []));
  set.files.delete('files.img');
  const old = readTree(set);
  for (const file of files.filter((f) => f.reg ?? f.pipe)) assert.equal(JSON.stringify(old.files.get(file.id), big), JSON.stringify(file, big));
  for (const file of files.filter((f) => f.epfd)) assert.is(old.files.get(file.id)!.epfd!.tfd.length, file.epfd!.tfd.length);
});
const big = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
reading('two types of description may share an id, one type may not', () => {
  const set = copyOf(openSet(fixture('counter')));
  const tree = readTree(set);
  const first = tree.files.get(1)!;
  const tun = { type: fd_types.TUNF, id: 1, tunf: { id: 1 } };
  const rewritten = (...more: object[]): Uint8Array => encodeImage('x', kindNamed('FILES')!, [...tree.files.values(), ...more].map((message) => ({ message })));
  set.write('files.img', rewritten(tun));
  const both = readTree(set);
  assert.is(fileOf(both, first.type, 1)!.type, first.type);
  assert.is(fileOf(both, fd_types.TUNF, 1)!.tunf!.id, 1);
  assert.is(fileOf(both, fd_types.PIPE, 1), undefined);
  set.write('files.img', rewritten(first));
  assert.throws(() => readTree(set), /files.img: two records have the id 1/);
});
reading('the thread number of a dead task means nothing', () => {
  const set = copyOf(openSet(fixture('family')));
  const tasks = [...readTree(set).tasks.values()];
  set.write('pstree.img', encodeImage('x', kindNamed('PSTREE')!, tasks.map((task) => ({ message: isDead(task) ? { ...task.item, threads: [497558096] } : task.item }))));
  assert.equal([...readTree(set).tasks.get(14601)!.threads.keys()], [14601]);
});
reading('any file cut at any byte: an error that names it, or a list that lost whole records', () => {
  const set = copyOf(openSet(fixture('counter')));
  let refused = 0, shorter = 0;
  for (const [name, bytes] of [...set.files]) {
    if (kindOfFile(name)!.kind.framing === 'raw') continue;
    for (let size = 0; size < bytes.length; size++) {
      set.write(name, bytes.subarray(0, size));
      try {
        readTree(set);
        shorter++;
      } catch (error) {
        assert.instance(error, StillframeError);
        assert.match((error as Error).message, /^read image: copy\//);
        refused++;
      }
    }
    set.write(name, bytes);
  }
  // files that are not read into the tree (stats), and cuts between records
  assert.ok(refused > 3000 && shorter < 300, `${refused} refused, ${shorter} not`);
});
reading.run();

const writing = suite('writeTree');
for (const name of ['counter', 'family', 'tcp']) {
  writing(`${name}: every file is written back byte for byte`, () => {
    const set = openSet(fixture(name));
    const tree = readTree(set);
    const copy = new MemorySet('copy');
    const written = writeTree(copy, tree);
    assert.is(written.at(-1), 'inventory.img');
    assert.equal([...written, ...tree.rest.map((file) => file.name)].sort(), set.names());
    for (const file of written) assert.ok(Buffer.from(copy.files.get(file)!).equals(readFileSync(join(fixture(name), file))), file);
  });
}
writing('parts the fixtures do not have come back too', () => {
  const tree = readTree(openSet(fixture('counter')));
  const desc = { key: 1, uid: 0, gid: 0, cuid: 0, cgid: 0, mode: 0o600, id: 7 };
  tree.ipcns.set(9, {
    shm: [{ entry: { desc, size: 3n }, data: payload(Buffer.from('abc')) }, { entry: { desc, size: 4096n, in_pagemaps: true } }],
    sem: [{ entry: { desc, nsems: 3 }, values: [1, 0, 65535] }],
    msg: [{ entry: { desc, qbytes: 10, qnum: 1 }, messages: [{ entry: { mtype: 5n, msize: 2 }, data: payload(Buffer.from('hi')) }] }],
  });
  tree.ghosts.set(31, { entry: { uid: 0, gid: 0, mode: 0o100600, chunks: true, size: 9n }, parts: [{ off: 4096n, data: payload(Buffer.from('x')) }] });
  tree.own = { version: 1, tasks: [{ pid: 14552, threads: [{ tid: 14552, ioprio: 3 }], vma_names: [], vma_flags: [] }], files: [], mqueues: [], needs: [] };
  const copy = new MemorySet('copy');
  writeTree(copy, tree);
  assert.ok(copy.files.has('ghost-file-1f.img') && copy.files.has('stillframe.img'));
  const again = readTree(copy);
  const second = new MemorySet('second');
  writeTree(second, again);
  assert.equal([...second.files.keys()], [...copy.files.keys()]);
  for (const [file, bytes] of copy.files) assert.ok(Buffer.from(bytes).equals(second.files.get(file)!), file);
  assert.equal(again.ipcns.get(9)!.sem[0]!.values, [1, 0, 65535]);
  assert.is(again.own!.tasks[0]!.threads[0]!.ioprio, 3);
});
writing('an empty tree is an inventory and a process tree', () => {
  const set = new MemorySet('empty');
  assert.equal(writeTree(set, emptyTree({ img_version: 2 })), ['pstree.img', 'inventory.img']);
  assert.is(kindOfFile('inventory.img')!.kind.framing, 'plain');
});
writing.run();

const directories = suite('openSet');
const scratch = mkdtempSync(join(tmpdir(), 'stillframe-set-'));
directories('follows the parent chain, and names a broken or circular one', () => {
  for (const name of ['a', 'b', 'c']) mkdirSync(join(scratch, name));
  symlinkSync('../a', join(scratch, 'b', 'parent'));
  writeFileSync(join(scratch, 'a', 'pages-1.img'), 'x');
  assert.ok(openSet(join(scratch, 'b')).parent()!.open('pages-1.img'));
  assert.is(openSet(join(scratch, 'a')).parent(), undefined);
  symlinkSync('../gone', join(scratch, 'c', 'parent'));
  assert.throws(() => openSet(join(scratch, 'c')).parent(), /c\/parent: ENOENT. Pages of this set/);
  symlinkSync('../b', join(scratch, 'a', 'parent'));
  assert.throws(() => openSet(join(scratch, 'b')).parent()!.parent(), /the parent links form a loop/);
});
directories('a missing directory and one that is a file', () => {
  assert.throws(() => openSet(join(scratch, 'none')), /open image directory: .*none: ENOENT \(open\). Name an existing directory with -D/);
  assert.throws(() => openSet(join(scratch, 'a', 'pages-1.img')), /ENOTDIR/);
});
directories('a full disk says so', () => {
  const set = openSet('/dev');
  assert.throws(() => set.write('full', new Uint8Array(10)), /write image: \/dev\/full: ENOSPC \(write\). The disk is full/);
  set.close();
});
directories.after(() => rmSync(scratch, { recursive: true }));
directories.run();
