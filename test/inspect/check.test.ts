/** Every kind of damage is found, by its rule and at its place; sound sets give nothing. Rows of one change each. */
import '../../src/core/node.ts';
import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeImage, encodeImage, sourceOf } from '../../src/image/codec.ts';
import { kindOfFile } from '../../src/image/kinds.ts';
import { payload } from '../../src/image/payload.ts';
import type * as s from '../../src/image/schema/index.ts';
import { MemoryStore } from '../../src/image/source/store.ts';
import { openPath } from '../../src/inspect/node/open.ts';
import { openStore } from '../../src/inspect/open.ts';
import { checkSet, countFindings } from '../../src/inspect/check/check.ts';
import { formatReport } from '../../src/inspect/check/report.ts';
import { RULES, type RuleId } from '../../src/inspect/check/rules.ts';
import type { Finding } from '../../src/inspect/finding.ts';
import { chainOf } from '../support/chain.ts';

type Files = Map<string, Uint8Array>;

const fixture = (name: string): Files => new Map(readdirSync(`test/fixtures/${name}`, { withFileTypes: true }).filter((entry) => entry.isFile())
  .map((entry) => [entry.name, new Uint8Array(readFileSync(`test/fixtures/${name}/${entry.name}`))]));

/** Decodes a file, lets `change` change its messages, encodes it again. */
function edit<M>(files: Files, name: string, change: (messages: M[]) => void): void {
  const { kind, entries } = decodeImage(sourceOf(files.get(name)!, name), kindOfFile(name)!.kind);
  const messages = entries.map((entry) => entry.message as M);
  const before = messages.length;
  change(messages);
  const changed = messages.map((message, i) => ({ message: message as object, ...(i < before && entries[i]!.message === message && entries[i]!.payload !== undefined ? { payload: entries[i]!.payload } : {}) }));
  files.set(name, encodeImage(name, kind, changed));
}

async function rulesOf(files: Files): Promise<Finding[]> {
  return checkSet(await openStore(new MemoryStore('set', files)));
}

const checking = suite('checkSet');

checking('finds nothing wrong in what CRIU wrote', async () => {
  for (const path of ['test/fixtures/counter', 'test/fixtures/family', 'test/fixtures/tcp', 'test/fixtures/podman-counter.tar.gz']) {
    const set = await openPath(path);
    const { errors, warnings } = countFindings(await checkSet(set));
    assert.equal([path, errors, warnings], [path, 0, 0]);
    await set.close();
  }
});

checking('the version that CRIU leaves out of a pre-dump is not missed', async () => {
  const files = fixture('counter');
  edit<s.inventory_entry>(files, 'inventory.img', ([i]) => { i!.img_version = 0; });
  assert.ok((await rulesOf(files)).some(({ rule }) => rule === 'structure/version'));
  edit<s.inventory_entry>(files, 'inventory.img', ([i]) => { i!.pre_dump_mode = 1; });
  assert.equal((await rulesOf(files)).filter(({ rule }) => rule === 'structure/version'), []);
});

