/** Deleted files that are still in use: their contents go into the set, holes as holes. They are read while the tree is frozen. */
import { closeSync, openSync, readSync } from 'node:fs';
import { create } from '../../image/wire.ts';
import { ghost_file_entry, timeval } from '../../image/schema/index.ts';
import { textOf } from '../../image/text.ts';
import { payload } from '../../image/payload.ts';
import type { GhostPart } from '../../image/tree.ts';
import { kernelDevice } from '../../kernel/devices.ts';
import { AT_FDCWD, O, S } from '../../kernel/files.ts';
import { Program } from '../../program/program.ts';
import type { DumpContext } from '../../dump/context.ts';
import { dataExtents } from '../../dump/extents.ts';
import type { FileStat } from '../../kernel/stat.ts';

/** From this size on contents are kept in parts (criu's format does so too). */
const PARTS_FROM = 3n * 4096n;
/** Unit of st_blocks. */
const BLOCK = 512n;

interface Ghost { readonly link: string; readonly stat: FileStat; readonly door: string }

/** Ghosts of a tree already, by the context of their dump. */
const kept = new WeakMap<DumpContext, Map<string, number>>();

export function refuseGhost({ stat }: Ghost, { options }: DumpContext): { why: string; remedy?: string } | undefined {
  const type = Number(stat.mode) & S.IFMT;
  if (type !== S.IFREG && type !== S.IFDIR && type !== S.IFLNK && type !== S.IFIFO && type !== S.IFCHR) return { why: 'it was deleted, and such a file cannot be carried along' };
  const size = stat.blocks * BLOCK;
  if (size <= options.ghostLimit) return undefined;
  return { why: `it was deleted and holds ${size} bytes, more than --ghost-limit (${options.ghostLimit})`, remedy: `Allow it with --ghost-limit ${size}` };
}

/** Reads a deleted file into the set, once. @returns its ghost id */
export function ghostOf(file: Ghost, context: DumpContext): number {
  let ids = kept.get(context);
  if (ids === undefined) kept.set(context, ids = new Map());
  const key = `${file.stat.dev}:${file.stat.ino}`;
  let id = ids.get(key);
  if (id === undefined) {
    ids.set(key, id = ids.size + 1);
    context.tree.ghosts.set(id, readGhost(file, context));
  }
  return id;
}

function readGhost({ stat, door }: Ghost, context: DumpContext): { entry: ghost_file_entry; parts: GhostPart[] } {
  const type = Number(stat.mode) & S.IFMT;
  const parted = type === S.IFREG && stat.size >= PARTS_FROM;
  const entry = create(ghost_file_entry, {
    uid: Number(stat.uid), gid: Number(stat.gid), mode: Number(stat.mode), dev: kernelDevice(stat.dev), ino: stat.ino,
    rdev: type === S.IFCHR ? Number(BigInt.asUintN(32, stat.rdev)) : undefined, atim: timeOf(stat.atimeNs), mtim: timeOf(stat.mtimeNs), chunks: parted ? true : undefined, size: parted ? stat.size : undefined,
    symlnk_target: type === S.IFLNK ? targetOf(door, context) : undefined,
  });
  if (type !== S.IFREG) return { entry, parts: [] };
  const fd = openSync(door, 'r');
  try {
    const extents = parted ? dataExtents(context.helper, fd, stat.size) : [{ start: 0n, end: stat.size }];
    return { entry, parts: extents.map(({ start, end }) => ({ off: start, data: payload(readRange(fd, Number(start), Number(end - start))) })) };
  } finally {
    closeSync(fd);
  }
}

/** Where a symbolic link that somebody holds leads to: read from the link itself, as its name in /proc is one more link. */
function targetOf(door: string, { helper }: DumpContext): string {
  const program = new Program('helper').resource(door);
  const held = program.call('openat', [AT_FDCWD, program.cstring(door), O.PATH | O.CLOEXEC, 0]);
  const target = program.reserve(4096);
  const size = program.call('readlinkat', [held, program.cstring(''), target, 4096]);
  program.call('close', [held], { keep: false });
  const ran = helper.local(program).check('dump');
  return textOf(ran.data(target, Number(ran.result(size))));
}

const timeOf = (ns: bigint): timeval => create(timeval, { tv_sec: ns / 1_000_000_000n, tv_usec: ns % 1_000_000_000n / 1000n });

function readRange(fd: number, offset: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size;) {
    const got = readSync(fd, bytes, at, size - at, offset + at);
    if (got === 0) break;
    at += got;
  }
  return bytes;
}
