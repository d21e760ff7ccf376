/**
 * Control groups: the helper opens the hierarchies and makes the groups that are missing, before there is any task; each task moves itself
 * in as soon as it is there, so that its children are born in its groups; what limits a group is set when all are in (--manage-cgroups).
 */
import type { cg_controller_entry, cg_set_entry, cgroup_dir_entry, cgroup_perms, cgroup_prop_entry, file_entry } from '../../image/schema/index.ts';
import { bytesOf } from '../../image/text.ts';
import { isDead, type FrozenTree, type Task } from '../../image/tree.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { AT, O } from '../../kernel/files.ts';
import { CLONE } from '../../kernel/process.ts';
import { Cond, Deferred, Op, type Program, type ResultRef } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import type { HelperFd } from '../../restore/helper-fd.ts';
import { findMounts, hierarchyName, isUnified, openHierarchy } from './hierarchy.ts';
import { EVERY, type CgroupMode } from './options.ts';
import { BEFORE_TASKS, MEMBERS } from './properties.ts';

/** How often, and with what pause (ns), a group that is still busy is removed again. */
const BUSY_ROUNDS = 200, BUSY_NS = 5_000_000n;
const DIRECTORY_MODE = 0o755;
/** Which stop the whole group: set when the tree runs. */
const STOPPED: ReadonlyMap<string, string> = new Map([['freezer.state', 'FROZEN'], ['cgroup.freeze', '1']]);
/** What a new group has already, and old kernels do not like to be told. */
const USUAL: ReadonlyMap<string, string> = new Map([['memory.swappiness', '60'], ['memory.oom_control', '0']]);

interface Hierarchy { readonly entry: cg_controller_entry; readonly fd: HelperFd }

/** The set of a thread, which is in none when it is in that of the dumping process: it stays where it is born. */
function setOf({ inventory, cgroup }: FrozenTree, task: Task, tid: number): cg_set_entry | undefined {
  const core = task.threads.get(tid);
  const id = core?.thread_core?.cg_set ?? (tid === task.pid ? core?.tc?.cg_set : undefined);
  if (id === undefined || id === 0) return undefined;
  const set = cgroup?.sets.find((one) => one.id === id);
  return set === undefined && id === inventory.root_cg_set ? undefined : set;
}

export function checkCgroups(context: RestoreContext): void {
  const { tree } = context;
  if (!managed(context)) return;
  const remedy = 'The image is damaged: take another, or leave control groups out with --manage-cgroups=ignore';
  for (const task of tree.tasks.values()) {
    if (isDead(task)) continue;
    for (const [tid, { thread_core }] of task.threads) {
      const id = thread_core?.cg_set ?? 0;
      if (id !== 0 && id !== tree.inventory.root_cg_set && !tree.cgroup!.sets.some((set) => set.id === id)) context.refuse(`thread ${tid} of task ${task.pid}`, `its control groups (set ${id}) are not in cgroup.img`, remedy);
    }
  }
  for (const { id, ctls } of tree.cgroup!.sets) {
    for (const { name, path } of ctls) {
      if (controllerOf(tree, name) === undefined) context.refuse(`cgroup.img, set ${id}`, `${hierarchyName(name.split(','))} is not among its hierarchies`, remedy);
      if (!safe(path)) context.refuse(`cgroup.img, set ${id}`, `${JSON.stringify(path)} is no path of a control group`, remedy);
    }
  }
  const look = ({ dir_name, children, properties }: cgroup_dir_entry): void => {
    if (!safe(dir_name) || properties.some(({ name }) => name === '' || name.includes('/') || !safe(name))) context.refuse(`cgroup.img, group ${JSON.stringify(dir_name)}`, 'it has a name that no control group or property can have', remedy);
    children.forEach(look);
  };
  for (const { cnames, dirs } of tree.cgroup!.controllers) {
    if (cnames.length === 0) context.refuse('cgroup.img', 'a hierarchy has no name', remedy);
    dirs.forEach(look);
  }
}

/** Leads nowhere but down. */
const safe = (path: string): boolean => !path.includes('\0') && !path.split('/').includes('..');

const managed = ({ tree, options }: RestoreContext): boolean => (tree.cgroup?.sets.length ?? 0) > 0 && options.cgroups?.mode !== 'ignore';

/** A name that hierarchies have in sets: all of a hierarchy's controllers, in any order. */
function controllerOf({ cgroup }: FrozenTree, name: string): cg_controller_entry | undefined {
  const wanted = name.split(',');
  return cgroup?.controllers.find(({ cnames }) => cnames.length > 0 && wanted.every((one) => cnames.includes(one)));
}