const core = 'core-14602.img';
const mm = 'mm-14602.img';
const ROWS: readonly (readonly [RuleId, string, (files: Files) => void])[] = [
  ['structure/decode', 'a truncated image', (f) => f.set('fs-14602.img', f.get('fs-14602.img')!.subarray(0, 11))],
  ['structure/inventory', 'no inventory', (f) => f.delete('inventory.img')],
  ['structure/version', 'an inventory of a later version', (f) => edit<s.inventory_entry>(f, 'inventory.img', ([i]) => { i!.img_version = 9; })],
  ['structure/tree', 'no process tree', (f) => { f.delete('pstree.img'); for (const name of [...f.keys()]) if (name.startsWith('pagemap')) f.delete(name); }],
  ['structure/pre-dump', 'a pre-dump', (f) => f.delete('pstree.img')],
  ['structure/hashes', 'page hashes of other pages', (f) => f.set('hashes-4.img', encodeImage('hashes-4.img', kindOfFile('hashes-4.img')!.kind, [{ message: { algorithm: 'xxh3-128', page_size: 4096, pages: 3n }, payload: payload(new Uint8Array(48)) }]))],
  ['structure/leftover', 'page hashes of no pages', (f) => f.set('hashes-77.img', encodeImage('hashes-77.img', kindOfFile('hashes-77.img')!.kind, [{ message: { algorithm: 'xxh3-128', page_size: 4096, pages: 1n }, payload: payload(new Uint8Array(16)) }]))],
  ['structure/missing', 'no mm image', (f) => f.delete(mm)],
  ['structure/missing', 'no core image', (f) => f.delete(core)],
  ['structure/unknown', 'a file of no kind', (f) => f.set('whatever', new Uint8Array(1))],
  ['structure/leftover', 'images of another task', (f) => f.set('core-77.img', f.get(core)!)],
  ['structure/pages-shared', 'other pages in one pages file', (f) => edit<s.pagemap_head>(f, 'pagemap-14603.img', ([head]) => { head!.pages_id = 4; })],
  ['structure/pages-missing', 'no pages file', (f) => f.delete('pages-4.img')],
  ['structure/pages-short', 'a cut pages file', (f) => f.set('pages-4.img', f.get('pages-4.img')!.subarray(0, 4096))],
  ['structure/pages-long', 'a pages file with more', (f) => f.set('pages-4.img', new Uint8Array(1 << 20))],
  ['reference/table', 'no descriptor table', (f) => f.delete('fdinfo-3.img')],
  ['reference/file', 'a descriptor of no file', (f) => edit<s.fdinfo_entry>(f, 'fdinfo-3.img', (all) => { all[0]!.id = 4711; })],
  ['reference/file-type', 'a descriptor of another type', (f) => edit<s.fdinfo_entry>(f, 'fdinfo-3.img', (all) => { all[0]!.type = 2; })],
  ['sense/descriptor', 'a descriptor twice', (f) => edit<s.fdinfo_entry>(f, 'fdinfo-3.img', (all) => { all[1]!.fd = 0; })],
  ['sense/id', 'a file id twice', (f) => edit<s.file_entry>(f, 'files.img', (all) => { all.push(all[0]!); })],
  ['reference/file', 'a mapping of no file', (f) => edit<s.mm_entry>(f, mm, ([m]) => { m!.vmas[0]!.shmid = 999n; })],
  ['sense/mapping-overlap', 'overlapping mappings', (f) => edit<s.mm_entry>(f, mm, ([m]) => { m!.vmas[0]!.end += 4096n; })],
  ['sense/mapping-order', 'a mapping backward', (f) => edit<s.mm_entry>(f, mm, ([m]) => { m!.vmas[0]!.end = m!.vmas[0]!.start - 4096n; })],
  ['sense/page-outside', 'pages outside of mappings', (f) => edit<s.mm_entry>(f, mm, ([m]) => { m!.vmas = m!.vmas.slice(8); })],
  ['sense/page-map', 'a page map out of order', (f) => edit<s.pagemap_entry>(f, 'pagemap-14602.img', (all) => { [all[1], all[2]] = [all[2]!, all[1]!]; })],
  ['sense/registers', 'an instruction pointer to nowhere', (f) => edit<s.core_entry>(f, core, ([c]) => { c!.thread_info!.gpregs.ip = 0x10n; })],
  ['sense/architecture', 'no registers', (f) => edit<s.core_entry>(f, core, ([c]) => { c!.thread_info = undefined; })],
  ['sense/state', 'an unknown state', (f) => edit<s.core_entry>(f, core, ([c]) => { c!.tc!.task_state = 42; })],
  ['sense/command', 'a long name', (f) => edit<s.core_entry>(f, core, ([c]) => { c!.tc!.comm = 'a name of twenty byte'; })],
  ['sense/limits', 'a soft limit above the hard one', (f) => edit<s.core_entry>(f, core, ([c]) => { c!.tc!.rlimits!.rlimits[7] = { cur: 9n, max: 1n }; })],
  ['reference/seccomp', 'a seccomp filter that is not there', (f) => edit<s.core_entry>(f, core, ([c]) => { c!.thread_core!.seccomp_mode = 2; c!.thread_core!.seccomp_filter = 3; })],
  ['sense/pid', 'a pid twice', (f) => edit<s.pstree_entry>(f, 'pstree.img', (all) => { all.push({ ...all[2]! }); })],
  ['sense/pid', 'a thread of two tasks', (f) => edit<s.pstree_entry>(f, 'pstree.img', (all) => { all[2]!.threads.push(14598); })],
  ['sense/pid-range', 'a pid beyond the limit', (f) => edit<s.pstree_entry>(f, 'pstree.img', (all) => { all[2]!.threads.push(4194305); })],
  ['reference/parent-task', 'a parent that is not there', (f) => edit<s.pstree_entry>(f, 'pstree.img', (all) => { all[2]!.ppid = 5; })],
  ['sense/loop', 'tasks that are their own ancestors', (f) => edit<s.pstree_entry>(f, 'pstree.img', (all) => { all[2]!.ppid = 14603; all[3]!.ppid = 14602; })],
  ['sense/roots', 'two roots', (f) => edit<s.pstree_entry>(f, 'pstree.img', (all) => { all[2]!.ppid = 0; })],
  ['reference/session', 'a session leader outside', (f) => edit<s.pstree_entry>(f, 'pstree.img', (all) => { all[0]!.sid = 3; })],
  ['reference/thread', 'no core image of a thread', (f) => f.delete('core-14598.img')],
  ['reference/pipe-data', 'data of no pipe', (f) => edit<s.pipe_data_entry>(f, 'pipes-data.img', ([p]) => { p!.pipe_id = 1; })],
  ['sense/queue', 'a pipe too full', (f) => edit<s.pipe_data_entry>(f, 'pipes-data.img', ([p]) => { p!.size = 4; })],
  ['reference/ghost', 'no contents of a deleted file', (f) => f.delete('ghost-file-1.img')],
  ['reference/ghost-unused', 'contents of no file', (f) => f.delete('remap-fpath.img')],
  ['reference/memfd', 'no inode of a memory file', (f) => edit<s.memfd_inode_entry>(f, 'memfd.img', (all) => { all.pop(); })],
  ['sense/shared-size', 'shared pages beyond the object', (f) => edit<s.memfd_inode_entry>(f, 'memfd.img', (all) => { all[0]!.size = 4096n; })],
  ['reference/queue', 'a packet of no socket', (f) => edit<s.sk_packet_entry>(f, 'sk-queues.img', ([p]) => { p!.id_for = 4000; })],
  ['reference/peer', 'a peer outside', (f) => edit<s.file_entry>(f, 'files.img', (all) => { all.find((one) => one.usk !== undefined)!.usk!.peer = 77; })],
  ['reference/epoll', 'an epoll of no descriptor', (f) => edit<s.file_entry>(f, 'files.img', (all) => { all.find((one) => one.epfd !== undefined)!.epfd!.tfd[0]!.tfd = 99; })],
  ['reference/lock', 'a lock of no task', (f) => edit<s.file_lock_entry>(f, 'filelocks.img', ([l]) => { l!.pid = 1; })],
  ['reference/unused-file', 'a file of nobody', (f) => edit<s.file_entry>(f, 'files.img', (all) => { all.push({ type: 1, id: 500, reg: { ...all[0]!.reg!, id: 500 } }); })],
  ['chain/page', 'pages in a parent there is none of', (f) => edit<s.pagemap_entry>(f, 'pagemap-14602.img', (all) => { all[1]!.flags = 1; })],
  ['chain/lazy', 'pages left for later', (f) => edit<s.pagemap_entry>(f, 'pagemap-14602.img', (all) => { all[1]!.flags = 2; })],
];

