/** `crit x DIR ps|fds|mems|rss|sk`: what a set holds, as lines of text, the first four laid out as crit lays them out. */
import type { ImageSet } from '../image/set.ts';
import { needImage, readImage } from '../image/set.ts';
import { fd_types, type core_entry, type fdinfo_entry, type file_entry, type fs_entry, type mm_entry, type pagemap_entry, type pstree_entry, type task_kobj_ids_entry, type vma_entry } from '../image/schema/index.ts';
import { pagesOf } from '../image/tree.ts';
import { toQuotedPrintable } from './bytes.ts';
import { nameOf, showAddress } from './present.ts';

/** Bits of vma_entry.status (criu/include/image.h). */
const Status = { REGULAR: 1 << 0, STACK: 1 << 1, VSYSCALL: 1 << 2, VDSO: 1 << 3, FILE_PRIVATE: 1 << 6, FILE_SHARED: 1 << 7, ANON_SHARED: 1 << 8, SYSVIPC: 1 << 10, SOCKET: 1 << 11 } as const;
const MAP_GROWSDOWN = 0x100;

const right = (value: number | string, width: number): string => String(value).padStart(width);
const hex = (value: bigint, width = 0): string => value.toString(16).padStart(width, '0');

const tasksOf = (set: ImageSet): pstree_entry[] => needImage(set, 'PSTREE').entries.map((entry) => entry.message as pstree_entry);
const one = <M>(set: ImageSet, kind: string, id: number): M | undefined => readImage(set, kind, id)?.entries[0]?.message as M | undefined;

export function explorePs(set: ImageSet): string {
  const tasks = tasksOf(set);
  const pids = new Set(tasks.map((task) => task.pid));
  const children = new Map<number, pstree_entry[]>();
  for (const task of tasks) {
    const siblings = children.get(task.ppid);
    if (siblings === undefined) children.set(task.ppid, [task]);
    else siblings.push(task);
  }
  const lines = [`${right('PID', 7)}${right('PGID', 7)}${right('SID', 7)}   COMM\n`];
  const seen = new Set<number>();
  const show = (task: pstree_entry, depth: number): void => {
    if (seen.has(task.pid)) return;
    seen.add(task.pid);
    const comm = one<core_entry>(set, 'CORE', task.pid)?.tc?.comm ?? '?';
    lines.push(`${right(task.pid, 7)}${right(task.pgid, 7)}${right(task.sid, 7)}   ${' '.repeat(4 * depth)}${comm}\n`);
    for (const child of children.get(task.pid) ?? []) show(child, depth + 1);
  };
  for (const task of tasks) if (task.ppid === 0 || !pids.has(task.ppid)) show(task, 0);
  return lines.join('');
}

