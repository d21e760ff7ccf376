/**
 * `image check --host`: whether this machine has what the set's tasks need. Reads /proc and files only; nothing is tried.
 * (`stillframe check` tries kernel features for real.) Not on Linux: says that it could not look.
 */
import { open, readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { core_entry_march } from '../../image/schema/index.ts';
import { isDead } from '../../image/tree.ts';
import { fileModeType } from '../names.ts';
import { threadIds } from '../load.ts';
import type { Finding } from '../finding.ts';
import type { OpenSet } from '../open.ts';
import { CheckContext, taskText } from '../check/context.ts';
import { otherFileUses } from '../files.ts';

export interface HostOptions {
  /** Root of the file system the tasks will be restored in. */
  readonly root?: string;
}

/** Node's names of architectures. */
const ARCHES: Readonly<Record<number, string>> = {
  [core_entry_march.X86_64]: 'x64', [core_entry_march.ARM]: 'arm', [core_entry_march.AARCH64]: 'arm64', [core_entry_march.PPC64]: 'ppc64', [core_entry_march.S390]: 's390x',
  [core_entry_march.MIPS]: 'mips', [core_entry_march.LOONGARCH64]: 'loong64', [core_entry_march.RISCV64]: 'riscv64',
};

export async function checkHost(set: OpenSet, { root = '/' }: HostOptions = {}): Promise<Finding[]> {
  const check = new CheckContext(set, 0);
  if (process.platform !== 'linux') {
    check.add('host/skipped', { why: `this is ${process.platform}: nothing of a Linux host can be looked at here` });
    return check.finish();
  }
  checkArchitecture(check);
  await checkCpu(check);
  await checkPids(check);
  await checkPorts(check);
  await checkFiles(check, root);
  await checkKernel(check);
  return check.finish();
}

/** Whether the tasks are in the namespace the set was dumped from, which a restore takes this host's for. */
function sharesNamespace(set: OpenSet, field: 'pid_ns_id' | 'net_ns_id' | 'mnt_ns_id'): boolean {
  const root = set.tree.inventory.root_ids?.[field];
  return [...set.tree.tasks.values()].every((task) => task.ids === undefined || root === undefined || task.ids[field] === undefined || task.ids[field] === root);
}

function checkArchitecture(check: CheckContext): void {
  for (const task of check.tree.tasks.values()) {
    const arch = ARCHES[task.core.mtype];
    if (arch !== undefined && arch !== process.arch) {
      check.add('host/architecture', { where: taskText(task), why: `it ran on ${arch}; this is ${process.arch}` });
      return;
    }
  }
}

/** xsave component bits (Intel SDM vol. 1, 13.1) and the /proc/cpuinfo flag that stands for each. */
const XFEATURES: readonly (readonly [bigint, string])[] = [[4n, 'avx'], [0x18n, 'mpx'], [0xe0n, 'avx512f'], [0x200n, 'pku'], [0x800n, 'user_shstk'], [0x60000n, 'amx_tile']];

async function checkCpu(check: CheckContext): Promise<void> {
  if (process.arch !== 'x64') return;
  const text = await readFile('/proc/cpuinfo', 'latin1').catch(() => '');
  const flags = new Set(/^flags\s*:\s*(.*)$/m.exec(text)?.[1]?.split(' '));
  if (flags.size === 0) {
    check.add('host/skipped', { why: '/proc/cpuinfo lists no flags: CPU features were not compared' });
    return;
  }
  for (const task of check.tree.tasks.values()) {
    let used = 0n;
    for (const core of task.threads.values()) used |= core.thread_info?.fpregs?.xsave?.xstate_bv ?? 0n;
    for (const [bits, flag] of XFEATURES) {
      if ((used & bits) !== 0n && !flags.has(flag)) check.add('host/cpu', { file: `core-${task.pid}.img`, where: taskText(task), why: `its registers hold ${flag} state, which this processor does not have` });
    }
  }
}

async function checkPids(check: CheckContext): Promise<void> {
  if (!sharesNamespace(check.set, 'pid_ns_id')) return;
  for (const task of check.tree.tasks.values()) {
    for (const tid of threadIds(task)) {
      const comm = await readFile(`/proc/${tid}/comm`, 'utf8').then((text) => text.trim(), () => undefined);
      if (comm !== undefined) check.add('host/pid', { where: taskText(task), why: `pid ${tid} is taken by ${comm}`, remedy: 'End that process, or restore in a pid namespace of its own.' });
    }
  }
}

async function checkPorts(check: CheckContext): Promise<void> {
  if (!sharesNamespace(check.set, 'net_ns_id')) return;
  const tables = new Map<string, string[]>();
  for (const name of ['tcp', 'tcp6', 'udp', 'udp6']) {
    const text = await readFile(`/proc/net/${name}`, 'latin1').catch(() => '');
    tables.set(name, text.split('\n').slice(1));
  }
  const taken = (protocol: 'tcp' | 'udp', port: number): boolean => [protocol, `${protocol}6`].some((name) => tables.get(name)!.some((line) => {
    const [, local, , state] = line.trim().split(/\s+/);
    return local !== undefined && parseInt(local.split(':').at(-1)!, 16) === port && (protocol === 'udp' || state === '0A');
  }));
  for (const { isk, id } of check.tree.files.values()) {
    if (isk === undefined || isk.src_port === 0 || (isk.proto !== 6 && isk.proto !== 17)) continue;
    const protocol = isk.proto === 6 ? 'tcp' : 'udp';
    if ((protocol === 'udp' || isk.state === 10) && taken(protocol, isk.src_port)) {
      check.add('host/port', { file: 'files.img', where: `file ${id}`, why: `${protocol} port ${isk.src_port} is taken`, remedy: `'ss -lpn${protocol[0]} sport = :${isk.src_port}' names who has it.` });
    }
  }
}

async function checkFiles(check: CheckContext, root: string): Promise<void> {
  if (root === '/' && !sharesNamespace(check.set, 'mnt_ns_id')) {
    check.add('host/skipped', { why: 'the tasks have mounts of their own: their files were not looked at', remedy: 'Name the root they will have with --root.' });
    return;
  }
  const remapped = new Set(check.tree.remaps.map((remap) => remap.orig_id));
  const mapped = otherFileUses(check.set);
  const seen = new Set<string>();
  for (const { id, reg } of check.tree.files.values()) {
    if (reg === undefined || seen.has(reg.name) || remapped.has(id) || !reg.name.startsWith('/') || reg.name.startsWith('/proc/') || reg.ext === true) continue;
    seen.add(reg.name);
    const where = reg.name;
    const info = await stat(join(root, reg.name)).catch(() => undefined);
    if (info === undefined) check.add('host/file', { file: 'files.img', where, why: 'there is no such file on this host' });
    else if (reg.mode !== undefined && fileModeType(reg.mode) !== fileModeType(info.mode)) check.add('host/file', { file: 'files.img', where, why: `it is a ${fileModeType(info.mode)}; at the dump it was a ${fileModeType(reg.mode)}` });
    else if (reg.size !== undefined && info.isFile() && BigInt(info.size) !== reg.size) check.add('host/file-changed', { file: 'files.img', where, why: `it has ${info.size} bytes; at the dump it had ${reg.size}` });
    else if (reg.build_id.length > 0 && mapped.has(id)) {
      const now = await buildIdOf(join(root, reg.name));
      const then = reg.build_id.map((word) => word.toString(16).padStart(8, '0').match(/../g)!.reverse().join('')).join('');
      if (now !== undefined && now !== then) check.add('host/file-changed', { file: 'files.img', where, why: `its build id is ${now}; at the dump it was ${then}` });
    }
  }
}

/** The GNU build id of an ELF file, in hexadecimal. Only the first 16 MiB are searched for the note. (elf.h) */
async function buildIdOf(path: string): Promise<string | undefined> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const head = Buffer.alloc(64);
    await file.read(head, 0, 64, 0);
    if (head.toString('latin1', 0, 4) !== '\x7fELF' || head[4] !== 2 || head[5] !== 1) return undefined;
    const [offset, entry, count] = [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), head.readUInt16LE(56)];
    for (let i = 0; i < Math.min(count, 64); i++) {
      const program = Buffer.alloc(56);
      await file.read(program, 0, 56, offset + i * entry);
      const size = Number(program.readBigUInt64LE(32));
      if (program.readUInt32LE(0) !== 4 || size > 16 << 20) continue;
      const notes = Buffer.alloc(size);
      await file.read(notes, 0, size, Number(program.readBigUInt64LE(8)));
      for (let at = 0; at + 12 <= size;) {
        const [nameSize, descSize, type] = [notes.readUInt32LE(at), notes.readUInt32LE(at + 4), notes.readUInt32LE(at + 8)];
        const desc = at + 12 + (nameSize + 3 & ~3);
        if (type === 3 && notes.toString('latin1', at + 12, at + 15) === 'GNU') return notes.toString('hex', desc, desc + descSize);
        at = desc + (descSize + 3 & ~3);
      }
    }
    return undefined;
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

