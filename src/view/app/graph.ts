/** Who shares what: tasks at the left, open file descriptions at the right, a line for each holder; pipes' ends and sockets' peers side by side. */
import { describeFile, type Description } from '../../inspect/describe.ts';
import { fdRows, type FdRow } from '../../inspect/files.ts';
import type { inet_sk_entry } from '../../image/schema/index.ts';
import type { OpenSet } from '../../inspect/open.ts';
import { el, shown, svg } from './dom.ts';

export interface GraphNode { readonly id: number; readonly description: Description; readonly holders: ReadonlyMap<number, readonly (number | string)[]>; /** Descriptions at the other end. */ readonly others: readonly number[] }

/** Nodes drawn at most; the rest is counted. */
const MAX_NODES = 400;
const ROW = 22;
const SPOT = new Set(['pipe', 'fifo', 'unix', 'tcp', 'udp', 'netlink', 'packet', 'raw', 'epoll', 'memfd', 'eventfd', 'tty', 'signalfd', 'timerfd', 'inotify']);

/** Descriptions worth a look: shared by tasks, or with another end. */
export function graphNodes(set: OpenSet, all: boolean): GraphNode[] {
  const holders = new Map<number, Map<number, (number | string)[]>>();
  const rows: FdRow[] = fdRows(set);
  for (const row of rows) {
    if (typeof row.fd === 'string' && !all) continue;
    const by = holders.get(row.id) ?? new Map<number, (number | string)[]>();
    by.set(row.pid, [...(by.get(row.pid) ?? []), row.fd]);
    holders.set(row.id, by);
  }
  const ends = new Map<string, number[]>();
  for (const file of set.tree.files.values()) {
    const key = file.pipe !== undefined ? `pipe ${file.pipe.pipe_id}` : file.fifo !== undefined ? `fifo ${file.fifo.pipe_id}` : undefined;
    if (key !== undefined) ends.set(key, [...(ends.get(key) ?? []), file.id]);
  }
  const byInode = new Map([...set.tree.files.values()].flatMap((file) => (file.usk === undefined ? [] : [[file.usk.ino, file.id] as const])));
  const connected = new Map<string, number[]>();
  for (const { isk, id } of set.tree.files.values()) {
    if (isk === undefined || isk.dst_port === 0) continue;
    const key = connection(isk, false);
    connected.set(key, [...(connected.get(key) ?? []), id]);
  }
  const nodes: GraphNode[] = [];
  for (const file of set.tree.files.values()) {
    const by = holders.get(file.id);
    if (by === undefined) continue;
    const key = file.pipe !== undefined ? `pipe ${file.pipe.pipe_id}` : file.fifo !== undefined ? `fifo ${file.fifo.pipe_id}` : '';
    const peer = file.usk === undefined || file.usk.peer === 0 ? undefined : byInode.get(file.usk.peer);
    const others = [...(ends.get(key) ?? []).filter((id) => id !== file.id), ...(peer === undefined ? [] : [peer]), ...(file.isk === undefined ? [] : connected.get(connection(file.isk, true)) ?? [])];
    const description = describeFile(set.tree, file);
    if (all || by.size > 1 || others.length > 0 || SPOT.has(description.kind)) nodes.push({ id: file.id, description, holders: by, others });
  }
  return ordered(nodes);
}

/** A connection from one end, or as its other end has it. */
function connection({ proto, src_addr, src_port, dst_addr, dst_port }: inet_sk_entry, other: boolean): string {
  const [near, far] = [`${src_addr.join('.')}:${src_port}`, `${dst_addr.join('.')}:${dst_port}`];
  return `${proto} ${other ? `${far} ${near}` : `${near} ${far}`}`;
}

/** Other ends next to each other; else in the order of ids. */
function ordered(nodes: readonly GraphNode[]): GraphNode[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const out = new Set<GraphNode>();
  for (const node of nodes) {
    out.add(node);
    for (const other of node.others) {
      const found = byId.get(other);
      if (found !== undefined) out.add(found);
    }
  }
  return [...out];
}