for (const [rule, what, change] of ROWS) {
  checking(`${rule}: ${what}`, async () => {
    const files = fixture('family');
    change(files);
    const found = await rulesOf(files);
    assert.ok(found.some((finding) => finding.rule === rule), `found only ${found.map((finding) => `${finding.rule} ${finding.file}: ${finding.why}`).join('\n')}`);
    assert.is(found.find((finding) => finding.rule === rule)?.severity, RULES[rule].severity);
  });
}

checking('reference/tcp: a connection without its stream', async () => {
  const files = fixture('tcp');
  for (const name of [...files.keys()]) if (name.startsWith('tcp-stream')) files.delete(name);
  assert.ok((await rulesOf(files)).some((finding) => finding.rule === 'reference/tcp'));
});

checking('chain/page: a page that no set of the chain has', async () => {
  const set = await chainOf({ pages: { 0x1000: 1 } }, { pages: {}, parent: [0x1000, 0x2000] });
  const [found] = (await checkSet(set)).filter((finding) => finding.rule === 'chain/page');
  assert.is(found?.where, '0x2000-0x3000');
});

checking('--target: what an older version cannot restore', async () => {
  const set = await openPath('test/fixtures/family');
  const rules = (await checkSet(set, { target: 'criu-3.17' })).map((finding) => finding.rule);
  assert.ok(rules.includes('version/target') && rules.includes('version/lost'));
  assert.is(countFindings(await checkSet(set, { target: 'criu-4.2' })).errors, 0);
  await set.close();
});

