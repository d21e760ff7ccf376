/**
 * Which files of a control group are kept. Version 1's are those CRIU keeps, by controller; more are named by --cgroup-props in its
 * simple form of YAML. Order matters: the kernel wants some limits set before others (cgroup-v1/memory.rst).
 */
import { StillframeError } from '../../errors.ts';

/** By controller. */
export type Properties = ReadonlyMap<string, readonly string[]>;

const BUILT_IN: Properties = new Map([
  ['cpu', ['cpu.shares', 'cpu.cfs_period_us', 'cpu.cfs_quota_us', 'cpu.rt_period_us', 'cpu.rt_runtime_us']],
  ['memory', [
    'memory.limit_in_bytes', 'memory.memsw.limit_in_bytes', 'memory.swappiness', 'memory.soft_limit_in_bytes', 'memory.move_charge_at_immigrate',
    'memory.oom_control', 'memory.use_hierarchy', 'memory.kmem.limit_in_bytes', 'memory.kmem.tcp.limit_in_bytes',
  ]],
  ['cpuset', [
    'cpuset.cpus', 'cpuset.mems', 'cpuset.memory_migrate', 'cpuset.cpu_exclusive', 'cpuset.mem_exclusive', 'cpuset.mem_hardwall',
    'cpuset.memory_spread_page', 'cpuset.memory_spread_slab', 'cpuset.sched_load_balance', 'cpuset.sched_relax_domain_level',
  ]],
  ['blkio', ['blkio.weight']], ['net_cls', ['net_cls.classid']], ['net_prio', ['net_prio.ifpriomap']], ['pids', ['pids.max']], ['devices', ['devices.list']],
]);

/** Of every group. Of MEMBERS only owner and mode are kept. */
export const EVERY_V1 = ['cgroup.clone_children', 'notify_on_release', 'cgroup.procs', 'tasks'] as const;
export const EVERY_V2 = ['cgroup.subtree_control', 'cgroup.max.descendants', 'cgroup.max.depth', 'cgroup.freeze', 'cgroup.type', 'cgroup.procs', 'cgroup.threads'] as const;
export const MEMBERS: ReadonlySet<string> = new Set(['cgroup.procs', 'cgroup.threads', 'tasks']);

/** Limits of version 2 (cgroup-v2.rst), which CRIU does not keep, with the value that every new group has: only others are kept. */
export const LIMITS_V2: ReadonlyMap<string, string> = new Map([
  ['memory.min', '0'], ['memory.low', '0'], ['memory.high', 'max'], ['memory.max', 'max'], ['memory.swap.max', 'max'], ['memory.oom.group', '0'],
  ['pids.max', 'max'], ['cpu.max', 'max 100000'], ['cpu.weight', '100'], ['io.weight', 'default 100'],
]);

/** What can be set only as long as nobody is in the group. */
export const BEFORE_TASKS: ReadonlySet<string> = new Set([
  'cpuset.cpus', 'cpuset.mems', 'devices.list', 'memory.kmem.limit_in_bytes', 'memory.swappiness', 'memory.oom_control', 'memory.use_hierarchy', 'cgroup.type',
]);

const CONTROLLER = /^"([^"]+)":[ ]*\n[ ]*-[ ]*"strategy":[ ]*"(merge|replace)"[ ]*\n[ ]*-[ ]*"properties":[ ]*\[([^\]\n]*)\][ ]*(?:\n[ \n]*|$)/u;

/** The built-in table with the rules of --cgroup-props and --cgroup-props-file. @throws StillframeError at the first rule that is none */
export function withRules(doing: string, texts: readonly string[]): Properties {
  if (texts.length === 0) return BUILT_IN;
  const table = new Map(BUILT_IN);
  for (const text of texts) {
    for (let rest = text.replaceAll('\\n', '\n').trimStart(); rest !== '';) {
      const [whole, controller, strategy, list] = CONTROLLER.exec(rest) ?? [];
      const names = list?.trim() === '' ? [] : list?.split(',').map((name) => /^\s*"([^"]+)"\s*$/u.exec(name)?.[1]);
      if (whole === undefined || controller === undefined || names === undefined || names.includes(undefined)) {
        throw new StillframeError({
          doing, where: '--cgroup-props', why: `not a rule: ${JSON.stringify(rest.slice(0, 60))}`,
          remedy: 'A rule is three lines: "CONTROLLER": / - "strategy": "merge" or "replace" / - "properties": ["FILE", "FILE"]',
        });
      }
      const files = names as string[];
      if (files.some((name) => name.includes('/'))) throw new StillframeError({ doing, where: '--cgroup-props', why: `a property is the name of a file, without '/': ${files.join(', ')}` });
      table.set(controller, strategy === 'merge' ? [...table.get(controller) ?? [], ...files] : files);
      rest = rest.slice(whole.length);
    }
  }
  return table;
}