export class Cgroups {
  readonly #hierarchies = new Map<cg_controller_entry, Hierarchy>();
  readonly #mode: CgroupMode;

  /** Adds the helper's part. */
  constructor(readonly context: RestoreContext) {
    this.#mode = context.options.cgroups?.mode ?? 'soft';
    if (!managed(context)) return;
    const { local, host, options } = context;
    const mounts = findMounts(host.mounts ?? [], { writable: true });
    for (const entry of context.tree.cgroup!.controllers) {
      if (entry.dirs.length === 0 && !context.tree.cgroup!.sets.some(({ ctls }) => ctls.some(({ name }) => controllerOf(context.tree, name) === entry))) continue;
      const ref = openHierarchy(local.program, entry.cnames, { yard: options.cgroups?.yard, mounted: mounts(entry.cnames) });
      const hierarchy = { entry, fd: local.open(`control groups, ${hierarchyName(entry.cnames)}`, ref) };
      this.#hierarchies.set(entry, hierarchy);
      for (const dir of entry.dirs) this.#addGroup(hierarchy, dir, '');
    }
  }

  /** The path of a group where it goes to: --cgroup-root changes what is above the first directory that the image has of the hierarchy. */
  #moved(entry: cg_controller_entry, path: string): string {
    const roots = this.context.options.cgroups?.roots;
    const root = [...entry.cnames, entry.cnames.join(',')].map((name) => roots?.get(name)).find((one) => one !== undefined) ?? roots?.get(EVERY);
    if (root === undefined) return path;
    // the nearest, where one lies below another
    const heads = entry.dirs.map(({ dir_name }) => `/${dir_name}`.replace(/\/$/u, '')).sort((a, b) => b.length - a.length);
    const head = heads.find((one) => path === one || path.startsWith(`${one}/`));
    return head === undefined ? path : clean(`${root}/${path.slice(head.length)}`);
  }

  #addGroup(hierarchy: Hierarchy, dir: cgroup_dir_entry, above: string): void {
    const path = `${above}/${dir.dir_name}`.replace(/\/+/gu, '/').replace(/\/$/u, '');
    const to = this.#moved(hierarchy.entry, path === '' ? '/' : path);
    // a hierarchy's root is always there, and nobody's
    if (to !== '/') this.#makeGroup(hierarchy, dir, to);
    for (const child of dir.children) this.#addGroup(hierarchy, child, path);
  }

  /** Whether a file may be one of a group that the restore makes: it is there only when that is done. */
  makes({ reg }: file_entry): boolean {
    if (this.#hierarchies.size === 0 || reg === undefined) return false;
    const on = (this.context.host.mounts ?? []).filter(({ path }) => path === '/' || reg.name === path || reg.name.startsWith(`${path}/`)).sort((a, b) => a.path.length - b.path.length).at(-1);
    return on?.type === 'cgroup' || on?.type === 'cgroup2';
  }

  #makeGroup({ entry, fd }: Hierarchy, dir: cgroup_dir_entry, path: string): void {
    const { program: p } = this.context.local;
    const what = `control group ${path} (${hierarchyName(entry.cnames)})`;
    const mayMake = this.#mode !== 'none' && this.#mode !== 'props';
    p.resource(what);
    if (!mayMake) {
      p.call('faccessat', [fd.ref, p.cstring(relative(path)), 0], { keep: false, remedy: { ENOENT: `Make it, or restore with another mode than --manage-cgroups=${this.#mode}` } });
      if (this.#mode === 'props') this.#addProperties(fd, dir, path, what, undefined);
      return;
    }
    const parts = path.slice(1).split('/');
    for (let i = 1; i < parts.length; i++) this.#makeDirectory(fd, parts.slice(0, i).join('/'), what);
    const made = this.#makeDirectory(fd, parts.join('/'), what);
    if (this.#mode === 'strict') p.control(Op.EXPECT, [made, Cond.EQ, 0, ERRNO.EEXIST], { keep: false, remedy: { EEXIST: 'It is there already, and --manage-cgroups=strict makes all groups anew: remove it, or use another mode' } });
    const end = { at: 0 };
    if (this.#mode === 'soft') p.jump(made, Cond.NE, 0, () => end.at);
    addPermissions(p, fd.ref, p.cstring(relative(path)), dir.dir_perms);
    if (this.#mode === 'full') p.jump(made, Cond.NE, 0, () => end.at);
    for (const property of dir.properties) if (BEFORE_TASKS.has(property.name)) this.#addSpecial(p, fd.ref, path, property, what);
    end.at = p.here;
    this.#addProperties(fd, dir, path, what, this.#mode === 'soft' ? made : undefined);
  }

  /** Result: 0, or -EEXIST. */
  #makeDirectory(fd: HelperFd, path: string, what: string): ResultRef {
    const { local } = this.context;
    const p = local.program.resource(what);
    const made = p.call('mkdirat', [fd.ref, p.cstring(bytesOf(path)), DIRECTORY_MODE], {
      expect: { orErrno: ERRNO.EEXIST }, remedy: { EACCES: 'Its owner must allow it: run the restore as root, or leave control groups out with --manage-cgroups=ignore', EROFS: 'The hierarchy is mounted read-only', EAGAIN: 'The limit of groups is reached (cgroup.max.descendants, cgroup.max.depth)' },
    });
    local.undo(p.here - 1, Infinity, (undo, ran) => {
      if (ran.result(made) === 0n) addRemoval(undo.resource(what), ran.result(fd.ref), path);
    });
    return made;
  }

  /** Adds, behind all tasks, what limits a group. @param made the group is left alone when it was there already */
  #addProperties(fd: HelperFd, dir: cgroup_dir_entry, path: string, what: string, made: ResultRef | undefined): void {
    const wanted = dir.properties.filter(({ name }) => !BEFORE_TASKS.has(name));
    for (const [p, properties] of [
      [this.context.late, wanted.filter(({ name, value }) => STOPPED.get(name) !== value)], [this.context.afterwards, wanted.filter(({ name, value }) => STOPPED.get(name) === value)],
    ] as const) {
      if (properties.length === 0) continue;
      const end = { at: 0 };
      p.resource(what);
      if (made !== undefined) p.jump(new Deferred(`whether ${path} was made`, () => this.context.result(made)), Cond.NE, 0, () => end.at);
      for (const property of properties) addProperty(p, fd.arg, path, property, what);
      end.at = p.here;
    }
  }

  #addSpecial(p: Program, fd: ResultRef, path: string, property: cgroup_prop_entry, what: string): void {
    const { name, value } = property;
    if (USUAL.get(name) === value || (name === 'cgroup.type' && value !== 'threaded')) return;
    if (name !== 'devices.list') {
      addProperty(p, fd, path, property, what);
      return;
    }
    // what is allowed can only be told in whole after all is denied, a line a write (cgroup-v1/devices.rst)
    addProperty(p, fd, path, { name: 'devices.deny', value: 'a' }, what);
    if (value !== '') addProperty(p, fd, path, { name: 'devices.allow', value }, what, { lines: true });
  }

  /** Steps of a task, before it has children: into the groups of its set, and the root into its namespace. */
  enter(p: Program, task: Task, parent: Task | undefined): void {
    const { tree } = this.context;
    if (!managed(this.context)) return;
    const set = setOf(tree, task, task.pid);
    if (set === undefined || (parent !== undefined && set === setOf(tree, parent, parent.pid))) return;
    if (parent === undefined && set.ctls.some(({ cgns_prefix }) => (cgns_prefix ?? 0) > 0)) {
      this.#enterAt(p, set, ({ name, path, prefix }) => this.#moved(controllerOf(tree, name)!, prefix === 0 ? path : path.slice(0, prefix)));
      p.resource('cgroup namespace').call('unshare', [CLONE.NEWCGROUP], { keep: false, remedy: { EPERM: 'A cgroup namespace needs CAP_SYS_ADMIN: run the restore as root' } });
    }
    this.#enterAt(p, set, ({ name, path }) => this.#moved(controllerOf(tree, name)!, path));
  }

  #enterAt(p: Program, set: cg_set_entry, where: (member: { name: string; path: string; prefix: number }) => string): void {
    for (const { name, path, cgns_prefix } of set.ctls) this.#write(p, name, where({ name, path, prefix: cgns_prefix ?? 0 }), 'cgroup.procs', '0');
  }

  #write(p: Program, name: string, path: string, file: string, pid: string): void {
    const { entry, fd } = this.#hierarchies.get(controllerOf(this.context.tree, name)!)!;
    p.resource(`control group ${path} (${hierarchyName(entry.cnames)})`);
    const root = p.call('pidfd_getfd', [this.context.pidfd, fd.arg, 0]);
    const procs = p.call('openat', [root, p.cstring(Buffer.concat([relative(path), Buffer.from(`/${file}`)])), O.WRONLY | O.CLOEXEC, 0], { remedy: { ENOENT: 'There is no such group here: make it, or leave control groups out with --manage-cgroups=ignore' } });
    p.call('write', [procs, p.data(Buffer.from(pid), 1), pid.length], {
      keep: false, expect: { equals: pid.length },
      remedy: { EBUSY: 'Its controllers are given to groups below it (cgroup.subtree_control), so no task may be in it', EOPNOTSUPP: 'It is or has a threaded group (cgroup.type)', ENOSPC: 'It has no processors or memory (cpuset.cpus, cpuset.mems)' },
    });
    p.call('close', [procs], { keep: false });
    p.call('close', [root], { keep: false });
  }

  /** Steps of a task that has all of its threads: those that are in other groups than it. */
  enterThreads(p: Program, task: Task): void {
    const { tree } = this.context;
    if (!managed(this.context)) return;
    const own = setOf(tree, task, task.pid);
    for (const tid of task.threads.keys()) {
      const set = setOf(tree, task, tid);
      if (set === undefined || set === own) continue;
      for (const { name, path } of set.ctls) {
        const entry = controllerOf(tree, name)!;
        if (entry.is_threaded !== true || own?.ctls.some((one) => one.name === name && one.path === path) === true) continue;
        this.#write(p, name, this.#moved(entry, path), isUnified(entry.cnames) ? 'cgroup.threads' : 'tasks', String(tid));
      }
    }
  }
}

