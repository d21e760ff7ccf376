/**
 * Control groups of the tree: the groups each thread is in (a set), and of the directories from there on what makes them (owner, mode,
 * limits). A tree whose threads are all in the groups of the dump says nothing of them: whoever restores puts it into his own.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import type { DumpContext } from '../../dump/context.ts';
import { describeTask, type FrozenTask } from '../../dump/frozen.ts';
import { create } from '../../image/wire.ts';
import { textOf, bytesOf } from '../../image/text.ts';
import { cg_controller_entry, cg_member_entry, cg_set_entry, cgroup_dir_entry, cgroup_entry, cgroup_perms, cgroup_prop_entry } from '../../image/schema/index.ts';
import { AT_FDCWD, O } from '../../kernel/files.ts';
import { CLONE } from '../../kernel/process.ts';
import { parseCgroups, type Membership } from '../../proc/cgroup.ts';
import { parseMountInfo } from '../../proc/mountinfo.ts';
import { hasCode, isGone, readProcRecord, readProcText, tryReadProcLink } from '../../proc/read.ts';
import { Program } from '../../program/program.ts';
import { within } from '../namespaces/within.ts';
import { findMounts, hierarchyName, isUnified, openHierarchy } from './hierarchy.ts';
import { EVERY, type CgroupOptions } from './options.ts';
import { EVERY_V1, EVERY_V2, LIMITS_V2, MEMBERS } from './properties.ts';

/** Set of the dumping process itself. */
export const OWN_SET = 1;
/** A group's cgroup file is at most this long: a path of 4096 for each of some twenty hierarchies. */
const FILE_SIZE = 1 << 17;
/** The kernel's words for "no limit" where it shows the largest number; -1 sets it. */
const LLONG_MAX = '9223372036854775807';

/** A kernel without control groups has no such file. */
function readGroups(path: string): string {
  try {
    return readProcRecord(path);
  } catch (error) {
    if (isGone(error)) return '';
    throw error;
  }
}

/**
 * Whether all threads of a process must be in its groups: where there is only the unified hierarchy, and the group is no threaded one and has
 * none below it (cgroup-v2.rst, "Threads"). Then only the leader is looked at.
 * @param text of its /proc/PID/cgroup @param unified where that hierarchy is mounted
 */
export function threadsTogether(text: string, unified: string | undefined): boolean {
  const path = /^0::(\/[^\n]+)\n$/u.exec(text)?.[1];
  if (path === undefined || unified === undefined) return false;
  try {
    return readFileSync(`${unified}${path}/cgroup.type`, 'latin1') === 'domain\n';
  } catch {
    return false; // not to be told: each is looked at
  }
}

interface CgroupSet { readonly id: number; readonly groups: readonly Membership[] }

export class CgroupSets {
  readonly #own: readonly Membership[];
  readonly #sets: CgroupSet[] = [];
  readonly #byText = new Map<string, CgroupSet>();
  /** Text of /proc/PID/task/TID/cgroup, by tid. */
  readonly #texts = new Map<number, string>();
  /** Where the unified hierarchy is mounted. */
  readonly #unified = findMounts(parseMountInfo(readProcText('/proc/self/mountinfo')), { writable: false })(['']);
  /** Length of a path up to where the tree's cgroup namespace begins, by hierarchy. */
  readonly #prefixes = new Map<string, number>();

  /** @param freezer the group that stops the tree (--freeze-cgroup) was found frozen; undefined: there is none */
  constructor(readonly options: CgroupOptions, readonly freezer: { readonly wasFrozen: boolean } | undefined) {
    const own = readGroups('/proc/self/cgroup');
    this.#own = this.#parse(own);
    this.#set(own);
  }

