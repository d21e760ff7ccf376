/**
 * Memory files: memfd and shared anonymous memory (which the kernel keeps in a file of the same kind). Each is in the set once, with the
 * pages that hold data, whoever maps it or has it open.
 */
import { create } from '../../image/wire.ts';
import { fd_types, file_entry, fown_entry, memfd_file_entry, memfd_inode_entry } from '../../image/schema/index.ts';
import { F, S } from '../../kernel/files.ts';
import { Program } from '../../program/program.ts';
import type { DumpContext } from '../../dump/context.ts';
import type { FileKind } from '../../dump/file-kinds.ts';
import { heldExtents, type Extent } from '../../dump/extents.ts';
import { NO_OWNER } from '../regular/dump.ts';
import type { FileStat } from '../../kernel/stat.ts';

const PREFIX = '/memfd:', DELETED = ' (deleted)';
const PAGE = 4096n;
/** F_SEAL_SEAL: what a memory file has that was made without sealing. */
const F_SEAL_SEAL = 1;
/** memfd_create's flag for huge pages (<linux/memfd.h>). */
const MFD_HUGETLB = 4;

interface MemoryFile {
  readonly link: string;
  readonly stat: FileStat;
  /** A link in /proc that leads to the file itself. */
  readonly door: string;
}

/** A memory file with its contents' place: pages are written once the tree's own are. */
export interface MemoryContents {
  readonly shmid: bigint; readonly held: number; readonly size: bigint; readonly extents: readonly Extent[];
  /** It is read where a task has all of it mapped: a file's last page may hold bytes behind its end. */
  readonly mapped?: { readonly pid: number; readonly address: bigint };
}

interface State { readonly inodes: Map<bigint, memfd_inode_entry>; readonly mapped: Map<bigint, number>; readonly contents: MemoryContents[] }
const states = new WeakMap<DumpContext, State>();

function stateOf(context: DumpContext): State {
  let state = states.get(context);
  if (state === undefined) states.set(context, state = { inodes: new Map(), mapped: new Map(), contents: [] });
  return state;
}

/** What is to be copied into the set. */
export function memoryContents(context: DumpContext): readonly MemoryContents[] {
  return stateOf(context).contents;
}

/** Has the contents of another memory object copied, under a number that is not a memory file's (`reservedShmids`). */
export function addMemoryContents(context: DumpContext, contents: MemoryContents): void {
  stateOf(context).contents.push(contents);
}

/** Under which number its pages are kept: its inode's, when that is free. */
function newShmid(inode: bigint, context: DumpContext): number {
  let id = Number(BigInt.asUintN(32, inode));
  while (context.reservedShmids.has(id)) id = (id + 1) >>> 0;
  context.reservedShmids.add(id);
  return id;
}

/** The memory file's inode entry, made when first seen: the helper opens the file for its contents. In the frozen window. */
function inodeOf(file: MemoryFile, context: DumpContext): memfd_inode_entry {
  const { inodes, contents } = stateOf(context);
  const old = inodes.get(file.stat.ino);
  if (old !== undefined) return old;
  const program = new Program('helper').resource(file.link);
  const held = program.call('openat', [-100, program.cstring(file.door), 0]);
  const seals = program.call('fcntl', [held, F.GET_SEALS], { expect: 'any' });
  const ran = context.helper.local(program).check('dump');
  const fd = Number(ran.result(held));
  const { stat } = file;
  const bare = file.link.endsWith(DELETED) ? file.link.slice(0, -DELETED.length) : file.link;
  const huge = context.hugeDevices.get(stat.dev);
  const inode = create(memfd_inode_entry, {
    name: bare.startsWith(PREFIX) ? bare.slice(PREFIX.length) : bare, uid: Number(stat.uid), gid: Number(stat.gid), size: stat.size,
    shmid: newShmid(stat.ino, context), seals: ran.result(seals) < 0n ? F_SEAL_SEAL : Number(ran.result(seals)), inode_id: BigInt(inodes.size + 1), mode: Number(stat.mode),
    hugetlb_flag: huge === undefined ? undefined : MFD_HUGETLB | huge,
  });
  inodes.set(stat.ino, inode);
  context.tree.memfds.push(inode);
  // files of huge pages do not tell holes, only that they are empty
  const empty = huge !== undefined && stat.blocks === 0n;
  contents.push({ shmid: BigInt(inode.shmid), held: fd, size: stat.size, extents: empty ? [] : heldExtents(context.helper, fd, (stat.size + PAGE - 1n) / PAGE * PAGE) });
  return inode;
}

/** The id of the file entry that stands for a mapping of a memory file. */
export function mappedMemoryFile(file: MemoryFile, context: DumpContext): number {
  const { mapped } = stateOf(context);
  let id = mapped.get(file.stat.ino);
  if (id === undefined) {
    mapped.set(file.stat.ino, id = context.newFileId());
    const memfd = create(memfd_file_entry, { id, flags: 0, pos: 0n, fown: create(fown_entry, NO_OWNER), inode_id: Number(inodeOf(file, context).inode_id) });
    context.tree.files.set(id, create(file_entry, { type: fd_types.MEMFD, id, memfd }));
  }
  return id;
}

export const memoryFiles: FileKind = {
  type: fd_types.MEMFD,
  claims: ({ stat }, { shmemDevice, hugeDevices }) => (stat.dev === shmemDevice || hugeDevices.has(stat.dev)) && (Number(stat.mode) & S.IFMT) === S.IFREG,
  refuse: () => undefined,
  keep: (file, context) => {
    const { task, fd, link, stat } = file.descriptors[0]!;
    inodeOf({ link, stat, door: `/proc/${task.pid}/fd/${fd}` }, context);
  },
  entry: (file, context) => {
    const { info, stat } = file.descriptors[0]!;
    const inode = stateOf(context).inodes.get(stat.ino)!;
    return { memfd: create(memfd_file_entry, { id: file.id, flags: info.flags, pos: info.pos, fown: create(fown_entry, file.owner), inode_id: Number(inode.inode_id) }) };
  },
};
