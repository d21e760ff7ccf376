/** `check`: probes that work here, probes that fail where they must, and what is said about them. */
// timeout: 240 s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describe, FEATURES, runCheck, type CheckReport } from '../../src/check/check.ts';
import { Host, missing, startChild } from '../../src/check/host.ts';
import { Program } from '../../src/program/program.ts';
import { SILENT } from '../../src/log.ts';

const ask = (features: readonly string[], level: 'none' | 'all' = 'none'): CheckReport => runCheck({ features, extra: level === 'all', experimental: level === 'all' }, SILENT);

/** Names that criu 4.2 answers to. */
const CRIU_NAMES = ['mnt_id', 'mem_dirty_track', 'aio_remap', 'timerfd', 'tun', 'tun_ns', 'userns', 'fdinfo_lock', 'seccomp_suspend', 'seccomp_filters', 'loginuid',
  'cgroupns', 'autofs', 'tcp_half_closed', 'compat_cr', 'uffd', 'uffd-noncoop', 'can_map_vdso', 'sk_ns', 'sk_unix_file', 'net_diag_raw', 'nsid', 'link_nsid',
  'kcmp_epoll', 'timens', 'external_net_ns', 'clone3_set_tid', 'newifindex', 'nftables', 'has_ipt_legacy', 'pidfd_store', 'ns_pid', 'apparmor_stacking',
  'network_lock_nftables', 'sockopt_buf_lock', 'memfd_hugetlb', 'move_mount_set_group', 'openat2', 'get_rseq_conf', 'ipv6_freebind', 'pagemap_scan', 'timer_cr_ids',
  'overlayfs_maps', 'breakpoints', 'pagemap_scan_guard_pages'];

const features = suite('FEATURES');
features('every name of criu is answered, none twice', () => {
  const names = FEATURES.map(({ name }) => name);
  for (const name of CRIU_NAMES) assert.ok(names.includes(name), name);
  assert.is(new Set(names).size, names.length);
});
features('whatever serves instead of another exists', () => {
  for (const { instead } of FEATURES) if (instead !== undefined) assert.ok(FEATURES.some(({ name }) => name === instead), instead);
});
features.run();

const verdict = suite('runCheck');
verdict('what Stillframe cannot do without is here', () => {
  const report = ask([]);
  assert.is(report.ok, true, report.results.filter(({ ok }) => !ok).map(describe).join('\n'));
  assert.is(report.text, 'Looks good.\n');
});
verdict('--all tries more, and says why for each that is missing', () => {
  const { results, text } = ask([], 'all');
  assert.ok(results.length > ask([]).results.length + 20);
  for (const result of results) if (!result.ok) assert.match(describe(result), /^\S+ is missing: \S.*\. (It is needed for .*; it comes with .*|\S+ serves instead)$/);
  assert.match(text, /^Looks good/);
});
verdict('one feature by name', () => {
  const report = ask(['kcmp', 'memfd', 'network_lock_nftables']);
  assert.is(report.ok, true);
  assert.is(report.text, 'kcmp is supported\nmemfd is supported\nnetwork_lock_nftables is supported\n');
});
verdict('an unknown feature names the closest', () => assert.throws(() => ask(['pagemap_scn']), /unknown feature pagemap_scn\. Did you mean pagemap_scan\?/));
verdict('list names all with what they are for', () => {
  const { text, ok } = ask(['list']);
  assert.is(ok, true);
  assert.is(text.trim().split('\n').length, FEATURES.length);
  assert.match(text, /^kcmp +required +finding what tasks share$/m);
});
verdict.run();

/** The reasons without which a probe that always succeeds would pass the tests above. */
const failing = suite('failing');
failing('a system call that does not exist', () => {
  const host = new Host('nothing');
  try {
    assert.throws(() => host.run((p) => { p.call('kcmp', [0x7fffffff, 0x7fffffff, 1, 0, 0]); }), /this host, nothing: kcmp\(.*\): ESRCH/);
  } finally {
    host.close();
  }
});
failing('a child\'s failed step is told', () => {
  const host = new Host('child');
  try {
    const child = new Program('a test child');
    child.resource('bad descriptor');
    child.call('close', [4000]);
    let started: ReturnType<typeof startChild> | undefined;
    const ran = host.run((p) => { started = startChild(p, child); started.wait(); });
    assert.throws(() => started!.check(ran), /a test child, bad descriptor: close\(4000\): EBADF/);
  } finally {
    host.close();
  }
});
failing('what a probe finds missing is the reason', () => assert.match(missing('no such line').message, /^check: no such line$/));
failing.run();
