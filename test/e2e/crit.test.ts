/** Every image that a dump writes is decoded by Debian's crit (of CRIU 3.17), a reader that is not ours. */
// timeout: 300 s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { existsSync, readdirSync } from 'node:fs';
import { kindOfFile } from '../../src/image/kinds.ts';
import { TestProgram, treeOf } from '../support/program.ts';
import { ROWS } from '../support/rows.ts';
import { OURS, dump, run } from '../support/tool.ts';

const CRIT = process.env['CRIT'] ?? '/usr/bin/crit';

/** Runs crit's own program once a file, in one interpreter: most of its time is loading. Prints {file: what it printed}. */
const DECODE_ALL = `
import contextlib, io, json, runpy, sys
crit, files, decoded = sys.argv[1], sys.argv[2:], {}
for name in files:
    sys.argv = [crit, 'decode', '-i', name]
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            runpy.run_path(crit, run_name='__main__')
    except SystemExit as end:
        if end.code: raise RuntimeError(name + ': crit ended with ' + str(end.code))
    except Exception as error:
        raise RuntimeError(name + ': ' + repr(error))
    decoded[name] = json.loads(out.getvalue())
print(json.dumps(decoded))
`;

const crit = suite('images and Debian\'s crit');

crit('crit is installed', () => {
  assert.ok(existsSync(CRIT), `${CRIT} is missing: apt-get install criu (or CRIT=/path)`);
});

for (const row of ROWS) {
  crit(`decodes what is written for: ${row.name}`, async () => {
    const program = new TestProgram(row.program, row);
    try {
      await program.waitFor(/^ready$/m);
      const pids = treeOf(program.pid);
      // nobody will restore it: no network is to stay locked
      await dump(OURS, program.pid, program.images, [...row.dumpOptions ?? [], '--network-lock', 'skip']);
      const files = readdirSync(program.images).filter((name) => name.endsWith('.img')).sort();
      for (const needed of ['inventory.img', 'pstree.img', 'files.img', ...pids.map((pid) => `core-${pid}.img`), `mm-${program.pid}.img`, `pagemap-${program.pid}.img`, 'pages-1.img']) {
        assert.ok(files.includes(needed), `${needed} was written; there are ${files.join(' ')}`);
      }
      // raw pages have no records; images of our own CRIU ignores
      const readable = files.filter((file) => !/^pages-\d+\.img$/.test(file) && file !== 'stillframe.img');
      // Debian's python, whatever PATH says
      const { status, output } = await run('/usr/bin/python3', ['-c', DECODE_ALL, CRIT, ...readable], { cwd: program.images, env: { PATH: '/usr/bin:/bin' } });
      assert.is(status, 0, output.slice(-1500));
      const decoded = JSON.parse(output) as Record<string, { magic: string; entries: unknown[] }>;
      assert.equal(Object.keys(decoded).sort(), readable);
      for (const [file, { magic, entries }] of Object.entries(decoded)) {
        assert.ok(entries.length > 0 || /^(fs|ids|tty|remap|fifo|fdinfo)/.test(file), `${file}: ${magic} has entries`);
      }
      const unknown = files.filter((file) => kindOfFile(file) === undefined);
      assert.equal(unknown, [], 'no file of a name that CRIU does not know (except stillframe.img)');
    } finally {
      await program.stop();
    }
  });
}

crit.run();
