/**
 * Rules about what a set needs of its restorer. `SINCE` lists what came after CRIU 3.17.1 (its .proto files against those of 4.2);
 * an older reader skips such fields silently, so each says what is lost.
 */
import { PageMark } from '../../core/core.ts';
import { fd_types } from '../../image/schema/index.ts';
import type { Entry } from '../../image/codec.ts';
import type { Desc } from '../../image/schema/define.ts';
import { readImageFile } from '../read.ts';
import { VmaStatus } from '../mappings.ts';
import { liveTasks } from '../usage.ts';
import { architectureOf } from '../summary.ts';
import { taskText, type CheckContext } from './context.ts';

export const TARGETS = ['criu-3.17', 'criu-4.2', 'stillframe'] as const;
export type Target = (typeof TARGETS)[number];

/** Features of our own image that this version restores (`needs` of stillframe.img). */
const OWN_FEATURES: ReadonlySet<string> = new Set();

/** message.field to what a restorer without it loses. */
const SINCE: Readonly<Record<string, string>> = {
  'inet_sk_entry.tcp_opts': 'TCP keepalive, cork and nodelay settings of sockets without a connection',
  'ip_opts_entry.pktinfo': 'IP_PKTINFO', 'ip_opts_entry.tos': 'IP_TOS', 'ip_opts_entry.ttl': 'IP_TTL',
  'memfd_inode_entry.mode': 'the mode of memory files', 'netns_entry.ipv4_sysctl': 'IPv4 settings of the network namespace',
  'task_core_entry.stop_signo': 'the signal a task was stopped by', 'task_core_entry.membarrier_registration_mask': 'membarrier registrations',
  'creds_entry.no_new_privs': 'no_new_privs', 'creds_entry.cap_amb': 'ambient capabilities', 'cg_controller_entry.is_threaded': 'threaded control groups',
  'thread_core_entry.cg_set': 'control groups of single threads',
};
/** What an absent value means is not lost. */
const DEFAULTS: ReadonlySet<string> = new Set(['task_core_entry.membarrier_registration_mask', 'creds_entry.no_new_privs', 'task_core_entry.stop_signo']);

export async function checkVersions(check: CheckContext, target: Target | undefined): Promise<void> {
  const fields = await fieldsOf(check);
  for (const [file, unknown] of fields.unknown) {
    check.add('structure/fields', { file, why: `fields ${[...unknown].slice(0, 8).join(', ')} are unknown: a later version wrote them`, remedy: 'What they mean is lost on restore by this version.' });
  }
  for (const need of check.tree.own?.needs ?? []) {
    if (!OWN_FEATURES.has(need)) check.add('version/own', { file: 'stillframe.img', why: `it needs '${need}', which this version does not know`, remedy: 'Use a later version of Stillframe.' });
  }
  if (target === 'criu-3.17') checkOld(check, fields.used);
  if (target === 'criu-3.17' || target === 'criu-4.2') checkOwnFacts(check, target);
}

function checkOld(check: CheckContext, used: ReadonlyMap<string, string>): void {
  const target = 'CRIU 3.17';
  const fatal = (file: string | undefined, where: string | undefined, why: string): void => check.add('version/target', { ...(file === undefined ? {} : { file }), ...(where === undefined ? {} : { where }), why, remedy: 'Restore with CRIU 4.2 or later, or with Stillframe.' });
  for (const [name, map] of check.set.loaded.pageMaps) {
    if (map.count > 0 && (map.allMarks & PageMark.NR_PAGES) !== 0) fatal(name, undefined, `page counts are written as nr_pages, which ${target} does not know: it sees no pages`);
  }
  for (const file of check.tree.files.values()) if (file.type === fd_types.PIDFD) fatal('files.img', `file ${file.id}`, `a pidfd, which ${target} does not know`);
  const arch = architectureOf(check.set);
  if (arch === 'RISCV64' || arch === 'LOONGARCH64') fatal(undefined, undefined, `${target} does not run on ${arch}`);
  for (const task of liveTasks(check.set)) {
    for (const { status } of task.mm!.vmas) {
      const odd = ([[VmaStatus.SHSTK, 'a shadow stack'], [VmaStatus.GUARD, 'guard pages'], [VmaStatus.UPROBES, 'a uprobes page']] as const).find(([bit]) => (status & bit) !== 0);
      if (odd !== undefined) fatal(`mm-${task.pid}.img`, taskText(task), `it has ${odd[1]}, which ${target} does not know`);
    }
  }
  for (const [field, file] of used) check.add('version/lost', { file, why: `${target} does not restore ${SINCE[field]} (${field})` });
}

