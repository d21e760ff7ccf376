/** What a set is, in one screen: `image show`. Containers' own files (config.dump, spec.dump, status) are read where an archive has them. */
import { textOf } from '../image/text.ts';
import { isDead } from '../image/tree.ts';
import { readAll } from '../image/source/source.ts';
import type { Archive } from '../image/source/store.ts';
import { isCompanion } from './load.ts';
import { describeSocket, fdTypeName } from './describe.ts';
import type { OpenSet } from './open.ts';
import { archName } from './tasks.ts';
import { liveTasks, mappingRows, sumsOf, type MemorySums } from './usage.ts';

export interface Summary {
  readonly name: string;
  /** `Stillframe 0.1.0`, `CRIU 4.2 or later`; by what the set contains. */
  readonly writer: string;
  readonly imageVersion: number;
  readonly architecture: string;
  /** When the inventory was written, by its file's time. */
  readonly written?: string;
  readonly container?: Container;
  readonly tasks: { readonly total: number; readonly threads: number; readonly zombies: number; readonly sessions: number; readonly root?: { readonly pid: number; readonly command: string } };
  readonly memory: MemorySums & { readonly pageSize: number };
  /** Open file descriptions by type. */
  readonly files: Readonly<Record<string, number>>;
  readonly sockets: { readonly listening: readonly string[]; readonly connected: number; readonly queuedBytes: number };
  readonly namespaces: readonly string[];
  /** Sets of the chain, from this one back. */
  readonly chain: readonly { readonly name: string; readonly files: number; readonly bytes: number; readonly pagesBytes: number }[];
  readonly timesUs?: { readonly freezing: number; readonly frozen: number; readonly memory: number; readonly writing: number };
  /** Files that could not be read or are of no known kind. */
  readonly damaged: number;
  readonly unknownFiles: readonly string[];
}

export interface Container {
  readonly engine: string;
  readonly id?: string;
  readonly name?: string;
  readonly image?: string;
  readonly runtime?: string;
  readonly created?: string;
  readonly checkpointed?: string;
  readonly hostname?: string;
  readonly ip?: string;
}

export async function summaryOf(set: OpenSet): Promise<Summary> {
  const { tree, loaded } = set;
  const tasks = [...tree.tasks.values()];
  const root = tasks.find((task) => !tree.tasks.has(task.item.ppid));
  const live = liveTasks(set);
  const sums = sumsOf(function* () { for (const task of live) yield* mappingRows(set, task.pid); }());
  const files: Record<string, number> = {};
  for (const file of tree.files.values()) files[fdTypeName(file.type)] = (files[fdTypeName(file.type)] ?? 0) + 1;
  const sockets = [...tree.files.values()].flatMap((file) => describeSocket(tree, file) ?? []);
  const dump = await set.stats().then((stats) => stats.get('stats-dump')?.dump, () => undefined);
  const written = (await set.store.source('inventory.img'))?.mtime;
  const container = set.archive === undefined ? undefined : await containerOf(set.archive, set);
  return {
    name: set.name, writer: writerOf(set), imageVersion: tree.inventory.img_version, architecture: architectureOf(set),
    ...(written === undefined ? {} : { written: written.toISOString() }), ...(container === undefined ? {} : { container }),
    tasks: {
      total: tasks.length, threads: tasks.reduce((sum, task) => sum + (isDead(task) ? 0 : task.threads.size), 0), zombies: tasks.filter(isDead).length,
      sessions: new Set(tasks.map((task) => task.item.sid)).size, ...(root === undefined ? {} : { root: { pid: root.pid, command: root.core.tc?.comm ?? '?' } }),
    },
    memory: { ...sums, pageSize: loaded.pageSize }, files,
    sockets: {
      listening: sockets.filter((socket) => socket.state === 'LISTEN').map((socket) => `${socket.protocol || socket.family} ${socket.local}`),
      connected: sockets.filter((socket) => socket.peer !== '').length, queuedBytes: sockets.reduce((sum, socket) => sum + socket.inq + socket.outq, 0),
    },
    namespaces: namespacesOf(set),
    chain: set.chain.map((link) => ({
      name: link.name, files: link.loaded.files.length, bytes: link.loaded.files.reduce((sum, file) => sum + file.size, 0),
      pagesBytes: link.loaded.files.reduce((sum, file) => sum + (file.kind?.name === 'PAGES' ? file.size : 0), 0),
    })),
    ...(dump === undefined || dump === null ? {} : { timesUs: { freezing: dump.freezing_time, frozen: dump.frozen_time, memory: dump.memdump_time, writing: dump.memwrite_time } }),
    damaged: loaded.findings.length, unknownFiles: tree.rest.filter((file) => file.why === 'unknown' && !isCompanion(file.name)).map((file) => file.name),
  };
}