checking.run();

const reporting = suite('formatReport');

const report = { target: 'img', links: ['img'], version: '1', findings: [{ rule: 'sense/pid', severity: 'error', file: 'pstree.img', record: 2, where: 'task 5 (a<b\x1b)', why: 'twice, 100%', remedy: 'Dump again.' }] as Finding[] };
const safe = (text: string): string => text.replaceAll('\x1b', '\\x1b');

reporting('text, with the remedy and the counts', () => {
  assert.is(formatReport(report, 'text', safe), 'error: pstree.img, record 2: task 5 (a<b\\x1b): twice, 100% [sense/pid]\n    Dump again.\nimg: 1 error, 0 warnings, 0 notes');
});

reporting('JSON and SARIF parse and say the same', () => {
  const json = JSON.parse(formatReport(report, 'json', safe)) as { ok: boolean; findings: Finding[] };
  assert.equal([json.ok, json.findings[0]!.rule], [false, 'sense/pid']);
  const sarif = JSON.parse(formatReport(report, 'sarif', safe)) as { version: string; runs: [{ results: [{ ruleId: string; locations: [{ physicalLocation: { artifactLocation: { uri: string } } }] }] }] };
  assert.equal([sarif.version, sarif.runs[0].results[0].ruleId, sarif.runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri], ['2.1.0', 'sense/pid', 'img/pstree.img']);
});

reporting('JUnit escapes what XML cannot have, GitHub commands what they use', () => {
  assert.match(formatReport(report, 'junit', safe), /<failure message="[^"<\x1b]*a&lt;b[^"]*">/);
  assert.match(formatReport(report, 'github', safe).split('\n')[0]!, '::error file=img/pstree.img,title=sense/pid::pstree.img, record 2: task 5 (a<b\x1b): twice, 100%25 Dump again.');
});

reporting.run();

const documented = suite('RULES');

documented('are all in docs/reading-images.md, as they are', () => {
  const docs = readFileSync('docs/reading-images.md', 'utf8');
  for (const [id, { severity, text }] of Object.entries(RULES)) assert.ok(docs.includes(`| \`${id}\` | ${severity} | ${text} |`), id);
  assert.is(docs.match(/^\| `\w+\/[\w-]+` \|/gm)!.length, Object.keys(RULES).length);
});

documented.run();
