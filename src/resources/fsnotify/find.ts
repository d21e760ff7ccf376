/**
 * The names of watched files. The kernel tells a watch by device, inode and file handle; the handle is opened (O_PATH: nobody notices) and the
 * name it has is read. In the frozen window, before anything is changed.
 */
import { lstatSync, opendirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DumpContext } from '../../dump/context.ts';
import type { OpenFile } from '../../dump/file-kinds.ts';
import { fh_entry } from '../../image/schema/index.ts';
import { bytesOf, textOf } from '../../image/text.ts';
import { create } from '../../image/wire.ts';
import { kernelDevice } from '../../kernel/devices.ts';
import { AT_FDCWD, O } from '../../kernel/files.ts';
import { parseMountInfo, type Mount } from '../../proc/mountinfo.ts';
import { Program } from '../../program/program.ts';
import type { FileStat } from '../../kernel/stat.ts';

/** A watched inode; `device` in the kernel's layout. */
export interface Watched { readonly inode: bigint; readonly device: number; readonly handle: fh_entry }

/** The name, or that the file is one the tree has open without a name, or that the handle is all there is. */
export type Found = { readonly path: string } | { readonly deleted: OpenFile } | { readonly handleOnly: true } | undefined;

const HANDLE_WORDS = 16;
/** The helper's number for what a handle led to while its name is asked for. */
const SPOT = 998;
const MAX_PATH = 4096;
const BATCH = 512;
/** File systems whose inodes and handles are others after a remount: a handle alone is worth nothing. */
const VOLATILE: ReadonlySet<string> = new Set(['tmpfs', 'devtmpfs', 'ramfs']);
/** Where programs mostly put watches (CRIU looks there too). */
const USUAL = [
  '/etc', '/var/spool', '/var/log', '/usr/share/dbus-1/services', '/usr/share/dbus-1/system-services', '/var/lib/polkit-1/localauthority',
  '/usr/share/polkit-1/actions', '/lib/udev', '/var/lib',
];

/** `fhandle-bytes:8 fhandle-type:1 f_handle:af0200...` as fdinfo has it. */
export function parseHandle(bytes: string, type: string, hex: string): fh_entry {
  const raw = Buffer.alloc(HANDLE_WORDS * 8);
  raw.write(hex.slice(0, raw.length * 2), 'hex');
  return create(fh_entry, { bytes: parseInt(bytes, 16), type: parseInt(type, 16), handle: Array.from({ length: HANDLE_WORDS }, (_, i) => raw.readBigUInt64LE(i * 8)) });
}

/** struct file_handle */
export function encodeHandle({ bytes, type, handle }: fh_entry): Buffer {
  const raw = Buffer.alloc(8 + HANDLE_WORDS * 8);
  raw.writeUInt32LE(bytes, 0);
  raw.writeInt32LE(type | 0, 4);
  handle.slice(0, HANDLE_WORDS).forEach((word, i) => raw.writeBigUInt64LE(BigInt.asUintN(64, word), 8 + i * 8));
  return raw.subarray(0, 8 + bytes);
}

export class WatchedFiles {
  readonly #mounts: readonly Mount[];
  readonly #known = new Map<string, Found>();
  #scanned: Map<string, string> | undefined;

  constructor(readonly context: DumpContext, readonly files: readonly OpenFile[]) {
    this.#mounts = parseMountInfo(readFileSync(`/proc/${context.tasks[0]!.pid}/mountinfo`, 'latin1'));
  }

  mount(id: number): Mount | undefined {
    return this.#mounts.find((mount) => mount.id === id);
  }