/** Names of open files by id, as crit writes them. */
class Files {
  readonly #byId = new Map<number, file_entry>();
  constructor(set: ImageSet) {
    for (const { message } of readImage(set, 'FILES')?.entries ?? []) {
      const file = message as file_entry;
      // where two types share an id, the one crit finds
      if (!this.#byId.has(file.id)) this.#byId.set(file.id, file);
    }
    const old: [string, (id: number, message: object) => Partial<file_entry>][] = [
      ['REG_FILES', (_, reg) => ({ type: fd_types.REG, reg: reg as file_entry['reg'] })],
      ['PIPES', (_, pipe) => ({ type: fd_types.PIPE, pipe: pipe as file_entry['pipe'] })],
      ['UNIXSK', (_, usk) => ({ type: fd_types.UNIXSK, usk: usk as file_entry['usk'] })],
    ];
    for (const [kind, entry] of old) {
      for (const { message } of readImage(set, kind)?.entries ?? []) {
        const { id } = message as { id: number };
        if (!this.#byId.has(id)) this.#byId.set(id, { id, type: fd_types.UND, ...entry(id, message) });
      }
    }
  }

  get(id: number): file_entry | undefined { return this.#byId.get(id); }

  name(type: number, id: number): string {
    const file = this.#byId.get(id);
    switch (type) {
      case fd_types.REG: return file?.reg?.name === undefined || file.reg.name === '' ? 'unknown path' : file.reg.name;
      case fd_types.PIPE: return file?.pipe === undefined ? 'pipe[?]' : `pipe[${file.pipe.pipe_id}]`;
      case fd_types.UNIXSK: {
        if (file?.usk === undefined) return 'unix[?]';
        const { ino, peer, name } = file.usk;
        return `unix[${ino} (${peer})${name.length === 0 ? '' : ` ${toQuotedPrintable(name)}`}]`;
      }
      default: return `${Object.entries(fd_types).find(([, number]) => number === type)?.[0] ?? type}.${id}`;
    }
  }
}

/** Each task with the lines of its descriptor table. A dead task has neither descriptors nor directories. */
function tables(set: ImageSet, line: (entry: fdinfo_entry) => string | undefined, more: (pid: number) => string[]): string {
  const lines: string[] = [];
  for (const { pid } of tasksOf(set)) {
    lines.push(`${pid}\n`);
    const ids = one<task_kobj_ids_entry>(set, 'IDS', pid);
    if (ids === undefined) continue;
    for (const { message } of needImage(set, 'FDINFO', ids.files_id, `ids-${pid}.img`).entries) {
      const entry = message as fdinfo_entry;
      const text = line(entry);
      if (text !== undefined) lines.push(`\t${right(entry.fd, 7)}: ${text}\n`);
    }
    lines.push(...more(pid));
  }
  return lines.join('');
}

export function exploreFds(set: ImageSet): string {
  const files = new Files(set);
  return tables(set, (fd) => files.name(fd.type, fd.id), (pid) => {
    const fs = needImage(set, 'FS', pid).entries[0]!.message as fs_entry;
    return [`\t${right('cwd', 7)}: ${files.name(fd_types.REG, fs.cwd_id)}\n`, `\t${right('root', 7)}: ${files.name(fd_types.REG, fs.root_id)}\n`];
  });
}

export function exploreMems(set: ImageSet): string {
  const files = new Files(set);
  const shared = new Map<bigint, number>();
  const number = (id: bigint): string => {
    if (!shared.has(id)) shared.set(id, shared.size + 1);
    return shared.get(id)!.toString(16);
  };
  const lines: string[] = [];
  for (const { pid } of tasksOf(set)) {
    const mm = one<mm_entry>(set, 'MM', pid);
    lines.push(`${pid}\n`);
    if (mm === undefined) continue;
    lines.push(`\t${'exe'.padEnd(36)}    ${files.name(fd_types.REG, mm.exe_file_id)}\n`);
    for (const vma of mm.vmas) {
      const prot = `${vma.prot & 1 ? 'r' : '-'}${vma.prot & 2 ? 'w' : '-'}${vma.prot & 4 ? 'x' : '-'}`;
      lines.push(`\t${`${hex(vma.start, 8)}-${hex(vma.end, 8)}`.padEnd(36)}${prot}${mappingName(vma, files, number)}\n`);
    }
  }
  return lines.join('');
}

function mappingName(vma: vma_entry, files: Files, number: (id: bigint) => string): string {
  const { status } = vma;
  const rest = status & Status.REGULAR ? '' : ' *';
  if (status & Status.SYSVIPC) return ` ips[${number(vma.shmid)}]${rest}`;
  if (status & Status.ANON_SHARED) return ` shmem[${number(vma.shmid)}]${rest}`;
  if (status & Status.SOCKET) return ` packet[${number(vma.shmid)}]${rest}`;
  if (status & (Status.FILE_PRIVATE | Status.FILE_SHARED)) {
    const offset = vma.pgoff === 0n ? '' : ` + 0x${hex(vma.pgoff)}`;
    return ` ${files.name(fd_types.REG, Number(vma.shmid))}${offset}${status & Status.FILE_SHARED ? ' (s)' : ''}${rest}`;
  }
  if (status & Status.STACK) return ` [stack]${rest}`;
  if (status & Status.VSYSCALL) return ` [vsyscall]${rest}`;
  if (status & Status.VDSO) return ` [vdso]${rest}`;
  return vma.flags & MAP_GROWSDOWN ? ` [stack?]${rest}` : rest;
}

export function exploreRss(set: ImageSet): string {
  const files = new Files(set);
  const lines: string[] = [];
  for (const { pid } of tasksOf(set)) {
    lines.push(`${pid}\n`);
    const vmas = one<mm_entry>(set, 'MM', pid)?.vmas;
    if (vmas === undefined) continue;
    const pages = needImage(set, 'PAGEMAP', pid).entries.slice(1).map((entry) => entry.message as pagemap_entry);
    let at = 0;
    let shown = -1;
    for (const page of pages) {
      const count = pagesOf(page);
      const end = page.vaddr + (count << 12n);
      while (at < vmas.length && vmas[at]!.end <= page.vaddr) at++;
      let text = '';
      for (; at < vmas.length && vmas[at]!.start < end; at++) {
        const vma = vmas[at]!;
        if (at === shown) {
          text += ' ~';
        } else {
          text += ` ${hex(vma.start, 8)} / ${String((vma.end - vma.start) >> 12n).padEnd(8)}`;
          if (vma.status & (Status.FILE_PRIVATE | Status.FILE_SHARED)) text += ` ${files.name(fd_types.REG, Number(vma.shmid))}`;
          shown = at;
        }
        text += `\n\t${' '.repeat(23)}`;
      }
      at--;
      lines.push(`${`\t${hex(page.vaddr)} / ${String(count).padEnd(8)}`.padEnd(24)}${text}\n`);
      if (at < 0) at = 0;
    }
  }
  return lines.join('');
}

/** The sockets of each task: what they are, their state, and their two ends. */
export function exploreSk(set: ImageSet): string {
  const files = new Files(set);
  return tables(set, (fd) => socketText(files.get(fd.id), fd.type), () => []);
}

function socketText(file: file_entry | undefined, type: number): string | undefined {
  const word = (field: string, value: number): string => nameOf('sk', field, value) ?? String(value);
  switch (type) {
    case fd_types.INETSK: {
      if (file?.isk === undefined) return 'inet[?]';
      const { family, proto, state, src_addr, src_port, dst_addr, dst_port } = file.isk;
      const end = (address: readonly number[], port: number): string => {
        const shown = showAddress(address) ?? '*';
        return `${shown.includes(':') ? `[${shown}]` : shown}:${port}`;
      };
      const peer = dst_port === 0 ? '' : ` -> ${end(dst_addr, dst_port)}`;
      return `${word('family', family)} ${word('proto', proto)} ${word('state', state)} ${end(src_addr, src_port)}${peer}`;
    }
    case fd_types.UNIXSK: {
      if (file?.usk === undefined) return 'unix[?]';
      const { ino, peer, type: kind, state, name } = file.usk;
      return `UNIX ${word('type', kind)} ${word('state', state)} ${ino}${peer === 0 ? '' : ` -> ${peer}`}${name.length === 0 ? '' : ` ${toQuotedPrintable(name)}`}`;
    }
    case fd_types.PACKETSK: return file?.psk === undefined ? 'packet[?]' : `PACKET ${word('type', file.psk.type)} protocol ${file.psk.protocol}`;
    case fd_types.NETLINKSK: return file?.nlsk === undefined ? 'netlink[?]' : `NETLINK protocol ${file.nlsk.protocol} port ${file.nlsk.portid}`;
    default: return undefined;
  }
}
