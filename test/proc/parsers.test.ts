/** Parsers of /proc: texts as the kernel writes them, the odd ones included, and this very process. */
import { readFileSync, readlinkSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAuxv, auxvValue, AT_SYSINFO_EHDR } from '../../src/proc/auxv.ts';
import { parseFdInfo } from '../../src/proc/fdinfo.ts';
import { parseLimits, RLIM_INFINITY } from '../../src/proc/limits.ts';
import { isGone, readProc, readProcLink, readProcNumbers, readProcRecord, readProcText, tryReadProcText } from '../../src/proc/read.ts';
import { parseMapsLine, parseSmaps } from '../../src/proc/smaps.ts';
import { parseStat } from '../../src/proc/stat.ts';
import { parseStatus } from '../../src/proc/status.ts';
import { parseTimers, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD_ID } from '../../src/proc/timers.ts';

const AFTER_COMM = 'S 1 4242 4243 34816 4244 4194560 1 2 3 4 5 6 7 8 20 -5 3 0 123456789012 9 10 18446744073709551615 '
  + '94000000000000 94000000001000 140720000000000 0 0 0 0 4096 65536 0 0 0 17 1 7 2 0 0 0 94000000002000 94000000003000 94000000004000 '
  + '140720000000100 140720000000200 140720000000200 140720000000300 2816';

const stat = suite('parseStat');
for (const comm of ['counter', 'a b', 'evil) S 1 (', '', ') R 0', 'h\xc3\xa9llo']) {
  stat(`comm ${JSON.stringify(comm)}`, () => {
    const s = parseStat(`77 (${comm}) ${AFTER_COMM}\n`);
    assert.is(s.pid, 77);
    assert.is(s.comm, comm);
    assert.is(s.state, 'S');
    assert.equal([s.ppid, s.pgid, s.sid, s.tty, s.tpgid, s.nice, s.numThreads, s.exitSignal, s.rtPriority, s.policy], [1, 4242, 4243, 34816, 4244, -5, 3, 17, 7, 2]);
    assert.is(s.startTime, 123456789012n);
    assert.is(s.startStack, 140720000000000n);
    assert.is(s.envEnd, 140720000000300n);
    assert.is(s.exitCode, 2816);
  });
}
stat('is this process', () => assert.is(parseStat(readProcRecord('/proc/self/stat')).pid, process.pid));
stat('what is none', () => assert.throws(() => parseStat('77 counter S 1'), /not a stat line/u));
stat.run();

const status = suite('parseStatus');
status('reads its lines', () => {
  const text = 'Name:\tUid:\\n 1\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t9\nTracerPid:\t12\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t10 20 30 \n'
    + 'NSpid:\t9\t1\nSigPnd:\t0000000000000000\nSigIgn:\t0000000000001000\nSigCgt:\t0000000180004003\nCapInh:\t0000000000000000\nCapPrm:\t000001fffeffffff\n'
    + 'CapEff:\t0000000000000001\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000002\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n';
  const s = parseStatus(text);
  assert.equal([...s.uid, ...s.gid, ...s.groups], [1, 2, 3, 4, 5, 6, 7, 8, 10, 20, 30]);
  assert.equal([s.umask, s.tgid, s.tracer, ...s.nsPids], [0o22, 9, 12, 9, 1]);
  assert.equal([s.sigIgn, s.sigCgt, s.capPrm, s.capAmb], [0x1000n, 0x180004003n, 0x1fffeffffffn, 2n]);
  assert.equal([s.noNewPrivs, s.seccomp, s.seccompFilters], [1, 2, 3]);
});
status('a shadow stack', () => {
  const plain = readProcRecord('/proc/self/status').replace(/^x86_Thread_features.*\n/gmu, '');
  assert.is(parseStatus(plain).shadowStack, false);
  assert.is(parseStatus(`${plain}x86_Thread_features:\tshstk wrss \nx86_Thread_features_locked:\tshstk wrss \n`).shadowStack, true);
  assert.is(parseStatus(`${plain}x86_Thread_features:\t\nx86_Thread_features_locked:\tshstk wrss \n`).shadowStack, false);
});
status('no groups', () => assert.equal(parseStatus(readProcRecord('/proc/self/status').replace(/^Groups:.*$/mu, 'Groups:\t ')).groups, []));
status('names the line that is missing', () => assert.throws(() => parseStatus('Name:\tx\nTgid:\t1\n'), /no line (?:Uid|Gid)/u));
status.run();

const smaps = suite('parseSmaps');
const block = (head: string, flags: string, anonymous = 0, swap = 0): string =>
  `${head}\nSize:  8 kB\nRss:  4 kB\nAnonymous:  ${anonymous} kB\nSwap:  ${swap} kB\nSwapPss:  0 kB\nVmFlags: ${flags}\n`;