/** What only our own image has. */
function checkOwnFacts(check: CheckContext, target: Target): void {
  const { own } = check.tree;
  if (own === undefined) return;
  const facts = [
    ...own.tasks.flatMap((task) => [...(task.vma_names.length > 0 ? ['names of anonymous memory'] : []), ...(task.vma_flags.length > 0 ? ['sealed or lock-on-fault memory'] : []), ...(task.threads.length > 0 ? ['CPU affinity, I/O priority and other settings of threads'] : [])]),
    ...(own.files.length > 0 ? ['socket options and hints of files'] : []), ...(own.mqueues.length > 0 ? ['POSIX message queues'] : []),
  ];
  for (const fact of new Set(facts)) check.add('version/lost', { file: 'stillframe.img', why: `${target === 'criu-4.2' ? 'CRIU 4.2' : 'CRIU 3.17'} does not restore ${fact}` });
}

interface Fields { readonly used: Map<string, string>; readonly unknown: Map<string, Set<string>> }

/** Decodes every file again and looks at which fields are there. */
async function fieldsOf(check: CheckContext): Promise<Fields> {
  const fields: Fields = { used: new Map(), unknown: new Map() };
  for (const { name, kind } of check.set.loaded.files) {
    if (kind === undefined || kind.framing === 'raw' || kind.name === 'PAGEMAP' || kind.name === 'SHMEM_PAGEMAP') continue;
    if (check.set.loaded.findings.some(({ file, rule }) => file === name && rule !== 'sense/id')) continue;
    const source = await check.set.store.source(name);
    if (source === undefined) continue;
    const image = await readImageFile(source, name, kind);
    for (const entry of image.entries) walkEntry(entry, name, fields);
  }
  for (const [name, map] of check.set.loaded.pageMaps) if ((map.allMarks & PageMark.UNKNOWN) !== 0) fields.unknown.set(name, new Set(['in entries']));
  await check.set.store.close();
  return fields;
}

function walkEntry(entry: Entry, file: string, fields: Fields): void {
  walk(entry.desc, entry.message, file, fields);
  for (const inner of entry.inner ?? []) walkEntry(inner, file, fields);
}

function walk(desc: Desc<object>, message: object, file: string, fields: Fields): void {
  for (const symbol of Object.getOwnPropertySymbols(message)) {
    const list = (message as Record<symbol, unknown>)[symbol];
    if (!Array.isArray(list)) continue;
    const unknown = fields.unknown.get(file) ?? new Set();
    for (const field of list as { no: number }[]) unknown.add(`${desc.name}.${field.no}`);
    fields.unknown.set(file, unknown);
  }
  for (const [name, value] of Object.entries(message) as [string, unknown][]) {
    const field = desc.fields[name];
    if (field === undefined || value === undefined) continue;
    const key = `${desc.name}.${name}`;
    if (key in SINCE && !(DEFAULTS.has(key) && value === 0) && !(Array.isArray(value) && value.every((one) => one === 0))) fields.used.set(key, file);
    if (field.type !== 'message') continue;
    const inner = field.message!();
    for (const one of Array.isArray(value) ? value as object[] : [value as object]) walk(inner, one, file, fields);
  }
}