/** Tasks that were killed leave a group a moment after they are dead: until then it is busy. */
function addRemoval(p: Program, hierarchy: bigint, path: string): void {
  const [round, pause] = [p.reserve(8), p.data(Buffer.from(BigInt64Array.of(0n, BUSY_NS).buffer))];
  const [again, end] = [p.here, { at: 0 }];
  p.jump(p.call('unlinkat', [hierarchy, p.cstring(bytesOf(path)), AT.REMOVEDIR], { expect: 'any' }), Cond.NE, -ERRNO.EBUSY, () => end.at);
  p.call('nanosleep', [pause, 0], { expect: 'any', keep: false });
  const rounds = p.add(p.load(round, 8), 1);
  p.store(round, rounds);
  p.jump(rounds, Cond.LT, BUSY_ROUNDS, () => again);
  end.at = p.here;
}

const clean = (path: string): string => path.replace(/\/+/gu, '/').replace(/(.)\/$/u, '$1');

/** From the hierarchy's root on. */
const relative = (path: string): Uint8Array => bytesOf(path === '/' ? '.' : path.slice(1));

function addPermissions(p: Program, directory: ResultRef | Deferred, path: ReturnType<Program['cstring']>, perms: cgroup_perms | undefined): void {
  if (perms === undefined) return;
  p.call('fchownat', [directory, path, perms.uid, perms.gid, 0], { keep: false });
  p.call('fchmodat', [directory, path, perms.mode & 0o7777], { keep: false });
}

