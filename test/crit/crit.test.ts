/** crit: what it prints is what crit 4.2 prints, and encode gives the image back. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readCoreModule } from '../../src/core/node.ts';
import { crit } from '../../src/crit/main.ts';

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'stillframe-crit-'));
const file = (name: string): string => join(scratch, name);

/** The program as it is shipped: one bundle (a start from source takes six times as long). */
const program = file('crit.cjs');
await build({
  stdin: { contents: "import { crit } from './src/crit/main.ts'; process.exitCode = crit(process.argv.slice(2));", resolveDir: fileURLToPath(new URL('../../', import.meta.url)) },
  outfile: program, bundle: true, platform: 'node', format: 'cjs', define: { 'import.meta.url': 'bundleUrl' },
  banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
});
writeFileSync(file('stillframe.wasm'), readCoreModule());

/** Runs it as a program, for what it prints and its exit code. */
function runs(args: readonly string[], input?: Uint8Array | string): { out: string; err: string; status: number | null; bytes: Buffer } {
  const { stdout, stderr, status } = spawnSync(process.execPath, [program, ...args], { input, maxBuffer: 1 << 26 });
  return { out: stdout.toString(), err: stderr.toString(), status, bytes: stdout };
}

const decode = suite('crit decode and encode');
for (const set of ['counter', 'family', 'tcp']) {
  for (const json of readdirSync(join(fixtures, set, 'crit-json'))) {
    const name = json.replace(/\.json$/, '');
    decode(`${set}/${name}`, () => {
      assert.is(crit(['decode', '-i', join(fixtures, set, name), '-o', file('json')]), 0);
      assert.is(readFileSync(file('json'), 'utf8'), readFileSync(join(fixtures, set, 'crit-json', json), 'utf8').replace(/\n$/, ''));
      assert.is(crit(['encode', '-i', file('json'), '-o', file('img')]), 0);
      assert.ok(readFileSync(file('img')).equals(readFileSync(join(fixtures, set, name))), 'encode');
      assert.is(crit(['decode', '--pretty', '-i', join(fixtures, set, name), '-o', file('json')]), 0);
      assert.is(crit(['encode', '-i', file('json'), '-o', file('img')]), 0);
      assert.ok(readFileSync(file('img')).equals(readFileSync(join(fixtures, set, name))), 'encode of --pretty');
    });
  }
}

