/** What dump has to know of this host before it freezes anything. Asked once a dump; nothing of it concerns the tree. */
import { PageIs } from '../helper/protocol.ts';
import type { Helper } from '../helper/client.ts';
import { Program } from '../program/program.ts';

export interface HostFacts {
  /** st_dev of memory files. */
  readonly shmemDevice: bigint;
  /** PAGEMAP_SCAN tells guard pages (Linux 6.15). */
  readonly guards: boolean;
  /** The CPUs we may run on: the kernel's mask, as long as this kernel makes it. */
  readonly affinity: Uint8Array;
}

/** Offset and size of st_dev in struct stat of x86-64 (<asm/stat.h>). */
const ST_DEV_AT = 0, STAT_SIZE = 144;
/** Bytes of a CPU mask: 8192 CPUs, the most a kernel is built for. */
const MASK_SIZE = 1024;

export function probeHost(helper: Helper): HostFacts {
  const program = new Program('helper').resource('memory files');
  const fd = program.call('memfd_create', [program.cstring('probe'), 0]);
  const stat = program.reserve(STAT_SIZE);
  program.call('fstat', [fd, stat], { keep: false });
  program.call('close', [fd], { keep: false });
  const mask = program.reserve(MASK_SIZE);
  const size = program.call('sched_getaffinity', [0, MASK_SIZE, mask], { resource: 'CPU affinity' });
  const ran = helper.local(program).check('dump');
  return { shmemDevice: ran.data(stat).readBigUInt64LE(ST_DEV_AT), guards: tellsGuards(helper), affinity: Uint8Array.from(ran.data(mask, Number(ran.result(size)))) };
}

function tellsGuards(helper: Helper): boolean {
  try {
    helper.scan(helper.hello.pid, [{ address: 0n, size: 4096n }], { anyOf: PageIs.GUARD, report: PageIs.GUARD });
    return true;
  } catch {
    return false;
  }
}
