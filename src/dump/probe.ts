/** What dump has to know of this host before it freezes anything. Asked once a dump; nothing of it concerns the tree. */
import { PageIs } from '../helper/protocol.ts';
import type { Helper } from '../helper/client.ts';
import { KernelStat, STAT_SIZE } from '../kernel/stat.ts';
import { Program } from '../program/program.ts';

export interface HostFacts {
  /** st_dev of memory files. */
  readonly shmemDevice: bigint;
  /** By st_dev of the kernel's own mounts of huge page files: the bits of memfd_create and mmap that ask for their page size. */
  readonly hugeDevices: ReadonlyMap<bigint, number>;
  /** PAGEMAP_SCAN tells guard pages (Linux 6.15). */
  readonly guards: boolean;
  /** Landlock is active: threads may be confined by it. */
  readonly landlock: boolean;
  /** The CPUs we may run on: the kernel's mask, as long as this kernel makes it. */
  readonly affinity: Uint8Array;
}

/** Bytes of a CPU mask: 8192 CPUs, the most a kernel is built for. */
const MASK_SIZE = 1024;

/** <linux/landlock.h>: landlock_create_ruleset answers with the version instead of making a ruleset. */
const LANDLOCK_CREATE_RULESET_VERSION = 1;

/** memfd_create's flag for huge pages (<linux/memfd.h>), and the logarithms of the sizes x86-64 has, at bit 26. */
const MFD_HUGETLB = 4;
const HUGE_SIZES = [21, 30], HUGE_SHIFT = 26;

export function probeHost(helper: Helper): HostFacts {
  const program = new Program('helper').resource('memory files');
  const fd = program.call('memfd_create', [program.cstring('probe'), 0]);
  const stat = program.reserve(STAT_SIZE);
  program.call('fstat', [fd, stat], { keep: false });
  program.call('close', [fd], { keep: false });
  const huge = HUGE_SIZES.map((log) => {
    program.resource('files of huge pages');
    const made = program.call('memfd_create', [program.cstring('probe'), MFD_HUGETLB | (log << HUGE_SHIFT)], { expect: 'any' });
    const facts = program.reserve(STAT_SIZE);
    const asked = program.call('fstat', [made, facts], { expect: 'any' });
    program.call('close', [made], { keep: false, expect: 'any' });
    return { bits: log << HUGE_SHIFT, facts, asked };
  });
  const mask = program.reserve(MASK_SIZE);
  const size = program.call('sched_getaffinity', [0, MASK_SIZE, mask], { resource: 'CPU affinity' });
  const landlock = program.call('landlock_create_ruleset', [0, 0, LANDLOCK_CREATE_RULESET_VERSION], { expect: 'any', resource: 'Landlock' });
  const ran = helper.local(program).check('dump');
  const hugeDevices = new Map(huge.filter(({ asked }) => ran.result(asked) === 0n).map(({ bits, facts }) => [KernelStat.of(ran.data(facts)).dev, bits]));
  return { hugeDevices, shmemDevice: KernelStat.of(ran.data(stat)).dev, guards: tellsGuards(helper), landlock: ran.result(landlock) > 0n, affinity: Uint8Array.from(ran.data(mask, Number(ran.result(size)))) };
}

function tellsGuards(helper: Helper): boolean {
  try {
    helper.scan(helper.hello.pid, [{ address: 0n, size: 4096n }], { anyOf: PageIs.GUARD, report: PageIs.GUARD });
    return true;
  } catch {
    return false;
  }
}