interface Row { readonly name: string; readonly image: string; readonly decode: string; readonly show: string; readonly nopl?: string }
const rows = readFileSync(join(fixtures, 'kinds.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Row);
for (const row of rows) {
  decode(`every field of ${row.name}`, () => {
    const image = Buffer.from(row.image, 'base64');
    writeFileSync(file('img'), image);
    assert.is(crit(['decode', '-i', file('img'), '-o', file('plain')]), 0);
    assert.is(readFileSync(file('plain'), 'utf8'), row.decode);
    assert.is(crit(['decode', '--pretty', '-i', file('img'), '-o', file('pretty')]), 0);
    assert.is(readFileSync(file('pretty'), 'utf8'), row.show);
    for (const json of ['plain', 'pretty']) {
      assert.is(crit(['encode', '-i', file(json), '-o', file('again')]), 0);
      assert.ok(readFileSync(file('again')).equals(image), `encode of ${json}`);
    }
  });
}
decode('all kinds of crit 4.2 are there', () => assert.ok(rows.length >= 60));
decode.run();

const printed = suite('crit on the command line');
printed('show and --nopl print what crit prints', () => {
  const row = rows.find((one) => one.name === 'IPCNS_MSG')!;
  writeFileSync(file('queue.img'), Buffer.from(row.image, 'base64'));
  assert.is(runs(['show', file('queue.img')]).out, `${row.show}\n`);
  assert.is(runs(['show', '--nopl', file('queue.img')]).out, `${row.nopl!}\n`);
});
printed('decode from standard input, encode to standard output', () => {
  const image = readFileSync(join(fixtures, 'counter', 'core-14552.img'));
  const { out } = runs(['decode'], image);
  assert.ok(runs(['encode'], out).bytes.equals(image));
});
printed('info counts entries, payloads not mistaken for them', () => {
  assert.is(runs(['info', join(fixtures, 'counter', 'pagemap-14552.img')]).out.replace(/\s+/g, ' '), '{ "magic": "PAGEMAP", "count": 12 } ');
  const { entries } = JSON.parse(readFileSync(join(fixtures, 'family', 'crit-json', 'sk-queues.img.json'), 'utf8')) as { entries: unknown[] };
  assert.match(runs(['info', join(fixtures, 'family', 'sk-queues.img')]).out, `"count": ${entries.length}`);
});

const usage: [string, string[], number, RegExp][] = [
  ['nothing', [], 1, /^usage: crit \[-h\] \[--version\] \{decode,encode,info,x,show\} ...\ncrit: error: too few arguments\n$/],
  ['an unknown command', ['zork'], 2, /invalid choice: 'zork' \(choose from 'decode', 'encode', 'info', 'x', 'show'\)/],
  ['an unknown option', ['decode', '--bla'], 2, /crit: error: unrecognized arguments: --bla/],
  ['a missing value', ['decode', '-i'], 2, /crit decode: error: argument -i\/--in: expected one argument/],
  ['a missing argument', ['x', '.'], 2, /the following arguments are required: what/],
  ['a wrong explorer', ['x', '.', 'foo'], 2, /argument what: invalid choice: 'foo'/],
  ['a file that is not there', ['info', '/nonexistent/x.img'], 1, /^crit: ENOENT: no such file or directory, open '\/nonexistent\/x.img'\n$/],
  ['pages', ['show', join(fixtures, 'counter', 'pages-1.img')], 1, /^Unknown magic 0x[0-9a-f]+.\nMaybe you are feeding me an image with raw data\(i.e. pages.img\)\?\n$/],
  ['text that is no JSON', ['encode', '-i', join(fixtures, 'README.md')], 1, /README.md: it is not JSON: a value is expected: line 1 column 1/],
];
for (const [what, args, status, pattern] of usage) {
  printed(`${what} is refused`, () => {
    const result = runs(args);
    assert.match(result.err, pattern);
    assert.is(result.status, status);
    assert.is(result.out, '');
  });
}
printed('abbreviated, attached and misplaced options are understood', () => {
  const image = join(fixtures, 'counter', 'pstree.img');
  assert.is(crit(['decode', `--in=${image}`, `-o${file('a')}`, '--pre']), 0);
  assert.is(crit(['decode', '--pretty', '--out', file('b'), '-i', image]), 0);
  assert.is(readFileSync(file('a'), 'utf8'), readFileSync(file('b'), 'utf8'));
  assert.is(runs(['--version']).out, '4.2\n');
  assert.match(runs(['x', '--help']).out, /usage: crit x \[-h\] dir \{ps,fds,mems,rss,sk\}/);
});
const badJson: [string, string, RegExp][] = [
  ['no such kind', '{"magic": "NOPE", "entries": []}', /magic: "NOPE" is no image kind/],
  ['a wrong value', '{"magic": "PSTREE", "entries": [{"pid": "x", "ppid": 0}]}', /entries\[0\].pid: "x" is no number/],
  ['a field that is missing', '{"magic": "PSTREE", "entries": [{"pid": 1}]}', /record 0: pstree_entry: field ppid/],
  ['a number out of range', '{"magic": "PSTREE", "entries": [{"pid": 1, "ppid": 4294967296, "pgid": 1, "sid": 1}]}', /field ppid: 4294967296 is not a uint32/],
  ['an unknown name of an enumeration', '{"magic": "FDINFO", "entries": [{"id": 1, "flags": 0, "type": "NIL", "fd": 0}]}', /entries\[0\].type: string NIL is none of UND, REG/],
];
for (const [what, json, pattern] of badJson) {
  printed(`encode of JSON with ${what} names the place`, () => {
    const result = runs(['encode'], json);
    assert.match(result.err, pattern);
    assert.is(result.status, 1);
  });
}
printed('a name that is no field is said to be ignored', () => {
  const result = runs(['encode', '-o', file('img')], '{"magic": "PSTREE", "entries": [{"pid": 1, "ppid": 0, "pgid": 1, "sid": 1, "pdi": 4}]}');
  assert.is(result.err, 'crit: ignored, no such field: pstree_entry.pdi\n');
  assert.is(result.status, 0);
});
printed('a field of a later version is said to be lost', () => {
  writeFileSync(file('later.img'), Buffer.from('1943565430302750' + '0b000000' + '0801100018012001a80607', 'hex'));
  assert.match(runs(['decode', '-i', file('later.img')]).err, /lost when this is encoded again: pstree_entry.101 /);
});
printed.run();

const explore = suite('crit x');
explore('fds names files, pipes, sockets and directories', () => {
  const { out } = runs(['x', join(fixtures, 'family'), 'fds']);
  assert.match(out, /\n\t      1: .*out.log\n/);
  assert.match(out, /pipe\[\d+\]/);
  assert.match(out, /unix\[\d+ \(\d+\)/);
  assert.match(out, /\n\t    cwd: \//);
});
for (const set of ['counter', 'family', 'tcp']) {
  for (const text of readdirSync(join(fixtures, set, 'crit-x'))) {
    explore(`${set} ${text}: what crit prints`, () => {
      assert.is(runs(['x', join(fixtures, set), text.replace('.txt', '')]).out, readFileSync(join(fixtures, set, 'crit-x', text), 'utf8'));
    });
  }
}
explore('sk names both ends of a connection', () => {
  const { out } = runs(['x', join(fixtures, 'tcp'), 'sk']);
  assert.match(out, /^14647\n/);
  assert.match(out, /INET TCP LISTEN 127\.0\.0\.1:\d+\n/);
  const [, a, b] = /INET TCP ESTABLISHED (\S+) -> (\S+)\n/.exec(out)!;
  assert.ok(out.includes(`${b!} -> ${a!}`), out);
  assert.match(runs(['x', join(fixtures, 'family'), 'sk']).out, /UNIX STREAM ESTABLISHED \d+ -> \d+/);
});
explore('a dead task has no descriptors and no memory', () => {
  for (const what of ['fds', 'mems', 'rss']) assert.match(runs(['x', join(fixtures, 'family'), what]).out, /\n14601\n14602\n/);
});
explore('a directory without a set', () => {
  const result = runs(['x', scratch, 'ps']);
  assert.match(result.err, /pstree.img: it is missing/);
  assert.is(result.status, 1);
});
explore.after(() => rmSync(scratch, { recursive: true }));
explore.run();
