/**
 * What can be seen of a process tree from outside (/proc): to compare before and after a checkpoint. After a dump with -R nothing
 * may differ; after a restore only what cannot be the same (inode numbers of pipes, the parent of the root).
 */
import { lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { treeOf } from './program.ts';

/** Says how a file was to be opened, not what the description is. */
const O_DIRECTORY = 0o200000;

export type Snapshot = Map<string, string>;

const read = (path: string): string => {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    return `(${(error as NodeJS.ErrnoException).code ?? 'error'})`;
  }
};
const link = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch (error) {
    return `(${(error as NodeJS.ErrnoException).code ?? 'error'})`;
  }
};

/** Lines of /proc/PID/status that a checkpoint must keep. */
const STATUS = ['Name', 'Umask', 'State', 'Tgid', 'Pid', 'PPid', 'TracerPid', 'Uid', 'Gid', 'Groups', 'NStgid', 'NSpid', 'NSpgid', 'NSsid', 'Threads',
  'SigPnd', 'ShdPnd', 'SigBlk', 'SigIgn', 'SigCgt', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp', 'VmLck', 'THP_enabled'];

export interface SnapshotOptions {
  /** For a comparison across a restore: pipes get names by their order, State and the root's parent are left out. */
  readonly acrossRestore?: boolean;
}

/** Takes the picture. Tasks should be quiet (sleeping), else State and positions differ by themselves. */
export function snapshot(root: number, { acrossRestore = false }: SnapshotOptions = {}): Snapshot {
  const seen: Snapshot = new Map();
  const pipes = new Map<string, string>();
  const named = (target: string): string => {
    // a deleted file comes back as another deleted file
    if (acrossRestore && target.endsWith(' (deleted)')) return '(deleted file)';
    if (!acrossRestore || !/^(pipe|socket):\[/.test(target)) return target;
    if (!pipes.has(target)) pipes.set(target, `${target.split(':')[0]} ${pipes.size}`);
    return pipes.get(target)!;
  };
  for (const pid of treeOf(root)) {
    const put = (key: string, value: string): void => { seen.set(`${pid} ${key}`, value); };
    for (const tid of tidsOf(pid)) {
      const status = read(`/proc/${pid}/task/${tid}/status`);
      for (const name of STATUS) {
        if (/^State:\s+[ZX]/m.test(status) && /^S(ig|hd)/.test(name)) continue; // a dead task has no use for signals
        if (acrossRestore && (name === 'State' || (name === 'PPid' && pid === root))) continue;
        let value = new RegExp(`^${name}:[ \t]*(.*)$`, 'm').exec(status)?.[1] ?? '(none)';
        if (name === 'State') value = value.replace(/^[RSD] .*/, 'running or asleep');
        put(`thread ${tid} ${name}`, value);
      }
      const stat = read(`/proc/${pid}/task/${tid}/stat`);
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      // numbers of proc(5), minus 3: pgrp session tty priority nice exit_signal rt_priority policy
      for (const [name, at] of [['pgrp', 2], ['session', 3], ['tty', 4], ['priority', 15], ['nice', 16], ['exit_signal', 35], ['rt_priority', 37], ['policy', 38]] as const) {
        put(`thread ${tid} ${name}`, fields[at] ?? '');
      }
      put(`thread ${tid} comm`, read(`/proc/${pid}/task/${tid}/comm`));
    }
    for (const file of ['cmdline', 'environ', 'auxv', 'limits', 'oom_score_adj', 'timers', 'timerslack_ns', 'personality', 'coredump_filter', 'loginuid']) {
      put(file, read(`/proc/${pid}/${file}`).replace(/\0/g, ' '));
    }
    for (const name of ['exe', 'cwd', 'root']) put(name, link(`/proc/${pid}/${name}`));
    memory(pid, put, acrossRestore);
    for (const fd of list(`/proc/${pid}/fd`)) {
      const info = read(`/proc/${pid}/fdinfo/${fd}`).split('\n').filter((line) => /^(pos|flags|lock)/.test(line)).join(' ')
        .replace(/flags:\s+(\d+)/, (_, flags: string) => `flags: ${(parseInt(flags, 8) & ~O_DIRECTORY).toString(8)}`);
      put(`fd ${fd}`, `${named(link(`/proc/${pid}/fd/${fd}`))} ${info} mode ${mode(`/proc/${pid}/fd/${fd}`)}`);
    }
  }
  return seen;
}

interface Mapping { start: bigint; end: bigint; access: string; offset: bigint; inode: string; path: string; flags: string }

function memory(pid: number, put: (key: string, value: string) => void, acrossRestore: boolean): void {
  let mappings: Mapping[] = [];
  for (const line of read(`/proc/${pid}/smaps`).split('\n')) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) (\S+ \d+)\s*(.*)$/.exec(line);
    if (head) {
      const [, start, end, access, offset, inode, path] = head as unknown as string[];
      mappings.push({ start: hex(start!), end: hex(end!), access: access!, offset: hex(offset!), inode: inode!, path: path!, flags: '' });
    }
    // sd (soft-dirty) and ac (accounting) are not state of the program
    const flags = /^VmFlags:\s*(.*)$/.exec(line);
    if (flags) mappings.at(-1)!.flags = flags[1]!.split(' ').filter((flag) => flag !== '' && flag !== 'sd' && !(acrossRestore && flag === 'ac')).join(' ');
  }
  if (acrossRestore) mappings = merged(mappings.map(unnamed));
  for (const { start, end, access, offset, inode, path, flags } of mappings) {
    put(`map ${start.toString(16)}-${end.toString(16)}`, `${access} ${offset.toString(16)} ${inode} ${path} [${flags}]`);
  }
}

const hex = (text: string): bigint => BigInt(`0x${text}`);

/** What the kernel numbers or names by itself: anonymous memory has no inode, a shared one may come back
 * under another name, as a deleted file may. */
function unnamed(mapping: Mapping): Mapping {
  const path = mapping.path.endsWith(' (deleted)') ? '(deleted file)' : mapping.path.replace(/^socket:\[\d+\]$/u, 'socket');
  return { ...mapping, path, inode: path.startsWith('/') ? mapping.inode : '' };
}

/** Whether two neighbours are one mapping or two depends on their history (anon_vma), not on what they are. */
function merged(mappings: readonly Mapping[]): Mapping[] {
  const out: Mapping[] = [];
  for (const mapping of mappings) {
    const last = out.at(-1);
    const follows = last !== undefined && last.end === mapping.start && last.access === mapping.access && last.path === mapping.path
      && last.inode === mapping.inode && last.flags === mapping.flags && (mapping.inode === '' || last.offset + (last.end - last.start) === mapping.offset);
    if (follows) last.end = mapping.end;
    else out.push({ ...mapping });
  }
  return out;
}

const tidsOf = (pid: number): string[] => list(`/proc/${pid}/task`);
const list = (dir: string): string[] => {
  try {
    return readdirSync(dir).sort((a, b) => Number(a) - Number(b));
  } catch {
    return [];
  }
};
const mode = (path: string): string => {
  try {
    return (lstatSync(path).mode & 0o700).toString(8);
  } catch {
    return '?';
  }
};

/** What differs, one line each; empty when the two are the same. `except` are keys that may differ. */
export function differences(before: Snapshot, after: Snapshot, except: readonly RegExp[] = []): string[] {
  const lines: string[] = [];
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const [old, fresh] = [before.get(key), after.get(key)];
    if (old !== fresh && !except.some((pattern) => pattern.test(key))) lines.push(`${key}: ${old ?? '(absent)'} -> ${fresh ?? '(absent)'}`);
  }
  return lines;
}
