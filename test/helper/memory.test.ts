/** Memory of a task: what the page tables say, copies of it, pokes. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { closeSync, fstatSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync, readSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StillframeError } from '../../src/errors.ts';
import type { Helper } from '../../src/helper/client.ts';
import { PageIs, type Range } from '../../src/helper/protocol.ts';
import { Program } from '../../src/program/program.ts';
import { fixture, withHelper, withTask, type Task } from './tasks.ts';

const pages = suite('Helper.pages');
const scan = suite('Helper.scan');
const peek = suite('Helper.peek, poke');
const PAGE = 4096;
const mappings = fixture('mappings');

type Kinds = Record<string, Range>;
const withMappings = (body: (helper: Helper, kinds: Kinds, task: Task) => void | Promise<void>, args: string[] = []): (() => Promise<void>) =>
  () => withTask(mappings, args, async (task) => {
    await task.says('ready');
    const kinds: Kinds = {};
    for (const [, name, address, count] of task.output.matchAll(/(\w+) (0x\w+) (\d+)/g)) kinds[name!] = { address: BigInt(address!), size: BigInt(count!) * 4096n };
    await withHelper(async (helper) => {
      assert.is(helper.seize([task.pid])[0]!.status, 0);
      await body(helper, kinds, task);
    });
  });

/** What mappings.c writes. */
function pattern(seed: number, from: number, size: number): Buffer {
  const out = new Uint32Array(size / 4);
  for (let i = 0; i < out.length; i++) out[i] = Math.imul(seed, 2654435761) + Math.imul(from / 4 + i, 40503);
  return Buffer.from(out.buffer);
}

function inDirectory<T>(body: (path: string) => T, parent = tmpdir()): T {
  const path = mkdtempSync(join(parent, 'stillframe-memory-'));
  try {
    return body(path);
  } finally {
    rmSync(path, { recursive: true });
  }
}

function copied(helper: Helper, pid: number, offset: bigint, ranges: readonly Range[], workers = 0): Buffer {
  return inDirectory((path) => {
    const fd = openSync(join(path, 'pages'), 'w+');
    const size = ranges.reduce((sum, range) => sum + range.size, 0n);
    assert.is(helper.pages(pid, fd, offset, ranges, { workers }), size);
    closeSync(fd);
    const file = readFileSync(join(path, 'pages'));
    assert.is(file.length, Number(offset + size));
    return file.subarray(Number(offset));
  });
}

for (const workers of [0, 1, 2, 4]) {
  pages(`a large mapping, ${workers === 0 ? 'workers as it likes' : `${workers} workers`}`, withMappings((helper, { big }, task) => {
    const got = copied(helper, task.pid, 0n, [big!], workers);
    assert.ok(got.equals(pattern(1, 0, got.length)));
  }, ['9000']));
}

pages('many ranges of one page, some without read permission, laid end to end at an offset', withMappings((helper, { big, none, shared }, task) => {
  const ranges: Range[] = [];
  const expected: Buffer[] = [];
  const add = (mapping: Range, seed: number, page: number, count = 1): void => {
    ranges.push({ address: mapping.address + BigInt(page * PAGE), size: BigInt(count * PAGE) });
    expected.push(pattern(seed, page * PAGE, count * PAGE));
  };
  for (let i = 0; i < 2900; i += 2) add(big!, 1, i);
  ranges.push({ address: big!.address, size: 0n });
  add(none!, 2, 3, 5);
  add(shared!, 4, 0, 16);
  add(none!, 2, 0);
  for (let i = 2999; i > 2900; i -= 3) add(big!, 1, i);
  for (const workers of [1, 2]) assert.ok(copied(helper, task.pid, 8192n, ranges, workers).equals(Buffer.concat(expected)));
}));

for (const workers of [1, 3]) {
  pages(`ranges that each have their place in the file, ${workers} workers`, withMappings((helper, { big, none }, task) => inDirectory((path) => {
    const fd = openSync(join(path, 'pages'), 'w+');
    const pages: [address: bigint, place: number, size: number][] = [[none!.address, 900, 1]];
    // some end where the next begins, some do not; one is larger than what is copied at once; the last of the file come first
    for (let page = 0; page < 200; page++) pages.push([big!.address + BigInt(3 * page * PAGE), 800 - page - (page % 5 === 0 ? 0 : page % 5), 1]);
    pages.push([big!.address, 1000, 200]);
    const unique = new Map(pages.map((one) => [one[1], one]));
    const list = [...unique.values()];
    const ranges = list.map(([address, , size]) => ({ address, size: BigInt(size * PAGE) }));
    helper.pages(task.pid, fd, 0n, ranges, { workers, places: list.map(([, place]) => BigInt(place * PAGE)) });
    closeSync(fd);
    const file = readFileSync(join(path, 'pages'));
    assert.is(file.length, 1200 * PAGE);
    const expected = Buffer.alloc(file.length);
    for (const [address, place, size] of list) {
      const [from, seed] = address === none!.address ? [0, 2] : [Number(address - big!.address), 1];
      pattern(seed, from, size * PAGE).copy(expected, place * PAGE);
    }
    assert.ok(file.equals(expected));
  }), ['700']));
}

