/**
 * Asynchronous I/O contexts. A new context's ring is moved to where the old one's was, which the kernel follows; its positions are brought to
 * where they were by requests that do nothing (writes to /dev/null), then the events that waited are put back.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import type { vma_entry } from '../../image/schema/index.ts';
import { fileNames, type Task } from '../../image/tree.ts';
import { AT_FDCWD, O } from '../../kernel/files.ts';
import { addLoop } from '../../program/loop.ts';
import { Cond, Op, type Program, type ResultRef } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import { cut, pageRuns, total, type PageRun } from '../../restore/page-runs.ts';
import { addFills } from '../memory/fill.ts';
import { eventsOf, requestsOf, RING } from './ring.ts';

/** Flags of mremap(2), from <linux/mman.h>. */
const MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2;
/** <linux/aio_abi.h>: size of struct iocb and struct io_event, where an iocb has its opcode, descriptor, buffer and length. */
const IOCB_SIZE = 64, EVENT_SIZE = 32, IOCB = { OPCODE: 16, FD: 20, BUFFER: 24, LENGTH: 32 } as const;
const IOCB_CMD_PWRITE = 1;
const EINVAL = 22;

interface Positions { readonly head: number; readonly tail: number }

/** Where a ring is being read and written; undefined when the set does not say. */
function positionsOf(runs: readonly PageRun[], start: bigint): Positions | undefined {
  const [run] = cut(runs, [{ start, end: start + 4096n }]);
  if (run === undefined || run.start !== start) return undefined;
  const fd = openSync(`${run.set.name}/${fileNames.pages(run.pagesId)}`, 'r');
  try {
    const header = Buffer.alloc(RING.EVENTS);
    if (readSync(fd, header, 0, header.length, run.offset) !== header.length) return undefined;
    return { head: header.readUInt32LE(RING.HEAD), tail: header.readUInt32LE(RING.TAIL) };
  } finally {
    closeSync(fd);
  }
}

/** What speaks against making such a context. @param where names the mapping */
export function checkRing(context: RestoreContext, task: Task, { start, end }: vma_entry, where: string): void {
  const refuse = (why: string): void => context.refuse(where, why, 'The image is damaged: take another');
  if (task.mm?.aios.some(({ id, ring_len }) => id === start && BigInt(ring_len) === end - start) !== true) return refuse('it is the ring of an asynchronous I/O context that mm.img does not list');
  const runs = cut(pageRuns(context.set, { pid: task.pid }), [{ start, end }]);
  if (total(runs) !== end - start) return refuse('the set does not have all pages of this ring of an asynchronous I/O context');
  let positions: Positions | undefined;
  try {
    positions = positionsOf(runs, start);
  } catch {
    return; // a pages file that cannot be read is refused by name elsewhere
  }
  const nr = eventsOf(end - start);
  if (positions === undefined || positions.head >= nr || positions.tail >= nr) refuse('the positions in this ring of an asynchronous I/O context are outside of it');
}

/** Makes one. @param runs the pages of the ring */
export function addRing(p: Program, { start, end }: vma_entry, runs: readonly PageRun[], fdOf: (run: PageRun) => ResultRef): void {
  const nr = eventsOf(end - start);
  const { head, tail } = positionsOf(runs, start)!;
  const made = p.reserve(8);
  p.call('io_setup', [requestsOf(end - start), made], {
    keep: false, remedy: { EAGAIN: 'There are too many asynchronous I/O requests on this system: raise /proc/sys/fs/aio-max-nr', ENOSYS: 'This kernel has no asynchronous I/O (CONFIG_AIO)' },
  });
  const ring = p.load(made, 8);
  p.control(Op.EXPECT, [p.load(p.add(ring, RING.NR), 4), Cond.EQ, nr, EINVAL], {
    keep: false, remedy: { EINVAL: 'This kernel makes rings of another size, as with more CPUs: restore where it was dumped' },
  });
  p.call('mremap', [ring, end - start, end - start, MREMAP_MAYMOVE | MREMAP_FIXED, start], { keep: false, expect: { equals: start } });
  // the kernel counts what it wrote and was not read: so many requests, of which as many are read as the program had read
  const submitted = tail >= head ? tail : nr + tail;
  if (submitted > 0) addRequests(p, start, head, submitted);
  addFills(p, cut(runs, [{ start: start + BigInt(RING.EVENTS), end }]), fdOf);
}

function addRequests(p: Program, ring: bigint, read: number, submitted: number): void {
  const iocb = p.reserve(IOCB_SIZE);
  const list = p.reserve(8);
  const event = p.reserve(EVENT_SIZE);
  const fd = p.call('openat', [AT_FDCWD, p.cstring('/dev/null'), O.WRONLY | O.CLOEXEC, 0]);
  p.store(iocb.at(IOCB.OPCODE), IOCB_CMD_PWRITE, 2);
  p.store(iocb.at(IOCB.FD), fd, 4);
  p.store(iocb.at(IOCB.BUFFER), event);
  p.store(iocb.at(IOCB.LENGTH), 1);
  p.store(list, iocb);
  const submit = (): void => void p.call('io_submit', [ring, 1, list], { keep: false, expect: { equals: 1 } });
  addLoop(p, read, () => {
    submit();
    p.call('io_getevents', [ring, 1, 1, event, 0], { keep: false, expect: { equals: 1 } });
  });
  addLoop(p, submitted - read, submit);
  p.call('close', [fd], { keep: false });
}