/** One file of a group. @param lines the kernel takes one line a write */
function addProperty(p: Program, directory: ResultRef | Deferred, path: string, { name, value, perms }: cgroup_prop_entry, what: string, { lines = name === 'net_prio.ifpriomap' } = {}): void {
  p.resource(`${what}, ${name}`);
  const file = p.cstring(Buffer.concat([relative(path), Buffer.from(`/${name}`)]));
  addPermissions(p, directory, file, perms);
  const written = writtenFor(name, value);
  if (MEMBERS.has(name) || written === '') return;
  const fd = p.call('openat', [directory, file, O.WRONLY | O.CLOEXEC, 0], { remedy: { ENOENT: 'This kernel, or the group above, does not have it: enable its controller, or restore with --manage-cgroups=none or ignore' } });
  for (const line of lines ? written.split('\n') : [written]) {
    const bytes = bytesOf(line);
    // deprecated: the kernel refuses any value
    const expect = name === 'memory.kmem.limit_in_bytes' ? { orErrno: ERRNO.EOPNOTSUPP } : name === 'net_prio.ifpriomap' ? 'any' as const : { equals: bytes.length };
    p.call('write', [fd, p.data(bytes, 1), bytes.length], { keep: false, expect });
  }
  p.call('close', [fd], { keep: false });
}

/** What is written so that a file says the value. */
function writtenFor(name: string, value: string): string {
  if (name === 'cgroup.subtree_control') return value.split(' ').filter((one) => one !== '').map((one) => `+${one}`).join(' ');
  // a new group has no priorities
  if (name === 'net_prio.ifpriomap') return value.split('\n').filter((line) => !/ 0$/u.test(line)).join('\n');
  return value;
}
