/** The view in a real browser: made as one file, opened from file://, clicked through; archives opened in the page; the server on loopback. */
// timeout: 180 s
import '../../src/core/node.ts';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openPath } from '../../src/inspect/node/open.ts';
import { makePage } from '../../src/view/node/page.ts';
import { serveView } from '../../src/view/node/serve.ts';
import { linkFiles, type Link } from '../support/chain.ts';

const folder = mkdtempSync(join(tmpdir(), 'sf-view-'));
const shots = resolve('build/screenshots');
let browser: Browser;

const viewing = suite('image view');

viewing.before(async () => {
  if (!existsSync('dist/view.js')) execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
  mkdirSync(shots, { recursive: true });
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
});

viewing.after(async () => {
  await browser.close();
  rmSync(folder, { recursive: true });
});

/** Opens a page; anything the page complains about, and any request it makes elsewhere, fails the test. */
async function opened(url: string): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1300, height: 820 } });
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()); });
  page.on('request', (asked) => { if (asked.url() !== url && !asked.url().startsWith('data:') && !asked.url().startsWith(url)) complaints.push(`asked for ${asked.url()}`); });
  await page.goto(url);
  await page.waitForSelector('html[data-ready=yes]');
  return { page, complaints };
}

async function fileOf(target: string | undefined, name: string, pagesLimit = 32 << 20): Promise<string> {
  const set = target === undefined ? undefined : await openPath(target);
  const { html } = await makePage(set, { version: 'test', pagesLimit });
  await set?.close();
  const path = join(folder, name);
  writeFileSync(path, html);
  return pathToFileURL(path).href;
}

viewing('family: tree, memory picture, files, graph, check and search work from file://', async () => {
  const { page, complaints } = await opened(await fileOf('test/fixtures/family', 'family.html'));
  assert.equal(await page.$$eval('nav .task .pid', (all) => all.map((one) => one.textContent)), ['14596', '14601', '14602', '14603']);
  await page.waitForSelector('#picture');
  assert.match(await page.innerText('.legend'), 'stored in this set (36 pages)');
  const colours = await page.$eval('#picture', (canvas) => {
    const { width, height } = canvas as HTMLCanvasElement;
    const { data } = (canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height);
    const seen = new Set<string>();
    for (let i = 0; i < data.length; i += 4) seen.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
    return seen.size;
  });
  assert.ok(colours > 3, `${colours} colours in the picture`);
  await page.click('text=[heap]');
  await page.waitForSelector('#hexdump:not([hidden])');
  await page.screenshot({ path: join(shots, 'family-memory.png') });
  await page.click('nav [data-pid="14602"]');
  await page.keyboard.press('2');
  assert.match(await page.innerText('#panel-files'), 'timerfd');
  await page.keyboard.press('3');
  assert.is((await page.$$('.graph .pair')).length, 3);
  assert.is((await page.$$('.graph .task')).length, 3);
  await page.screenshot({ path: join(shots, 'family-graph.png') });
  await page.keyboard.press('5');
  await page.waitForSelector('text=0 errors, 0 warnings');
  await page.keyboard.press('6');
  await page.fill('#pattern', 'family.fifo');
  await page.keyboard.press('Enter');
  await page.waitForSelector('text=/\\d+ found/');
  await page.click('#search');
  await page.keyboard.type('14603');
  assert.is((await page.$$('nav .task')).length, 1);
  await page.keyboard.press('Escape');
  assert.is((await page.$$('nav .task')).length, 4);
  const before = await page.getAttribute('html', 'data-theme');
  await page.keyboard.press('t');
  assert.is.not(await page.getAttribute('html', 'data-theme'), before);
  await page.keyboard.press('1');
  await page.screenshot({ path: join(shots, 'family-dark.png') });
  await page.keyboard.press('j');
  assert.is(await page.getAttribute('nav [aria-selected=true]', 'data-pid'), '14603');
  assert.equal(complaints, []);
  await page.close();
});

