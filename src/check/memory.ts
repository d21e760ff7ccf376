/** Host features that dumping and restoring memory need. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { ERRNO } from '../kernel/errno.ts';
import { IOC, MM, PAGE_IS, UFFD_FEATURE } from '../kernel/probes.ts';
import { Cond, Op, type Program, type ResultRef } from '../program/program.ts';
import type { Feature } from './feature.ts';
import { missing, struct, type Host } from './host.ts';

const PAGE = 4096;
const PLACE = 0x10000000; // free in the helper: it is linked at 0x400000 and small

function mapPage(p: Program, at = PLACE): ResultRef {
  return p.call('mmap', [at, PAGE, MM.PROT_RW, MM.MAP_PRIVATE | MM.MAP_ANONYMOUS | MM.MAP_FIXED, -1, 0], { expect: { equals: at } });
}

/** The features a userfaultfd offers. */
function uffdFeatures(host: Host): number {
  let api: { at(n: number): unknown } | undefined;
  const ran = host.run((p) => {
    const fd = p.call('userfaultfd', [0o2004000 /* O_CLOEXEC | O_NONBLOCK */], { remedy: { EPERM: 'Root, or sysctl vm.unprivileged_userfaultfd=1' } });
    const data = p.data(struct([8, 0xaa], [8, 0], [8, 0]));
    api = data;
    p.call('ioctl', [fd, IOC.UFFDIO_API, data]);
  });
  return Number(ran.data(api as never).readBigUInt64LE(8) & 0xffffffffn);
}

function needUffd(host: Host, bits: Readonly<Record<string, number>>): void {
  const has = uffdFeatures(host);
  const lacking = Object.entries(bits).filter(([, bit]) => (has & bit) === 0).map(([name]) => name);
  if (lacking.length > 0) throw missing(`userfaultfd has no ${lacking.join(', ')}`);
}

/** PAGEMAP_SCAN of the page at PLACE: how many regions have one of these categories. */
function scan(p: Program, category: bigint): ResultRef {
  const fd = p.call('openat', [-100, p.cstring('/proc/self/pagemap'), 0, 0]);
  const regions = p.reserve(24);
  // struct pm_scan_arg: size, flags, start, end, walk_end, vec, vec_len, max_pages, category_inverted, _mask, _anyof_mask, return_mask
  const arg = p.data(struct([8, 96], [8, 0], [8, PLACE], [8, PLACE + PAGE], [8, 0], [8, 0], [8, 1], [8, 0], [8, 0], [8, 0], [8, category], [8, category]));
  p.store(arg.at(40), regions, 8);
  return p.call('ioctl', [fd, IOC.PAGEMAP_SCAN, arg]);
}

