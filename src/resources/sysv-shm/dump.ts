/**
 * System V shared memory that the tree is attached to. A segment belongs to the IPC namespace, and lives on when the tree has ended unless it was
 * marked for removal: the set has a copy of it, for which a restore looks whether it is still there. What is only there, and that nobody of the tree is
 * attached to, is left alone.
 */
import { statSync } from 'node:fs';
import { create } from '../../image/wire.ts';
import { ipc_desc_entry, ipc_shm_entry } from '../../image/schema/index.ts';
import { errnoName } from '../../kernel/errno.ts';
import { Program } from '../../program/program.ts';
import { readProcLink, readProcNumbers, readProcText, tryReadProcText } from '../../proc/read.ts';
import type { Mapping } from '../../proc/smaps.ts';
import type { DumpContext } from '../../dump/context.ts';
import { heldExtents } from '../../dump/extents.ts';
import { describeTask, type FrozenTask } from '../../dump/frozen.ts';
import type { DumpedMapping } from '../memory/dump.ts';
import { addMemoryContents } from '../shared-memory/dump.ts';
import { IPC, pageBytes, pages, SHM, SHM_HUGETLB, SHMID_DS_SIZE, SYSV_NAME } from './segment.ts';

export const isSysv = ({ name, shared }: Pick<Mapping, 'name' | 'shared'>): boolean => shared && name.startsWith(SYSV_NAME);

interface Attached { readonly task: FrozenTask; readonly pieces: readonly Mapping[] }

const where = (task: FrozenTask, { range, name }: Mapping): string => `${describeTask(task)}, mapping ${range} ${name}`;

/**
 * Reads every segment the tree is attached to into the set. In the frozen window.
 * @param living tasks; of those that share an address space each is given
 * @param ipcId of the namespace in the set
 */
export function collectSegments(living: readonly { readonly task: FrozenTask; readonly mappings: readonly DumpedMapping[]; readonly ids: { readonly vm_id: number } }[], ipcId: number, context: DumpContext): void {
  const byId = new Map<bigint, Attached[]>();
  const seen = new Set<number>();
  for (const { task, mappings, ids } of living) {
    if (seen.has(ids.vm_id)) continue;
    seen.add(ids.vm_id);
    const own = new Map<bigint, Mapping[]>();
    for (const { mapping } of mappings) if (isSysv(mapping)) own.set(mapping.inode, [...own.get(mapping.inode) ?? [], mapping]);
    for (const [id, pieces] of own) byId.set(id, [...byId.get(id) ?? [], { task, pieces }]);
  }
  for (const [id, attached] of byId) collectSegment(id, attached, ipcId, context);
}

function collectSegment(id: bigint, attached: readonly Attached[], ipcId: number, context: DumpContext): void {
  const { task, pieces } = attached[0]!;
  const door = `/proc/${task.pid}/map_files/${pieces[0]!.range}`;
  const program = new Program('helper').resource(`System V shared memory ${id}`);
  const stat = program.reserve(SHMID_DS_SIZE);
  const got = program.call('shmctl', [id, IPC.STAT, stat], { expect: 'any' });
  const held = program.call('openat', [-100, program.cstring(door), 0]);
  const ran = context.helper.local(program).check('dump');
  if (ran.result(got) < 0n) {
    context.refusals.add(where(task, pieces[0]!), `System V shared memory ${id} cannot be asked about (${errnoName(Number(-ran.result(got)))}): is it of another IPC namespace?`, 'Let the program detach it (shmdt) before the dump');
    return;
  }
  const facts = ran.data(stat);
  const word = (at: number): number => facts.readUInt32LE(at);
  const size = facts.readBigUInt64LE(SHM.SIZE);
  const file = statSync(door, { bigint: true });
  const huge = context.hugeDevices.get(file.dev);
  const hugetlb_flag = huge === undefined ? undefined : SHM_HUGETLB | huge;
  for (const one of attached) for (const whole of attachments(one.pieces)) checkWhole(one.task, whole, pages(size, pageBytes(hugetlb_flag)), context);
  const inside = attached.reduce((sum, one) => sum + one.pieces.length, 0);
  if (Number(facts.readBigUInt64LE(SHM.ATTACHED)) !== inside) {
    const others = holders(id, context);
    context.refusals.add(where(task, pieces[0]!), `System V shared memory ${id} is attached outside of the tree as well${others === '' ? '' : ` (${others})`}`, 'Dump those processes together with it, or let one side detach (shmdt)');
  }
  let found = context.tree.ipcns.get(ipcId);
  if (found === undefined) context.tree.ipcns.set(ipcId, found = { shm: [], sem: [], msg: [] });
  const desc = create(ipc_desc_entry, { key: word(SHM.KEY), uid: word(SHM.UID), gid: word(SHM.GID), cuid: word(SHM.CUID), cgid: word(SHM.CGID), mode: word(SHM.MODE), id: Number(id) });
  found.shm.push({ entry: create(ipc_shm_entry, { desc, size, in_pagemaps: true, hugetlb_flag }) });
  const fd = Number(ran.result(held));
  const readable = attached.flatMap((one) => attachments(one.pieces).filter((whole) => whole.every(({ read }) => read)).map(([first]) => ({ pid: one.task.pid, address: first!.start - first!.offset })))[0];
  // files of huge pages do not tell holes
  addMemoryContents(context, { shmid: id, held: fd, size: file.size, mapped: readable, extents: huge === undefined ? heldExtents(context.helper, fd, file.size) : [{ start: 0n, end: file.size }] });
}

/** Pieces of one call of shmat each: mprotect(2) cuts them. */
function attachments(pieces: readonly Mapping[]): Mapping[][] {
  const out = new Map<bigint, Mapping[]>();
  for (const piece of pieces) {
    const base = piece.start - piece.offset;
    out.set(base, [...out.get(base) ?? [], piece]);
  }
  return [...out.values()];
}

function checkWhole(task: FrozenTask, pieces: readonly Mapping[], size: bigint, context: DumpContext): void {
  const covered = pieces.reduce((sum, { start, end }) => sum + end - start, 0n);
  if (covered !== size) context.refusals.add(where(task, pieces[0]!), `only a part of the System V shared memory segment is mapped (${covered} of ${size} bytes)`, 'Let the program detach it (shmdt) before the dump');
}

/** Who else is attached: only looked for when somebody is. Numbers of segments are those of an IPC namespace. Processes that we may not look at are left out. */
function holders(id: bigint, { tasks }: DumpContext): string {
  const own = new Set(tasks.map(({ pid }) => pid));
  const namespace = readProcLink(`/proc/${tasks[0]!.pid}/ns/ipc`);
  const line = new RegExp(` ${id} +/SYSV`, 'mu');
  const isAttached = (pid: number): boolean => {
    try {
      return readProcLink(`/proc/${pid}/ns/ipc`) === namespace && line.test(readProcText(`/proc/${pid}/maps`));
    } catch {
      return false;
    }
  };
  return readProcNumbers('/proc').filter((pid) => !own.has(pid) && isAttached(pid))
    .slice(0, 5).map((pid) => `process ${pid} (${(tryReadProcText(`/proc/${pid}/comm`) ?? '?').trim()})`).join(', ');
}