viewing('tcp: both ends of a connection side by side', async () => {
  const { page, complaints } = await opened(await fileOf('test/fixtures/tcp', 'tcp.html'));
  await page.keyboard.press('3');
  await page.waitForSelector('.graph .pair');
  assert.is((await page.$$('.graph .pair')).length, 1);
  await page.screenshot({ path: join(shots, 'tcp-graph.png') });
  await page.click('#keys');
  await page.waitForSelector('dialog[open]');
  assert.equal(complaints, []);
  await page.close();
});

viewing('a Podman archive opens in an empty page when it is chosen, read by the same core', async () => {
  const { page, complaints } = await opened(await fileOf(undefined, 'empty.html'));
  await page.setInputFiles('#chooser', 'test/fixtures/podman-counter.tar.gz');
  await page.waitForSelector('nav [data-pid="8"]');
  assert.match(await page.innerText('#sum'), 'Podman counter');
  await page.waitForSelector('#picture');
  await page.keyboard.press('4');
  await page.waitForSelector('text=overlayfs');
  await page.screenshot({ path: join(shots, 'podman-set.png') });
  await page.setInputFiles('#chooser', 'package.json');
  await page.waitForSelector('#notice:not([hidden])');
  assert.match(await page.innerText('#notice'), 'neither a folder of images nor an archive');
  assert.equal(complaints, []);
  await page.close();
});

viewing('a chain: what changed, what is in parents, heat', async () => {
  const links: Link[] = [{ pages: { 0x1000: 1, 0x2000: 1, 0x3000: 1 } }, { pages: { 0x2000: 2, 0x3000: 1 }, parent: [0x1000] }, { pages: { 0x2000: 3, 0x3000: 0 }, parent: [0x1000] }];
  links.forEach((link, i) => {
    const path = join(folder, `chain-${i}`);
    mkdirSync(path);
    for (const [name, bytes] of linkFiles(link)) writeFileSync(join(path, name), bytes);
    if (i > 0) symlinkSync(`../chain-${i - 1}`, join(path, 'parent'));
  });
  const { page, complaints } = await opened(await fileOf(join(folder, 'chain-2'), 'chain.html', -1));
  await page.waitForSelector('#picture');
  const legend = await page.innerText('.legend');
  assert.match(legend, 'changed since the set before (1 pages)');
  assert.match(legend, 'all zero (1 pages)');
  assert.match(legend, 'in a parent set (1 pages)');
  await page.click('#mode-heat');
  await page.waitForSelector('text=in 3 of 3 sets');
  await page.screenshot({ path: join(shots, 'chain-heat.png') });
  await page.click('.long-row');
  await page.waitForSelector('#hexdump:not([hidden])');
  await page.waitForFunction(() => document.getElementById('hexdump')!.textContent!.includes('not in this page'));
  assert.equal(complaints, []);
  await page.close();
});

viewing('served on loopback: contents on demand, nothing without the token, nothing for another host name', async () => {
  const set = await openPath('test/fixtures/family');
  const serving = await serveView(set, { port: 0, version: 'test', pagesLimit: -1 });
  try {
    const { page, complaints } = await opened(serving.url);
    await page.click('text=[heap]');
    await page.waitForFunction(() => /^[0-9a-f]{12}  /.test(document.getElementById('hexdump')!.textContent ?? ''));
    assert.equal(complaints, []);
    await page.close();
    const { port, pathname } = new URL(serving.url);
    const status = (path: string, host = `127.0.0.1:${port}`): Promise<number> => new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port, path, headers: { host } }, (response) => { response.resume(); resolve(response.statusCode ?? 0); }).on('error', reject).end();
    });
    assert.is(await status(pathname), 200);
    assert.is(await status('/'), 404);
    assert.is(await status(pathname, 'evil.example'), 403);
    assert.is(await status(`${pathname}files/0/pages-1.img?offset=0&length=16`), 200);
    assert.is(await status(`${pathname}files/0/..%2Fcounter%2Fpages-1.img?offset=0&length=16`), 404);
    assert.is(await status(`${pathname}files/0/pages-1.img?offset=-1&length=16`), 400);
  } finally {
    await serving.close();
    await set.close();
  }
});