pages('pages of zeros are holes: left out behind the end of the file, punched where it had something', withMappings((helper, { big, sparse }, task) => inDirectory((path) => {
  const fd = openSync(join(path, 'pages'), 'w+');
  const expected = Buffer.alloc(64 * PAGE);
  for (let page = 0; page < 64; page += 4) pattern(3, 0, PAGE).copy(expected, page * PAGE);
  const isSparse = (): void => {
    assert.ok(readFileSync(join(path, 'pages')).equals(expected));
    assert.is(fstatSync(fd).blocks, 16 * PAGE / 512, 'one page in four is stored');
  };
  assert.is(helper.pages(task.pid, fd, 0n, [sparse!]), sparse!.size);
  isSparse();
  helper.pages(task.pid, fd, 0n, [{ address: big!.address, size: sparse!.size }]);
  assert.is(fstatSync(fd).blocks, 64 * PAGE / 512);
  helper.pages(task.pid, fd, 0n, [sparse!], { places: [0n] });
  isSparse();
  const held = helper.putFd(fd);
  helper.filePages(held, held, 32n * BigInt(PAGE), [{ address: 1n * BigInt(PAGE), size: 32n * BigInt(PAGE) }]);
  assert.ok(readFileSync(join(path, 'pages')).equals(Buffer.concat([expected.subarray(0, 32 * PAGE), expected.subarray(PAGE, 33 * PAGE)])));
  assert.is(fstatSync(fd).blocks, 16 * PAGE / 512, 'what is moved within a file keeps its holes');
  helper.closeFds([held]);
  closeSync(fd);
}, '/dev/shm')));

/** KiB of tmpfs files in huge pages, of the whole machine. */
const hugeKiB = (): number => Number(/^ShmemHugePages:\s+(\d+) kB$/mu.exec(readFileSync('/proc/meminfo', 'utf8'))![1]);

for (const [offset, workers] of [[0, 1], [0, 2], [3 * PAGE, 2]] as const) {
  pages(`36 MiB to a tmpfs, from byte ${offset} on, ${workers} workers: whole blocks become huge pages, pages of zeros in them holes`, withMappings((helper, { big, sparse }, task) => inDirectory((path) => {
    const before = hugeKiB();
    const fd = openSync(join(path, 'pages'), 'w+');
    // zeros in the second block behind what is looked at before it is made, and a third that begins with zeros
    const at = (page: number, count: number): Range => ({ address: big!.address + BigInt(page * PAGE), size: BigInt(count * PAGE) });
    const ranges = [at(0, 612), sparse!, at(612, 348), sparse!, at(960, 8040)];
    const zeros = (count: number): Buffer => Buffer.concat(Array.from({ length: count }, (_, i) => (i % 4 === 0 ? pattern(3, 0, PAGE) : Buffer.alloc(PAGE))));
    const expected = Buffer.concat([Buffer.alloc(offset), pattern(1, 0, 612 * PAGE), zeros(64), pattern(1, 612 * PAGE, 348 * PAGE), zeros(64), pattern(1, 960 * PAGE, 8040 * PAGE)]);
    helper.pages(task.pid, fd, BigInt(offset), ranges, { workers });
    assert.ok(readFileSync(join(path, 'pages')).equals(expected));
    assert.is(fstatSync(fd).blocks, (9000 + 32) * PAGE / 512, 'three in four pages of both sparse parts are holes');
    if (!readFileSync('/sys/kernel/mm/transparent_hugepage/shmem_enabled', 'utf8').includes('[deny]')) assert.ok(hugeKiB() - before >= 2048, // more where they are made quickly
       `${hugeKiB() - before} KiB of huge pages`);
    closeSync(fd);
  }, '/dev/shm'), ['9000']));
}