export const MEMORY_FEATURES: readonly Feature[] = [
  {
    name: 'map_files', level: 'required', needed: 'finding the files behind mappings', from: 'CONFIG_CHECKPOINT_RESTORE=y, or Linux 4.3',
    probe() { accessSync('/proc/self/map_files', constants.R_OK | constants.X_OK); },
  },
  {
    name: 'memfd', level: 'required', needed: 'the memory in which restored tasks start', from: 'Linux 3.17 with CONFIG_MEMFD_CREATE=y',
    probe(host) { host.run((p) => { p.call('memfd_create', [p.cstring('stillframe'), 1]); }); },
  },
  {
    name: 'pagemap_scan', level: 'extra', needed: 'finding pages quickly, and incremental dumps', from: 'Linux 6.7',
    probe(host) {
      host.run((p) => {
        mapPage(p);
        p.store(p.data(Buffer.alloc(8)), 0, 8);
        p.control(Op.STORE, [PLACE, 1, 8], { keep: false });
        p.control(Op.EXPECT, [scan(p, PAGE_IS.PRESENT), Cond.EQ, 1, ERRNO.EINVAL], { keep: false, resource: 'one present page' });
      });
    },
  },
  {
    name: 'pagemap_scan_guard_pages', level: 'extra', needed: 'memory with guard pages (MADV_GUARD_INSTALL; glibc 2.42 thread stacks)', from: 'Linux 6.15',
    probe(host) {
      host.run((p) => {
        mapPage(p);
        p.call('madvise', [PLACE, PAGE, MM.MADV_GUARD_INSTALL], { resource: 'guard page' });
        p.control(Op.EXPECT, [scan(p, PAGE_IS.GUARD), Cond.EQ, 1, ERRNO.EINVAL], { keep: false, resource: 'one guard page' });
      });
    },
  },
  {
    name: 'uffd_wp_async', level: 'extra', needed: 'tracking changed pages while a program runs', from: 'Linux 6.7',
    probe(host) { needUffd(host, { WP_ASYNC: UFFD_FEATURE.WP_ASYNC }); },
  },
  {
    name: 'mem_dirty_track', level: 'extra', needed: 'incremental dumps that need not compare contents', from: 'Linux 6.7 (asynchronous userfaultfd write-protection), or CONFIG_MEM_SOFT_DIRTY=y',
    probe(host) {
      try {
        needUffd(host, { WP_ASYNC: UFFD_FEATURE.WP_ASYNC });
        return;
      } catch {
        // then the older way
      }
      host.run((p) => {
        mapPage(p);
        const clear = p.call('openat', [-100, p.cstring('/proc/self/clear_refs'), 1, 0]);
        p.call('write', [clear, p.data(Buffer.from('4')), 1]);
        p.control(Op.STORE, [PLACE, 1, 1], { keep: false });
        const pagemap = p.call('openat', [-100, p.cstring('/proc/self/pagemap'), 0, 0]);
        const entry = p.reserve(8);
        p.call('pread64', [pagemap, entry, 8, (PLACE / PAGE) * 8], { expect: { equals: 8 } });
        // Bit 55 is the soft-dirty bit: 0x80 of the seventh byte.
        p.control(Op.EXPECT, [p.load(entry.at(6), 1), Cond.ANY_BIT, 0x80, ERRNO.EOPNOTSUPP], { keep: false, resource: 'soft-dirty bit of a written page' });
      });
    },
  },
  {
    name: 'uffd', level: 'extra', needed: 'restoring pages on demand', from: 'CONFIG_USERFAULTFD=y, and root or vm.unprivileged_userfaultfd=1',
    probe(host) { uffdFeatures(host); },
  },
  {
    name: 'uffd-noncoop', level: 'extra', needed: 'restoring pages on demand in tasks that fork, unmap or move memory', from: 'Linux 4.11',
    probe(host) {
      const { EVENT_FORK, EVENT_REMAP, EVENT_REMOVE, EVENT_UNMAP } = UFFD_FEATURE;
      needUffd(host, { EVENT_FORK, EVENT_REMAP, EVENT_REMOVE, EVENT_UNMAP });
    },
  },
  {
    name: 'aio_remap', level: 'extra', needed: 'tasks that use Linux AIO (io_setup)', from: 'Linux 3.16 with CONFIG_AIO=y',
    probe(host) {
      const TO = 0x20000000;
      host.run((p) => { p.call('io_setup', [16, p.reserve(8)]); });
      const ring = /^([0-9a-f]+)-([0-9a-f]+) .*\/\[aio\]/m.exec(readFileSync(`/proc/${host.pid}/maps`, 'latin1'));
      if (ring === null) throw missing('no /[aio] mapping after io_setup');
      const start = BigInt(`0x${ring[1]}`);
      const size = BigInt(`0x${ring[2]}`) - start;
      host.run((p) => {
        p.call('mremap', [start, size, size, MM.MREMAP_MAYMOVE | MM.MREMAP_FIXED, TO]);
        p.call('io_getevents', [TO, 0, 1, 0, 0], { resource: 'ring that was moved' });
      });
    },
  },
  {
    name: 'memfd_hugetlb', level: 'extra', needed: 'memfds of huge pages', from: 'Linux 4.14 with CONFIG_HUGETLBFS=y',
    probe(host) { host.run((p) => { p.call('memfd_create', [p.cstring('stillframe'), MM.MFD_HUGETLB]); }); },
  },
];