viewing('names from images cannot become markup', async () => {
  const { html } = await makePage(undefined, { version: 'test', pagesLimit: 0 });
  assert.is(html.match(/<script/g)!.length, 4);
  const evil = join(folder, '<script>alert(1)<');
  mkdirSync(join(evil), { recursive: true });
  for (const [name, bytes] of linkFiles({ pages: { 0x1000: 1 } })) writeFileSync(join(evil, name), bytes);
  writeFileSync(join(evil, '<img src=x onerror=alert(1)>.img'), 'x');
  const { page, complaints } = await opened(await fileOf(evil, 'evil.html'));
  await page.keyboard.press('4');
  await page.waitForSelector('text=onerror');
  assert.is((await page.$$('img')).length, 0);
  assert.equal(complaints, []);
  await page.close();
});

viewing('100 tasks and 10 GiB of maps: all of it can be walked through, with only what is in sight in the page', async () => {
  const files = linkFiles({ pages: { 0x1000: 1 } });
  const { image } = await import('../support/chain.ts');
  const schema = await import('../../src/image/schema/index.ts');
  const { create } = await import('../../src/image/wire.ts');
  const { theCore } = await import('../../src/core/core.ts');
  const path = join(folder, 'large');
  mkdirSync(path);
  const pids = Array.from({ length: 100 }, (_, i) => 5 + i);
  files.set('pstree.img', image('PSTREE', pids.map((pid) => create(schema.pstree_entry, { pid, ppid: pid === 5 ? 0 : 5, pgid: 5, sid: 5, threads: [pid] }))));
  const mm = (await openPathOfChain()).task(5).mm!;
  for (const pid of pids) {
    files.set(`core-${pid}.img`, files.get('core-5.img')!);
    // 2,000 mappings of 52 KiB: 100 MiB a task, with pages that were never dumped, so that the set needs no 10 GiB
    const vmas = Array.from({ length: 2000 }, (_, i) => create(schema.vma_entry, { start: BigInt(0x10000000 + i * 0x10000), end: BigInt(0x10000000 + i * 0x10000 + 0xd000), pgoff: 0n, shmid: 0n, prot: 3, flags: 0x22, status: 0x201, fd: -1n }));
    files.set(`mm-${pid}.img`, image('MM', [{ ...mm, vmas }]));
    files.set(`pagemap-${pid}.img`, theCore().pagemap.encode(pid, { vaddr: BigUint64Array.from(vmas, (vma) => vma.start), nrPages: BigUint64Array.from(vmas, () => 3n), flags: Uint32Array.from(vmas, () => 2) }));
  }
  for (const [name, bytes] of files) writeFileSync(join(path, name), bytes);
  const url = await fileOf(path, 'large.html');
  const { page, complaints } = await opened(url);
  await page.waitForSelector('#picture');
  assert.is((await page.$$('nav .task')).length, 100);
  await page.keyboard.press('j');
  await page.waitForSelector('nav [data-pid="6"][aria-selected=true]');
  await page.waitForSelector('#picture');
  await page.keyboard.press('1');
  await page.waitForSelector('.long-row');
  await page.$eval('.long', (list) => { list.scrollTop = list.scrollHeight; });
  await page.waitForSelector('text=0x17cf0000');
  await page.screenshot({ path: join(shots, 'large.png') });
  const elements = await page.$$eval('*', (all) => all.length);
  assert.ok(elements < 2000, `${elements} elements`);
  assert.equal(complaints, []);
  await page.close();
});

async function openPathOfChain(): ReturnType<typeof openPath> {
  const { openStore } = await import('../../src/inspect/open.ts');
  const { MemoryStore } = await import('../../src/image/source/store.ts');
  return openStore(new MemoryStore('x', linkFiles({ pages: { 0x1000: 1 } })));
}

viewing.run();

const packing = suite('screenshots');
packing('were taken', () => {
  for (const name of ['family-memory', 'family-graph', 'family-dark', 'podman-set', 'chain-heat']) assert.ok(readFileSync(join(shots, `${name}.png`)).length > 5000, name);
});
packing.run();