pages('places are of ranges', withMappings((helper, { big }, task) => {
  assert.throws(() => helper.pages(task.pid, { held: 77 }, 0n, [big!], { places: [] }), /0 places for 1 ranges/);
}));

pages('a hole in the range is EFAULT, a task that is gone ESRCH', withMappings((helper, { hole }, task) => inDirectory((path) => {
  const fd = openSync(join(path, 'pages'), 'w+');
  assert.throws(() => helper.pages(task.pid, fd, 0n, [hole!]), /copy memory: task \d+: reading: (EFAULT|EIO)/);
  assert.throws(() => helper.pages(0x3ffffe, fd, 0n, [hole!]), /opening a file of \/proc\/PID: ENOENT/);
  assert.throws(() => helper.pages(task.pid, { held: 77 }, 0n, [{ address: hole!.address, size: 4096n }]), /descriptor 77: writing: EBADF/);
  closeSync(fd);
})));

// the larger one is full after some blocks that are made as huge pages
for (const [size, count] of [['1m', '3000'], ['21m', '9000']] as const) {
  pages(`a disk of ${size} that becomes full is ENOSPC and says what to do`, withMappings((helper, { big }, task) => inDirectory((path) => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]);
    const fd = openSync(join(path, 'pages'), 'w+');
    try {
      for (const workers of [1, 2]) assert.throws(() => helper.pages(task.pid, fd, 0n, [big!], { workers }), /writing: ENOSPC.*Free space/);
    } finally {
      closeSync(fd);
      execFileSync('umount', [path]);
    }
  }), [count]));
}

pages('holes of a file stay holes in another: left out behind its end, punched where it had something', () => withHelper((helper) => inDirectory((path) => {
  const [from, to] = ['from', 'to'].map((name) => openSync(join(path, name), 'w+')) as [number, number];
  // pages: data, hole, hole, data, hole
  writeSync(from, pattern(1, 0, PAGE), 0, PAGE, 0);
  writeSync(from, pattern(2, 0, PAGE), 0, PAGE, 3 * PAGE);
  ftruncateSync(from, 5 * PAGE);
  writeSync(to, Buffer.alloc(3 * PAGE, 7));
  const held = [helper.putFd(from), helper.putFd(to)] as const;
  assert.is(helper.filePages(held[0], held[1], BigInt(PAGE), [{ address: 0n, size: BigInt(5 * PAGE) }]), BigInt(5 * PAGE));
  assert.ok(readFileSync(join(path, 'to')).equals(Buffer.concat([Buffer.alloc(PAGE, 7), pattern(1, 0, PAGE), Buffer.alloc(2 * PAGE), pattern(2, 0, PAGE), Buffer.alloc(PAGE)])));
  assert.is(fstatSync(to).blocks, 3 * PAGE / 512);
  helper.filePages(held[0], held[1], 0n, [{ address: BigInt(PAGE), size: BigInt(PAGE + 5) }]);
  assert.ok(readFileSync(join(path, 'to')).subarray(0, 2 * PAGE).equals(Buffer.concat([Buffer.alloc(PAGE + 5), pattern(1, 0, PAGE).subarray(5)])));
  assert.throws(() => helper.filePages(held[0], held[1], 0n, [{ address: BigInt(4 * PAGE), size: BigInt(PAGE + 1) }]), /ENODATA/);
  helper.closeFds(held);
  [from, to].forEach((fd) => { closeSync(fd); });
}, '/dev/shm')));

pages('file ranges from one held descriptor to another', () => withHelper((helper) => inDirectory((path) => {
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i * 7));
  writeFileSync(join(path, 'from'), bytes);
  const from = openSync(join(path, 'from'), 'r');
  const to = openSync(join(path, 'to'), 'w+');
  const held = [helper.putFd(from), helper.putFd(to)] as const;
  assert.is(helper.filePages(held[0], held[1], 5n, [{ address: 10n, size: 50_000n }, { address: 0n, size: 10n }]), 50_010n);
  assert.ok(readFileSync(join(path, 'to')).subarray(5).equals(Buffer.concat([bytes.subarray(10, 50_010), bytes.subarray(0, 10)])));
  assert.throws(() => helper.filePages(held[0], held[1], 0n, [{ address: 99_999n, size: 2n }]), /ENODATA/);
  helper.closeFds(held);
  assert.throws(() => helper.closeFds([held[0]]), /descriptor \d+: .*EBADF/);
  closeSync(from);
  closeSync(to);
})));