  /** Looks many up at once; `get` then answers. */
  lookUp(watches: readonly Watched[]): void {
    const fresh = new Map(watches.map((watch) => [keyOf(watch), watch] as const).filter(([key]) => !this.#known.has(key)));
    const links = new Map<string, string>();
    for (let left = [...fresh.values()], round = 0; left.length > 0; round++) {
      const asked = left.flatMap((watch) => {
        const mount = this.#mounts.filter(({ device }) => device === watch.device)[round];
        return mount === undefined ? [] : [{ watch, mount }];
      });
      for (const [watch, link] of this.#askLinks(asked)) links.set(keyOf(watch), link);
      left = asked.map(({ watch }) => watch).filter((watch) => !links.has(keyOf(watch)));
    }
    for (const [key, watch] of fresh) this.#known.set(key, this.#decide(watch, links.get(key)));
  }

  get(watch: Watched): Found { return this.#known.get(keyOf(watch)); }

  #askLinks(asked: readonly { watch: Watched; mount: Mount }[]): [Watched, string][] {
    const found: [Watched, string][] = [];
    for (let at = 0; at < asked.length; at += BATCH) {
      const program = new Program('helper').resource('watched files');
      const links = asked.slice(at, at + BATCH).map(({ watch, mount }) => {
        // the mount is named by the working directory: a descriptor for this may not be O_PATH, and opening it otherwise could be watched
        program.call('chdir', [program.cstring(bytesOf(mount.path))], { expect: 'any', keep: false });
        const file = program.call('open_by_handle_at', [AT_FDCWD, program.data(encodeHandle(watch.handle)), O.PATH | O.CLOEXEC], { expect: 'any' });
        const spot = program.call('dup3', [file, SPOT, O.CLOEXEC], { expect: 'any' });
        const path = program.reserve(MAX_PATH);
        const size = program.call('readlinkat', [AT_FDCWD, program.cstring(`/proc/self/fd/${SPOT}`), path, MAX_PATH], { expect: 'any' });
        for (const fd of [file, spot]) program.call('close', [fd], { expect: 'any', keep: false });
        return { watch, spot, path, size };
      });
      program.call('chdir', [program.cstring('/')], { keep: false });
      const ran = this.context.helper.local(program).check('dump');
      for (const { watch, spot, path, size } of links) {
        if (ran.result(spot) === BigInt(SPOT) && ran.result(size) > 0n) found.push([watch, textOf(ran.data(path, Number(ran.result(size))))]);
      }
    }
    return found;
  }

  #decide(watch: Watched, path: string | undefined): Found {
    if (path !== undefined && leadsTo(path, watch)) return { path };
    const open = this.files.find(({ descriptors }) => isIt(descriptors[0]!.stat, watch));
    if (open !== undefined) {
      const name = open.descriptors[0]!.link;
      return leadsTo(name, watch) ? { path: name } : { deleted: open };
    }
    const force = this.context.options.given.has('force-irmap');
    const type = this.#mounts.find(({ device }) => device === watch.device)?.type;
    if (path !== undefined && !force && type !== undefined && !VOLATILE.has(type)) return { handleOnly: true };
    const scanned = this.#scan().get(keyOf(watch));
    return scanned === undefined ? undefined : { path: scanned };
  }

  /** Names by inode below the usual places and those of --irmap-scan-path. */
  #scan(): ReadonlyMap<string, string> {
    if (this.#scanned !== undefined) return this.#scanned;
    const names = new Map<string, string>();
    const visit = (path: string, depth: number): void => {
      try {
        const stat = lstatSync(path, { bigint: true });
        const key = `${kernelDevice(stat.dev)}:${stat.ino}`;
        if (names.has(key)) return;
        names.set(key, path);
        if (!stat.isDirectory() || depth === 0) return;
        const directory = opendirSync(path);
        try {
          for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) visit(join(path, entry.name), depth - 1);
        } finally {
          directory.closeSync();
        }
      } catch {
        // gone or not ours to read: not where the watch is
      }
    };
    for (const path of this.context.options.given.get('irmap-scan-path') ?? []) visit(path, 64);
    for (const path of USUAL) visit(path, 64);
    visit('/', 1);
    return this.#scanned = names;
  }
}

const keyOf = ({ device, inode }: Watched): string => `${device}:${inode}`;
const isIt = (stat: Pick<FileStat, 'dev' | 'ino'>, { inode, device }: Watched): boolean => stat.ino === inode && kernelDevice(stat.dev) === device;

function leadsTo(path: string, { inode }: Watched): boolean {
  const name = Buffer.from(bytesOf(path));
  try {
    return lstatSync(name, { bigint: true }).ino === inode || statSync(name, { bigint: true }).ino === inode;
  } catch {
    return false;
  }
}

export const NOT_FOUND_REMEDY = 'Name a directory above the watched file with --irmap-scan-path';