/** By what only some versions write: the run id since 4.1, 64-bit page counts since 4.2, our own image. */
export function writerOf(set: OpenSet): string {
  if (set.tree.own !== undefined) return `Stillframe${set.tree.own.writer === undefined ? '' : ` ${set.tree.own.writer}`}`;
  if (!set.loaded.inventory) return 'unknown';
  for (const map of set.loaded.pageMaps.values()) if (map.count > 0) return (map.allMarks & 1) !== 0 ? 'CRIU 4.2 or later, or Stillframe' : 'CRIU before 4.2';
  return set.tree.inventory.dump_criu_run_id === undefined ? 'CRIU' : 'CRIU 4.1 or later';
}

export function architectureOf(set: OpenSet): string {
  const [first] = [...set.tree.tasks.values()].filter((task) => !set.loaded.coreless.has(task.pid));
  return first === undefined ? 'unknown' : archName(first.core);
}

function namespacesOf(set: OpenSet): string[] {
  const { tree } = set;
  const kinds: readonly (readonly [string, { readonly size: number }])[] = [
    ['user', tree.userns], ['mnt', tree.mntns], ['net', tree.netns], ['ipc', tree.ipcns], ['uts', tree.utsns], ['pid', tree.pidns],
  ];
  return kinds.filter(([, map]) => map.size > 0).map(([name, map]) => (map.size === 1 ? name : `${name} (${map.size})`));
}

/** config.dump and friends are written by the engines; none is larger than this. */
const MAX_CONFIG = 16 << 20;

async function jsonOf(archive: Archive, path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  const file = archive.file(path);
  if (file === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(textOf(await readAll(file, MAX_CONFIG, 'read archive')));
    return typeof value === 'object' && value !== null ? value as Readonly<Record<string, unknown>> : undefined;
  } catch {
    // not JSON: then it tells nothing; the set itself is what counts
    return undefined;
  }
}

/** Fields by their names in Podman's and CRI-O's config.dump, spec.dump's annotations, containerd's status.dump. */
async function containerOf(archive: Archive, set: OpenSet): Promise<Container | undefined> {
  const config = await jsonOf(archive, 'config.dump');
  const spec = await jsonOf(archive, 'spec.dump');
  const status = await jsonOf(archive, 'status.dump') ?? await jsonOf(archive, 'status');
  if (config === undefined && spec === undefined) return undefined;
  const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
  const annotations = (typeof spec?.['annotations'] === 'object' && spec['annotations'] !== null ? spec['annotations'] : {}) as Readonly<Record<string, unknown>>;
  const manager = text(annotations['io.container.manager']) ?? (Object.keys(annotations).some((key) => key.startsWith('io.kubernetes.cri-o.')) ? 'cri-o' : undefined);
  const engine = manager === 'libpod' || text(config?.['ociruntime']) !== undefined || manager === undefined && config?.['spec'] !== undefined ? 'Podman' : manager === 'cri-o' ? 'CRI-O' : Object.keys(annotations).some((key) => key.startsWith('io.kubernetes.cri.')) || status !== undefined ? 'containerd' : manager ?? 'unknown';
  const first = (...values: unknown[]): string | undefined => values.map(text).find((value) => value !== undefined);
  const id = first(config?.['id']);
  const name = first(config?.['name'], annotations['io.kubernetes.cri-o.ContainerName'], annotations['io.kubernetes.cri.container-name'], annotations['io.kubernetes.container.name']);
  const image = first(config?.['rootfsImageName'], annotations['io.kubernetes.cri-o.ImageName'], annotations['io.kubernetes.cri.image-name'], config?.['rootfsImage']);
  const fields = {
    id, name, image, runtime: first(config?.['runtime'], config?.['ociruntime']), created: first(config?.['createdTime'], annotations['io.kubernetes.cri-o.Created'], status?.['CreatedAt']),
    checkpointed: first(config?.['checkpointedTime'], config?.['checkpointedAt']), hostname: first(spec?.['hostname'], ...[...set.tree.utsns.values()].map((uts) => uts.nodename)), ip: first(config?.['staticIP'], annotations['io.kubernetes.cri-o.IP.0']),
  };
  return { engine, ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) };
}