/** Whether so many pages of a task, four apart, are one and the same (Documentation/admin-guide/mm/pagemap.rst: bits 0-54 are the frame). */
function sharePage(pid: number, address: bigint, count: number): boolean {
  const fd = openSync(`/proc/${pid}/pagemap`, 'r');
  const frames = Array.from({ length: count }, (_, i) => {
    const entry = Buffer.alloc(8);
    readSync(fd, entry, 0, 8, Number(address / BigInt(PAGE) + BigInt(i * 4)) * 8);
    return entry.readBigUInt64LE(0) & (1n << 55n) - 1n;
  });
  closeSync(fd);
  assert.is(frames.includes(0n), false, 'frames can be seen');
  return new Set(frames).size === 1;
}

for (const oldKernel of [false, true]) {
  const how = oldKernel ? 'by /proc/PID/pagemap' : 'by PAGEMAP_SCAN';
  scan(`present pages, the zero page told apart, ${how}`, withMappings((helper, { sparse, none, big }, task) => {
    const present = helper.scan(task.pid, [sparse!], { anyOf: PageIs.PRESENT | PageIs.SWAPPED, report: PageIs.PFNZERO, oldKernel });
    // every fourth page is written, the one behind it only read; not every kernel gives what is only read the zero page
    const zero = sharePage(task.pid, sparse!.address + BigInt(PAGE), 16);
    const at = (i: number, page: number): bigint => sparse!.address + BigInt((i * 4 + page) * PAGE);
    const expected = Array.from({ length: 16 }, (_, i) => (zero
      ? [{ start: at(i, 0), end: at(i, 1), categories: 0n }, { start: at(i, 1), end: at(i, 2), categories: PageIs.PFNZERO }]
      : [{ start: at(i, 0), end: at(i, 2), categories: 0n }])).flat();
    assert.equal(present, expected);
    const data = helper.scan(task.pid, [sparse!, none!, big!], { anyOf: PageIs.PRESENT, noneOf: PageIs.PFNZERO, report: PageIs.PRESENT, oldKernel });
    assert.is(data.length, 16 + 2);
    assert.equal(data.at(-2), { start: none!.address, end: none!.address + none!.size, categories: PageIs.PRESENT });
    assert.equal(data.at(-1), { start: big!.address, end: big!.address + big!.size, categories: PageIs.PRESENT });
    assert.equal(helper.scan(task.pid, [sparse!], { anyOf: PageIs.PRESENT, noneOf: PageIs.PFNZERO, report: PageIs.PRESENT, maxRegions: 3, oldKernel }), data.slice(0, 3));
  }));
}

scan('adjacent ranges are answered separately; none is an empty answer; nonsense is refused', withMappings((helper, { big }, task) => {
  const half = big!.size / 2n;
  const two = helper.scan(task.pid, [{ address: big!.address, size: half }, { address: big!.address + half, size: half }], { anyOf: PageIs.PRESENT, report: 0n });
  assert.is(two.length, 2);
  assert.equal(helper.scan(task.pid, [], { anyOf: 0n, report: 0n }), []);
  assert.throws(() => helper.scan(task.pid, [{ address: 5n, size: 4096n }], { anyOf: 0n, report: 0n }), /EINVAL/);
  assert.throws(() => helper.scan(task.pid, [big!], { anyOf: 8n, noneOf: 8n, report: 0n }), /EINVAL/);
}));

peek('short at a hole, EIO at unmapped memory, writes also where the task may not', withMappings((helper, { hole, none }, task) => {
  assert.is(helper.peek(task.pid, hole!.address, 3 * PAGE).length, PAGE);
  assert.throws(() => helper.peek(task.pid, hole!.address + 4096n, 8), (error: unknown) => error instanceof StillframeError && /reading: (EIO|EFAULT)/.test(error.message));
  helper.poke(task.pid, none!.address + 4090n, Buffer.from('across the page'));
  assert.is(helper.peek(task.pid, none!.address + 4090n, 15).toString(), 'across the page');
}));

peek('a program in the helper, a descriptor it opened, fetched', () => withHelper((helper) => {
  const program = new Program('helper');
  const fd = program.call('memfd_create', [program.cstring('x'), 1]);
  program.call('write', [fd, program.data(Buffer.from('hello')), 5]);
  const ran = helper.local(program).check('test');
  const ours = helper.getFd(Number(ran.result(fd)));
  assert.is(readFileSync(`/proc/self/fd/${ours}`, 'utf8'), 'hello');
  closeSync(ours);
  assert.throws(() => helper.getFd(99), /descriptor 99: passing a descriptor: EBADF/);
}));

pages.run();
scan.run();
peek.run();