export function drawGraph(set: OpenSet, into: HTMLElement, filter: string, all: boolean, choose: (pid: number) => void): void {
  const wanted = filter.toLowerCase();
  const nodes = graphNodes(set, all).filter((node) => wanted === '' || `${node.description.kind} ${node.description.what} ${node.description.notes.join(' ')}`.toLowerCase().includes(wanted));
  const drawn = nodes.slice(0, MAX_NODES);
  const pids = [...set.tree.tasks.keys()].filter((pid) => drawn.some((node) => node.holders.has(pid)));
  const height = Math.max(drawn.length, pids.length, 1) * ROW + 30;
  const taskGap = pids.length <= 1 ? 0 : Math.min(ROW * 4, (height - 40) / (pids.length - 1));
  const taskTop = pids.length <= 1 ? height / 2 : (height - taskGap * (pids.length - 1)) / 2;
  const taskY = new Map(pids.map((pid, i) => [pid, taskTop + i * taskGap]));
  const nodeY = new Map(drawn.map((node, i) => [node.id, 24 + i * ROW]));
  const [left, right, width] = [170, 520, 1100];
  const picture = svg('svg', { viewBox: `0 0 ${width} ${height}`, class: 'graph', role: 'img', 'aria-label': `${drawn.length} open files of ${pids.length} tasks` });
  const lines = svg('g');
  const marks = svg('g');
  for (const node of drawn) {
    const y = nodeY.get(node.id)!;
    for (const [pid, fds] of node.holders) {
      const from = taskY.get(pid)!;
      lines.append(svg('path', { d: `M${left} ${from} C${(left + right) / 2} ${from} ${(left + right) / 2} ${y} ${right} ${y}`, class: `edge k-${node.description.kind}`, 'data-pid': pid, 'data-id': node.id }, svg('title', {}, `task ${pid}: fd ${fds.join(', ')}`)));
    }
    for (const other of new Set(node.others)) {
      const to = nodeY.get(other);
      if (to !== undefined && other > node.id) lines.append(svg('path', { d: `M${right + 6} ${y} C${right - 26} ${y} ${right - 26} ${to} ${right + 6} ${to}`, class: 'pair', 'data-id': node.id }));
    }
    const { kind, what, notes } = node.description;
    const label = `${kind} ${shown(what)}`;
    marks.append(svg('g', { class: 'node', 'data-id': node.id }, svg('circle', { cx: right, cy: y, r: 5, class: `dot k-${kind}` }),
      svg('text', { x: right + 12, y: y + 4 }, label.length > 62 ? `${label.slice(0, 60)}…` : label, svg('tspan', { class: 'dim' }, ` ${shown(notes.join(', ')).slice(0, Math.max(0, 84 - Math.min(62, label.length)))}`)), svg('title', {}, `${label} (${shown(notes.join(', '))})`)));
  }
  for (const pid of pids) {
    const y = taskY.get(pid)!;
    const task = svg('g', { class: 'node task', 'data-pid': pid, tabindex: 0, role: 'button' }, svg('rect', { x: left - 8, y: y - 8, width: 16, height: 16, rx: 4 }),
      svg('text', { x: left - 16, y: y + 4, 'text-anchor': 'end' }, `${pid} ${shown(set.tree.tasks.get(pid)?.core.tc?.comm ?? '')}`));
    task.addEventListener('click', () => choose(pid));
    marks.append(task);
  }
  picture.append(lines, marks);
  const light = (target: EventTarget | null, on: boolean): void => {
    const node = target instanceof Element ? target.closest('.node') : null;
    if (node === null) return;
    const [name, value] = node.hasAttribute('data-pid') ? ['data-pid', node.getAttribute('data-pid')] : ['data-id', node.getAttribute('data-id')];
    picture.classList.toggle('focus', on);
    for (const line of picture.querySelectorAll(`[${name}="${value}"]`)) line.classList.toggle('on', on);
  };
  picture.addEventListener('pointerover', (event) => light(event.target, true));
  picture.addEventListener('pointerout', (event) => light(event.target, false));
  into.replaceChildren(nodes.length === 0 ? el('p', { class: 'dim' }, 'Nothing is shared here.') : picture, ...(nodes.length > drawn.length ? [el('p', { class: 'dim' }, `${nodes.length - drawn.length} more: narrow the search.`)] : []));
}