  #parse(text: string): Membership[] {
    const { only } = this.options;
    return parseCgroups(text).filter(({ name }) => only.size === 0 || only.has(name));
  }

  #set(text: string): CgroupSet {
    let set = this.#byText.get(text);
    if (set !== undefined) return set;
    const groups = this.#parse(text);
    const key = JSON.stringify(groups);
    set = this.#sets.find((other) => JSON.stringify(other.groups) === key);
    if (set === undefined) this.#sets.push(set = { id: OWN_SET + this.#sets.length, groups });
    this.#byText.set(text, set);
    return set;
  }

  /** Reads where a frozen task's threads are. */
  read(task: FrozenTask, { refusals }: DumpContext): void {
    const leader = readGroups(`/proc/${task.pid}/cgroup`);
    const together = task.tids.length > 1 && threadsTogether(leader, this.#unified);
    for (const tid of task.tids) {
      const text = together || tid === task.pid ? leader : readGroups(`/proc/${task.pid}/task/${tid}/cgroup`);
      this.#texts.set(tid, text);
      for (const { name, path } of this.#set(text).groups) {
        if (path === '/..' || path.startsWith('/../')) refusals.add(describeTask(task), `its control group ${path} (${hierarchyName(name.split(','))}) is outside of this cgroup namespace`, 'Run the dump in the cgroup namespace of the host, or leave that hierarchy out with --cgroup-dump-controller');
      }
    }
  }

  /** The set of a thread that was read. */
  of(tid: number): number { return this.#set(this.#texts.get(tid)!).id; }

  /** The image's content; undefined: all threads are in our groups. Reads the groups' directories. */
  entry(context: DumpContext): cgroup_entry | undefined {
    const used = new Set([...this.#texts.values()].map((text) => this.#set(text)));
    this.#findPrefixes(context);
    if ([...used].every(({ id }) => id === OWN_SET) && this.#prefixes.size === 0) return undefined;
    const sets = this.#sets.filter((set) => used.has(set));
    return create(cgroup_entry, {
      sets: sets.map(({ id, groups }) => create(cg_set_entry, {
        id, ctls: groups.map(({ name, path }) => create(cg_member_entry, { name, path, cgns_prefix: this.#prefixes.get(name) })),
      })),
      controllers: this.#controllers(sets, context),
    });
  }

  /** Paths in a cgroup namespace begin at its root: what the tree's root says of itself tells where that is. */
  #findPrefixes({ tasks, helper }: DumpContext): void {
    const root = tasks.find(({ zombie }) => !zombie);
    if (root === undefined || tryReadProcLink(`/proc/${root.pid}/ns/cgroup`) === tryReadProcLink('/proc/self/ns/cgroup')) return;
    const [{ bytes, size }, ran] = within(helper, 'cgroup', CLONE.NEWCGROUP, root.pid, (p) => {
      const file = p.call('openat', [AT_FDCWD, p.cstring(`/proc/${root.pid}/cgroup`), O.RDONLY | O.CLOEXEC, 0]);
      const bytes = p.reserve(FILE_SIZE);
      const size = p.call('read', [file, bytes, FILE_SIZE]);
      p.call('close', [file], { keep: false });
      return { bytes, size };
    });
    const inside = new Map(parseCgroups(ran.data(bytes, Number(ran.result(size))).toString('latin1')).map(({ name, path }) => [name, path]));
    for (const { name, path } of this.#set(this.#texts.get(root.pid)!).groups) {
      const shown = inside.get(name);
      if (shown === undefined || shown === path) continue;
      const end = shown === '/' ? path : path.endsWith(shown) ? path.slice(0, -shown.length) : undefined;
      if (end !== undefined && end !== '' && end !== '/') this.#prefixes.set(name, end.length);
    }
  }

  #controllers(sets: readonly CgroupSet[], context: DumpContext): cg_controller_entry[] {
    const names = [...new Set([...this.#own, ...sets.flatMap(({ groups }) => groups)].map(({ name }) => name))];
    const managed = this.options.mode !== 'ignore';
    const roots = managed ? openRoots(names, this.options.yard, context) : new Map<string, number>();
    const entries = names.map((name) => {
      const cnames = name.split(',');
      const held = roots.get(name);
      const entry = create(cg_controller_entry, { cnames, dirs: [], is_threaded: false });
      if (managed && held === undefined) context.log.warn('control groups', `${hierarchyName(cnames)} is not mounted, and cannot be mounted by this user: a restore needs its groups to be there`);
      if (held === undefined) return entry;
      const at = `/proc/${context.helper.hello.pid}/fd/${held}`;
      const reader = new GroupReader(at, cnames, this.options, this.freezer, context);
      for (const { groups } of sets) for (const group of groups) if (group.name === name) reader.add(this.options.roots.get(name) ?? this.options.roots.get(EVERY) ?? group.path);
      entry.dirs = reader.heads;
      entry.is_threaded = reader.threaded;
      return entry;
    });
    context.helper.closeFds([...roots.values()]);
    return entries;
  }
}

/** Root directories of hierarchies, held by the helper; those that cannot be opened are left out. */
function openRoots(names: readonly string[], yard: string | undefined, { helper }: DumpContext): Map<string, number> {
  const mounts = findMounts(parseMountInfo(readProcText('/proc/self/mountinfo')), { writable: false });
  const p = new Program('helper');
  const opened = names.map((name) => [name, openHierarchy(p, name.split(','), { yard, mounted: mounts(name.split(',')), optional: yard === undefined })] as const);
  const ran = helper.local(p).check('dump');
  return new Map(opened.map(([name, ref]) => [name, Number(ran.result(ref))] as const).filter(([, held]) => held >= 0));
}

interface Head { readonly path: string; readonly entry: cgroup_dir_entry }

/** Reads directories of one hierarchy into trees. */
class GroupReader {
  readonly #seen = new Map<string, cgroup_dir_entry>();
  readonly #heads: Head[] = [];
  threaded = false;

  constructor(readonly at: string, readonly cnames: readonly string[], readonly options: CgroupOptions, readonly freezer: { readonly wasFrozen: boolean } | undefined, readonly context: DumpContext) {}

  get heads(): cgroup_dir_entry[] { return this.#heads.map(({ entry }) => entry); }

  /** A group with all below it; the hierarchy's root alone, as what is below it belongs to others. */
  add(path: string): void {
    if (this.#seen.has(path)) return;
    const above = [...this.#seen].filter(([other]) => other === '/' || path.startsWith(`${other}/`)).sort(([a], [b]) => b.length - a.length)[0];
    const entry = this.#read(path, above?.[0]);
    if (entry === undefined) return;
    if (above !== undefined) above[1].children.push(entry);
    else this.#heads.push({ path, entry });
  }

  #read(path: string, parent: string | undefined): cgroup_dir_entry | undefined {
    const full = Buffer.concat([Buffer.from(this.at), bytesOf(path)]);
    let names: string[];
    let stat;
    try {
      stat = statSync(full);
      names = path === '/' ? [] : readdirSync(full, { withFileTypes: true, encoding: 'buffer' }).filter((one) => one.isDirectory()).map((one) => textOf(one.name));
    } catch (error) {
      if (!isGone(error)) throw error;
      this.context.log.warn('control groups', `${hierarchyName(this.cnames)} ${path} is gone: it is not part of the images`);
      return undefined;
    }
    const entry = create(cgroup_dir_entry, {
      dir_name: parent === undefined || parent === '/' ? path.slice(1) : path.slice(parent.length + 1), children: [], properties: this.#properties(full),
      dir_perms: create(cgroup_perms, { mode: stat.mode, uid: stat.uid, gid: stat.gid }),
    });
    this.#seen.set(path, entry);
    for (const name of names) {
      const child = `${path}/${name}`;
      if (this.#seen.has(child)) continue;
      const found = this.#read(child, path);
      if (found !== undefined) entry.children.push(found);
    }
    return entry;
  }

  #properties(directory: Uint8Array): cgroup_prop_entry[] {
    const unified = isUnified(this.cnames);
    const kept = this.cnames.flatMap((name) => this.options.properties.get(name) ?? []);
    const names = unified ? [...EVERY_V2, ...LIMITS_V2.keys()] : [...kept, ...EVERY_V1];
    if (!unified && this.freezer !== undefined && this.cnames.includes('freezer')) names.push('freezer.state');
    return names.map((name) => this.#property(directory, name)).filter((entry) => entry !== undefined);
  }

  #property(directory: Uint8Array, name: string): cgroup_prop_entry | undefined {
    const path = Buffer.concat([directory, Buffer.from(`/${name}`)]);
    let stat, text: string;
    try {
      stat = statSync(path);
      text = MEMBERS.has(name) ? '' : readFileSync(path, 'latin1').replace(/\n$/u, '');
    } catch (error) {
      // a kernel that has it not, or one that has it and does not tell
      if (!isGone(error) && !['EINVAL', 'EOPNOTSUPP', 'ENODEV', 'EACCES'].some((code) => hasCode(error, code))) throw error;
      return undefined;
    }
    if (LIMITS_V2.get(name) === text) return undefined;
    const value = this.#value(name, text);
    if (name === 'tasks' || (name === 'cgroup.type' && value === 'threaded')) this.threaded = true;
    return create(cgroup_prop_entry, { name, value, perms: create(cgroup_perms, { mode: stat.mode, uid: stat.uid, gid: stat.gid }) });
  }

  #value(name: string, text: string): string {
    if (name === 'memory.oom_control') return /^oom_kill_disable (\d+)/mu.exec(text)?.[1] ?? '0';
    // the dump has thawed it
    if (name === 'cgroup.freeze' && this.freezer?.wasFrozen === true) return '1';
    if (name === 'freezer.state') return this.freezer?.wasFrozen === true ? 'FROZEN' : 'THAWED';
    return text === LLONG_MAX ? '-1' : text;
  }
}
