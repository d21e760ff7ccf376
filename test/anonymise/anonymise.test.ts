/** Anonymous copies: nothing of the original is left in them, the same thing is replaced by the same thing, and they pass the check. */
import '../../src/core/node.ts';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { anonymise, type LeftOut } from '../../src/anonymise/anonymise.ts';
import { Replacer } from '../../src/anonymise/replace.ts';
import { concat } from '../../src/image/source/source.ts';
import { MemoryStore } from '../../src/image/source/store.ts';
import { checkSet, countFindings } from '../../src/inspect/check/check.ts';
import { openPath } from '../../src/inspect/node/open.ts';
import { openStore, type OpenSet } from '../../src/inspect/open.ts';
import { argumentsOf, environmentOf } from '../../src/inspect/tasks.ts';
import { liveTasks } from '../../src/inspect/usage.ts';
import { encodeImage } from '../../src/image/codec.ts';
import { kindOfFile } from '../../src/image/kinds.ts';
import { payload } from '../../src/image/payload.ts';
import { chainOf, linkFiles } from '../support/chain.ts';

async function copyOf(set: OpenSet): Promise<{ copy: OpenSet; leftOut: LeftOut[] }> {
  const leftOut: LeftOut[] = [];
  const links: Map<string, Uint8Array>[] = set.chain.map(() => new Map());
  for (const { link, name, parts } of anonymise(set, leftOut)) {
    const bytes: Uint8Array[] = [];
    for await (const part of parts()) bytes.push(part);
    links[link]!.set(name, concat(bytes));
  }
  let store: MemoryStore | undefined;
  links.reverse().forEach((files, i) => { store = new MemoryStore(`copy${i}`, files, store); });
  return { copy: await openStore(store!), leftOut };
}

const copying = suite('anonymise');

for (const path of ['test/fixtures/counter', 'test/fixtures/family', 'test/fixtures/tcp', 'test/fixtures/podman-counter.tar.gz']) {
  copying(`${path}: passes the check, and no words of the original are in it`, async () => {
    const set = await openPath(path);
    const { copy } = await copyOf(set);
    const { errors, warnings } = countFindings(await checkSet(copy));
    assert.equal([errors, warnings], [0, 0]);
    const secrets = new Set<string>();
    for (const task of liveTasks(set)) {
      for (const text of [...await argumentsOf(set, task) ?? [], ...await environmentOf(set, task) ?? []]) if (text.length >= 8 && !text.startsWith('-')) secrets.add(text);
    }
    for (const word of ['family.fifo', 'family.data', 'in the pipe', 'in the stream', 'deleted but open', 'from client', 'while true', '5486173bb460']) secrets.add(word);
    for (const name of copy.store.files) {
      const text = Buffer.from(await copy.bytes(name)).toString('latin1');
      for (const secret of secrets) assert.not.ok(text.includes(secret), `${name} has ${secret}`);
    }
    await set.close();
  });
}

copying('the same path, name and page get the same replacement; structure stays', async () => {
  const set = await openPath('test/fixtures/family');
  const { copy } = await copyOf(set);
  const names = [...copy.tree.files.values()].flatMap((file) => file.reg?.name ?? []);
  const before = [...set.tree.files.values()].flatMap((file) => file.reg?.name ?? []);
  assert.is(new Set(names).size, new Set(before).size);
  assert.is(copy.tree.tasks.get(14602)!.core.tc!.comm, copy.tree.tasks.get(14603)!.core.tc!.comm);
  assert.ok(names.includes('/usr/lib/x86_64-linux-gnu/libc.so.6'));
  assert.equal(copy.memory(14596).mappings.map((mapping) => [mapping.start, mapping.kind]), set.memory(14596).mappings.map((mapping) => [mapping.start, mapping.kind]));
  assert.is(copy.tree.tasks.get(14596)!.core.thread_info!.gpregs.ip, set.tree.tasks.get(14596)!.core.thread_info!.gpregs.ip);
  assert.is(copy.tree.tasks.get(14596)!.core.thread_info!.gpregs.r15, 0n);
  await set.close();
});

copying('a chain: zero pages stay zero, unchanged ones unchanged', async () => {
  const set = await chainOf({ pages: { 0x1000: 7, 0x2000: 8 } }, { pages: { 0x1000: 7, 0x2000: 9, 0x3000: 0 } });
  const { copy } = await copyOf(set);
  const page = async (one: OpenSet, at: bigint): Promise<string> => Buffer.from((await one.memory(5).read(at, 4096)).bytes).toString('latin1');
  assert.is(await page(copy, 0x1000n), await page(copy.parent!, 0x1000n));
  assert.is.not(await page(copy, 0x2000n), await page(copy.parent!, 0x2000n));
  assert.is.not(await page(copy, 0x1000n), '\x07'.repeat(4096));
  assert.is(await page(copy, 0x3000n), '\0'.repeat(4096));
});

copying('raw files and files of no kind are left out', async () => {
  const set = await openPath('test/fixtures/podman-counter.tar.gz');
  const { leftOut } = await copyOf(set);
  assert.equal(leftOut.map(({ name }) => name).slice(0, 2), ['descriptors.json', 'tmpfs-dev-44.tar.gz.img']);
  await set.close();
});

copying('page hashes are left out: they are of the contents that were replaced', async () => {
  const hashes = encodeImage('hashes-1.img', kindOfFile('hashes-1.img')!.kind, [{ message: { algorithm: 'xxh3-128', page_size: 4096, pages: 1n }, payload: payload(new Uint8Array(16).fill(9)) }]);
  const { copy, leftOut } = await copyOf(await openStore(new MemoryStore('set', new Map([...linkFiles({ pages: { 0x1000: 7 } }), ['hashes-1.img', hashes]]))));
  assert.not.ok(copy.store.files.includes('hashes-1.img'));
  assert.equal(leftOut.map(({ name }) => name), ['hashes-1.img']);
});

copying.run();

const replacing = suite('Replacer');

replacing('network interfaces: usual names stay, others are replaced and fit the kernel', () => {
  const replace = new Replacer();
  assert.equal(['lo', 'eth0', 'docker0'].map((name) => replace.device(name)), ['lo', 'eth0', 'docker0']);
  assert.match(replace.device('veth1f0a2b'), /^n-[0-9a-f]{8}$/);
  assert.is(replace.device('veth1f0a2b'), replace.device('veth1f0a2b'));
});

replacing('addresses: private, the same for the same; loopback and any stay', () => {
  const replace = new Replacer();
  const peer = [0x0101a8c0 | 0];
  assert.equal(replace.address(peer), replace.address(peer));
  assert.is(replace.address(peer)[0]! & 255, 10);
  assert.equal(replace.address([0x0100007f]), [0x0100007f]);
  assert.equal(replace.address([0, 0, 0, 0]), [0, 0, 0, 0]);
  assert.is(replace.address([0xb80d0120, 0, 0, 1])[0]! & 255, 0xfd);
});

replacing('options and unix names', () => {
  const replace = new Replacer();
  assert.match(replace.options('rw,username=joe,size=65536k,lowerdir=/home/joe'), /^rw,username=n-\w+,size=65536k,lowerdir=\/home\/n-\w+$/);
  assert.is(replace.socketName(Uint8Array.of(0, 1, 2))[0], 0);
  assert.is(replace.socketName(new TextEncoder().encode('/run/x.sock\0')).at(-1), 0);
});

replacing.run();
