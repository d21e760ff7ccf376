/** The same files by every route: natively (with sanitizers), through WebAssembly at once, and record by record from windows. */
// timeout: 240 s
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { core, CoreError, type HeaderKind } from '../../src/core/node.ts';
import { imageFiles, isPagemap, pagesFiles, ROOT } from './fixtures.ts';

const KINDS: readonly HeaderKind[] = ['plain', 'common', 'service'];
execFileSync('make', ['-s', 'build/core/cli'], { cwd: ROOT, env: { ...process.env, SF_READY: '1' }, stdio: ['ignore', 'inherit', 'inherit'] });
const native = (verb: string, path: string): string[] =>
  execFileSync(join(ROOT, 'build/core/cli'), [verb, path], { encoding: 'utf8', maxBuffer: 1 << 28 }).trimEnd().split('\n');

/** The CLI's words for an error: name, offset, record. Its numbers are in the text. */
const words = (error: unknown): string => {
  if (!(error instanceof CoreError)) throw error;
  return `error ${error.code} ${error.offset} ${error.record}`;
};
const short = (lines: string[]): string[] => lines.map((line) => (line.startsWith('error ') ? line.split(' ').slice(0, 4).join(' ') : line));

/** Lines of `cli scan`, through windows of `windowSize` bytes. */
function scanned(bytes: Uint8Array, windowSize: number): string[] {
  const lines: string[] = [];
  const window = (from: number): Uint8Array => bytes.subarray(from, from + windowSize);
  const message = (body: Uint8Array): void => {
    try {
      const table = core.wire.scanFields(body);
      for (let i = 0; i < table.count; i++) lines.push(`field ${table.number(i)} ${table.type(i)} ${table.offset(i)} ${table.size(i)} ${table.value(i)}`);
    } catch (error) {
      lines.push(words(error));
    }
  };
  try {
    const head = core.container.readHeader(bytes.subarray(0, Math.min(8, bytes.length)));
    lines.push(`header ${KINDS.indexOf(head.kind)} ${head.magic} ${head.headerSize}`);
    for (let at = head.headerSize; ;) {
      const record = core.container.nextRecord(window(at), at, bytes.length, at);
      if (record === undefined) return lines;
      lines.push(`record ${record.offset} ${record.size}`);
      message(bytes.subarray(record.offset, record.offset + record.size));
      at = record.offset + record.size;
    }
  } catch (error) {
    lines.push(words(error));
    return lines;
  }
}

/** Lines of `cli pagemap`. */
function mapped(bytes: Uint8Array): string[] {
  try {
    const map = core.pagemap.decode(bytes);
    return [`pages ${map.pagesId} marks ${map.allMarks}`, ...Array.from(map.vaddr, (vaddr, i) =>
      `${vaddr} ${map.nrPages[i]} ${map.offset[i]} ${map.flags[i]} ${map.marks[i]}`)];
  } catch (error) {
    return [words(error)];
  }
}

/** Deterministic damage: flipped bytes, a cut, a doubled piece. */
function damaged(bytes: Uint8Array, turn: number): Uint8Array {
  let seed = (turn + 1) * 2654435761;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const out = Uint8Array.from(bytes);
  for (let i = 0; i <= turn % 4; i++) out[random(out.length)] = random(256);
  if (turn % 3 === 1) return out.subarray(0, random(out.length + 1));
  if (turn % 3 === 2) return Buffer.concat([out, out.subarray(random(out.length))]);
  return out;
}

const routes = suite('every route');
routes('scans each image the same', () => {
  for (const { name, path, bytes } of imageFiles()) {
    const expected = short(native('scan', path));
    for (const windowSize of [4, 7, bytes.length]) assert.equal(scanned(bytes, windowSize), expected, name);
  }
});
routes('decodes each page map the same', () => {
  for (const { name, path, bytes } of imageFiles().filter(isPagemap)) assert.equal(mapped(bytes), short(native('pagemap', path)), name);
});
routes('hashes each page the same', () => {
  for (const { name, path, bytes } of pagesFiles()) {
    const hashes = core.pages.hash(bytes, 5n);
    const zero = core.pages.zero(bytes);
    const word = (n: bigint | undefined): string => (n ?? 0n).toString(16).padStart(16, '0');
    const lines = Array.from({ length: hashes.length / 2 }, (_, i) => `${word(hashes[2 * i + 1])}${word(hashes[2 * i])} ${((zero.bits[i >> 3] ?? 0) >> (i & 7)) & 1}`);
    assert.equal(lines, native('hash', path), name);
  }
});
routes('refuses damaged images the same', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sf-routes-'));
  try {
    const path = join(folder, 'damaged.img');
    const files = imageFiles().filter(({ name }) => /counter\/(files|mm-|pstree|pagemap)|family\/(pagemap-14596|fdinfo-2|sk-queues)/.test(name));
    let refused = 0;
    for (const { name, bytes } of files) {
      for (let turn = 0; turn < 24; turn++) {
        const bad = damaged(bytes, turn);
        writeFileSync(path, bad);
        const expected = short(native('scan', path));
        assert.equal(scanned(bad, 4), expected, `${name}, turn ${turn}`);
        if (expected.some((line) => line.startsWith('error '))) refused++;
        assert.equal(mapped(bad), mapped2(native('pagemap', path), bad), `${name}, turn ${turn}`);
      }
    }
    assert.ok(refused > 50, `only ${refused} were refused`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
/** The typed decoder counts records before it decodes: of two faults it may name the framing's, which lies behind. */
function mapped2(lines: string[], bytes: Uint8Array): string[] {
  try {
    core.container.scan(bytes);
  } catch (error) {
    return [words(error)];
  }
  return short(lines);
}
routes.run();