smaps('heads and flags', () => {
  const [a, b, c] = parseSmaps(block('00400000-00401000 r-xp 00001000 fe:00 77                         /a file\\012with VmFlags: x (deleted)', 'rd ex mr mw me')
    + block('7f0000000000-7f0000002000 rw-s 00000000 00:01 5                          /dev/zero (deleted)', 'rd wr sh ', 12, 8) + block('ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]', 'ex'));
  assert.equal([a!.start, a!.end, a!.offset, a!.inode, a!.device], [0x400000n, 0x401000n, 0x1000n, 77n, 'fe:00']);
  assert.equal([a!.read, a!.write, a!.exec, a!.shared], [true, false, true, false]);
  assert.is(a!.name, '/a file\\012with VmFlags: x (deleted)');
  assert.is(a!.range, '400000-401000', 'map_files has no leading zeros');
  assert.equal(b!.flags, ['rd', 'wr', 'sh']);
  assert.is(b!.shared, true);
  assert.is(c!.name, '[vsyscall]');
});
smaps('no flags at all', () => assert.equal(parseSmaps(block('1000-2000 ---p 0 00:00 0', ''))[0]!.flags, []));
smaps('no name', () => assert.is(parseMapsLine('1000-2000 ---p 00000000 00:00 0').name, ''));
smaps('cut short', () => assert.throws(() => parseSmaps('1000-2000 ---p 00000000 00:00 0\nSize: 4 kB\n'), /ends inside a mapping/u));
smaps('this process has as many as its maps', () => {
  const maps = readFileSync('/proc/self/maps', 'latin1').trimEnd().split('\n').length;
  assert.ok(Math.abs(parseSmaps(readProcText('/proc/self/smaps')).length - maps) < 20);
});
smaps.run();

const fdinfo = suite('parseFdInfo');
fdinfo('common lines and the kind\'s own', () => {
  const f = parseFdInfo('pos:\t42\nflags:\t02104002\nmnt_id:\t29\nino:\t1234\ntfd:        5 events:       19 data: 5  pos:0 ino:61af sdev:7\n');
  assert.equal([f.pos, f.flags, f.closeOnExec, f.mountId, f.inode], [42n, 0o104002, true, 29, 1234n]);
  assert.equal(f.more, ['tfd:        5 events:       19 data: 5  pos:0 ino:61af sdev:7']);
});
fdinfo('a position above 2^53 and below 0', () => {
  assert.is(parseFdInfo('pos:\t9223372036854775807\nflags:\t00\n').pos, (1n << 63n) - 1n);
  assert.is(parseFdInfo('pos:\t-1\nflags:\t00\n').pos, (1n << 64n) - 1n);
});
fdinfo('what is none', () => assert.throws(() => parseFdInfo('pos:\t1\n'), /not a fdinfo/u));
fdinfo.run();

const timers = suite('parseTimers');
timers('ascending, with their targets', () => {
  const text = 'ID: 7\nsignal: 34/00007ffe12345678\nnotify: signal/tid.99\nClockID: 1\nID: 0\nsignal: 14/0000000000000000\nnotify: signal/pid.98\nClockID: -1234\n'
    + 'ID: 3\nsignal: 0/(null)\nnotify: none/pid.98\nClockID: 0\n';
  const [a, b, c] = parseTimers(text);
  assert.equal(a, { id: 0, signal: 14, value: 0n, notify: SIGEV_SIGNAL, target: 98, clock: -1234 });
  assert.equal(b, { id: 3, signal: 0, value: 0n, notify: SIGEV_NONE, target: 98, clock: 0 });
  assert.equal(c, { id: 7, signal: 34, value: 0x7ffe12345678n, notify: SIGEV_THREAD_ID, target: 99, clock: 1 });
});
timers('none', () => assert.equal(parseTimers(''), []));
timers('what is none', () => assert.throws(() => parseTimers('ID: x\n'), /not a timer/u));
timers.run();

const limits = suite('parseLimits');
limits('all sixteen of this process', () => {
  const all = parseLimits(readProcRecord('/proc/self/limits'));
  assert.is(all.length, 16);
  assert.ok(all.every(({ soft, hard }) => soft <= hard && hard <= RLIM_INFINITY));
});
limits('numbers and unlimited', () => {
  const text = readProcRecord('/proc/self/limits').replace(/^(Max open files {2,})\S+ {2,}\S+/mu, '$112                   34    ').replace(/^(Max cpu time {2,})\S+ {2,}\S+/mu, '$1unlimited            unlimited');
  assert.equal(parseLimits(text)[7], { soft: 12n, hard: 34n });
  assert.equal(parseLimits(text)[0], { soft: RLIM_INFINITY, hard: RLIM_INFINITY });
});
limits('one is missing', () => assert.throws(() => parseLimits('Limit\nMax cpu time              1                    2                    seconds\n'), /has 1 limits/u));
limits.run();

const auxv = suite('parseAuxv');
auxv('this process has a vDSO', () => assert.ok((auxvValue(parseAuxv(readProc('/proc/self/auxv')), AT_SYSINFO_EHDR) ?? 0n) > 0n));
auxv('a key that is not there', () => assert.is(auxvValue([1n, 2n], 2n), undefined));
auxv.run();

const reading = suite('readProc');
reading('a file longer than a page comes whole', () => assert.ok(readProcText('/proc/self/smaps').trimEnd().split('\n').at(-1)!.startsWith('VmFlags:')));
reading('links', () => assert.is(readProcLink('/proc/self/exe'), readlinkSync('/proc/self/exe')));
reading('numbers, in order', () => {
  const tids = readProcNumbers('/proc/self/task');
  assert.ok(tids.includes(process.pid));
  assert.equal(tids, [...tids].sort((a, b) => a - b));
});
reading('what is gone', () => {
  assert.is(tryReadProcText('/proc/4194999/stat'), undefined);
  try {
    readProcRecord('/proc/4194999/stat');
    assert.unreachable();
  } catch (error) {
    assert.ok(isGone(error));
  }
});
reading.run();