/** Namespaces and other things of the kernel that the set has, and where the kernel shows that it has them. */
async function checkKernel(check: CheckContext): Promise<void> {
  const { tree } = check;
  const namespaces = new Set(await readdir('/proc/self/ns').catch(() => []));
  const needs: readonly (readonly [boolean, string, string])[] = [
    [tree.timens.size > 0, 'time', 'time namespaces (CONFIG_TIME_NS)'], [tree.userns.size > 0, 'user', 'user namespaces (CONFIG_USER_NS)'],
    [tree.netns.size > 0, 'net', 'network namespaces (CONFIG_NET_NS)'], [tree.ipcns.size > 0, 'ipc', 'IPC namespaces (CONFIG_IPC_NS)'], [tree.mntns.size > 0, 'mnt', 'mount namespaces'],
  ];
  for (const [needed, name, what] of needs) if (needed && namespaces.size > 0 && !namespaces.has(name)) check.add('host/kernel', { why: `this kernel has no ${what}` });
  const max = Number(await readFile('/proc/sys/kernel/pid_max', 'utf8').catch(() => '4194304'));
  for (const task of tree.tasks.values()) {
    for (const tid of threadIds(task)) if (tid >= max) check.add('host/kernel', { where: taskText(task), why: `pid ${tid} is above this kernel's limit of ${max}`, remedy: `Raise it: sysctl kernel.pid_max=${Math.max(32768, tid + 1)}` });
    if (isDead(task)) continue;
    const limit = Number(await readFile('/proc/sys/vm/max_map_count', 'utf8').catch(() => 'Infinity'));
    const count = task.mm?.vmas.length ?? 0;
    if (count > limit) check.add('host/kernel', { where: taskText(task), why: `it has ${count} mappings; this kernel's limit is ${limit}`, remedy: `Raise it: sysctl vm.max_map_count=${count + 1024}` });
  }
}
