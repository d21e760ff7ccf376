/** The page: the tree at the left; memory, files, graph, check and search of the chosen task or set at the right. */
import { loadCore } from '../../core/core.ts';
import { StillframeError } from '../../errors.ts';
import { checkSet } from '../../inspect/check/check.ts';
import { countsText } from '../../inspect/check/report.ts';
import { findingText } from '../../inspect/finding.ts';
import { fdRows, mountRows, socketRows } from '../../inspect/files.ts';
import { open, openStore, type OpenSet } from '../../inspect/open.ts';
import { findIn, hexLines, parsePattern } from '../../inspect/search.ts';
import { summaryOf } from '../../inspect/summary.ts';
import { environmentOf, taskRows, type TaskRow } from '../../inspect/tasks.ts';
import { liveTasks, mappingRows } from '../../inspect/usage.ts';
import { storeOfBlobs } from '../../image/source/store.ts';
import { fromBase64 } from '../base64.ts';
import { unpackView, type ViewIndex } from '../data.ts';
import { analysePages, type PageFacts } from '../pages.ts';
import { byId, el, hex, LongList, shown, size } from './dom.ts';
import { drawGraph } from './graph.ts';
import { breath, cellSize, Grid, paintable, STATES, STATE_TEXTS, type Picture, type State } from './picture.ts';

const TABS = ['memory', 'files', 'graph', 'set', 'check', 'find'] as const;
type Tab = (typeof TABS)[number];

/** Archives up to this size are looked at page by page when they are dropped. */
const ANALYSE_LIMIT = 512 << 20;

class Page {
  set: OpenSet | undefined;
  facts = new Map<string, PageFacts>();
  rows: TaskRow[] = [];
  pid = 0;
  tab: Tab = 'memory';
  heat = false;
  #work = new AbortController();

  async show(set: OpenSet, facts: Map<string, PageFacts>): Promise<void> {
    this.#work.abort();
    this.#work = new AbortController();
    this.set = set;
    this.facts = facts;
    this.rows = await taskRows(set).catch(() => []);
    this.pid = liveTasks(set)[0]?.pid ?? this.rows[0]?.pid ?? 0;
    byId('title').textContent = shown(set.name.split('/').at(-1) || set.name);
    byId('title').title = shown(set.name);
    const summary = await summaryOf(set);
    const { tasks, memory } = summary;
    byId('sum').textContent = `${summary.writer} · ${summary.architecture} · ${tasks.total} tasks, ${tasks.threads} threads · ${size(memory.mapped)} mapped, ${size(memory.stored)} stored${set.chain.length > 1 ? ` · chain of ${set.chain.length}` : ''}${summary.container === undefined ? '' : ` · ${summary.container.engine} ${shown(summary.container.name ?? '')}`}`;
    this.#drawTree();
    this.draw();
  }

  choose(pid: number): void {
    this.pid = pid;
    this.#drawTree();
    if (this.tab === 'graph' || this.tab === 'set' || this.tab === 'check') this.tab = 'memory';
    this.draw();
  }

  move(by: number): void {
    const at = this.rows.findIndex((row) => row.pid === this.pid);
    const next = this.rows[Math.min(this.rows.length - 1, Math.max(0, at + by))];
    if (next === undefined) return;
    this.choose(next.pid);
    document.querySelector(`nav [data-pid="${next.pid}"]`)?.scrollIntoView({ block: 'nearest' });
  }

  #drawTree(): void {
    const wanted = (byId('search') as HTMLInputElement).value.toLowerCase();
    const matches = (row: TaskRow): boolean => wanted === '' || `${row.pid} ${row.command} ${(row.args ?? []).join(' ')} ${row.executable ?? ''}`.toLowerCase().includes(wanted);
    byId('tree').replaceChildren(...this.rows.filter(matches).map((row) => {
      const button = el('button', { class: 'task', role: 'treeitem', 'aria-level': row.depth + 1, 'aria-selected': String(row.pid === this.pid), 'data-pid': row.pid, title: shown((row.args ?? [row.command]).join(' ')) },
        el('span', { class: 'pid' }, String(row.pid)), shown((row.args ?? [row.command]).join(' ')).slice(0, 200), el('span', { class: 'dim' }, row.state === 'running' ? (row.threads.length > 1 ? `  ${row.threads.length} threads` : '') : `  ${row.state}`));
      button.style.paddingLeft = `${12 + Math.min(row.depth, 20) * 14}px`;
      button.addEventListener('click', () => this.choose(row.pid));
      return button;
    }));
  }

  go(tab: Tab): void {
    this.tab = tab;
    this.draw();
    if (tab === 'find') document.getElementById('pattern')?.focus();
  }

  draw(): void {
    for (const tab of TABS) {
      byId(`tab-${tab}`).setAttribute('aria-selected', String(tab === this.tab));
      byId(`panel-${tab}`).hidden = tab !== this.tab;
    }
    const panel = byId(`panel-${this.tab}`);
    if (this.set === undefined) return;
    this.#work.abort();
    this.#work = new AbortController();
    const { signal } = this.#work;
    const drawn = { memory: () => this.#drawMemory(panel, signal), files: () => this.#drawFiles(panel), graph: () => this.#drawGraph(panel), set: () => this.#drawSet(panel), check: () => this.#drawCheck(panel), find: () => Promise.resolve(this.#drawFind(panel)) }[this.tab]();
    drawn.catch((error: unknown) => { if (!signal.aborted) panel.replaceChildren(el('p', { class: 'bad' }, error instanceof Error ? shown(error.message) : String(error))); });
  }

  filter(): void {
    this.#drawTree();
    if (this.tab === 'files' || this.tab === 'graph' || this.tab === 'memory') this.draw();
  }

  async #drawMemory(panel: HTMLElement, signal: AbortSignal): Promise<void> {
    const set = this.set!;
    const row = this.rows.find((one) => one.pid === this.pid);
    const head = el('div', {}, el('strong', {}, `${this.pid} ${shown(row?.command ?? '')}`), ' ', el('span', { class: 'dim mono' }, shown(row?.executable ?? '')));
    if (set.task(this.pid).mm === undefined) {
      panel.replaceChildren(head, el('p', { class: 'dim' }, `It is ${row?.state ?? 'dead'}: it has no memory.`));
      return;
    }
    const space = set.memory(this.pid);
    const picture = await paintable(space, set, this.facts, signal);
    const modes = el('div', { class: 'row' }, ...(['where', 'heat'] as const).map((mode) => {
      const button = el('button', { 'aria-pressed': String((mode === 'heat') === this.heat), id: `mode-${mode}` }, mode === 'where' ? 'where pages are' : 'heat over the chain');
      button.addEventListener('click', () => { this.heat = mode === 'heat'; this.draw(); });
      return button;
    }), el('span', { class: 'dim' }, picture.pagesPerCell === 1 ? 'one cell is one page; long stretches without pages are drawn shorter' : `one cell is ${picture.pagesPerCell} pages; long stretches without pages are drawn shorter`));
    const canvas = el('canvas', { id: 'picture', role: 'img', 'aria-label': `memory of task ${this.pid}` });
    const dump = el('pre', { id: 'hexdump', hidden: true });
    const list = new LongList(26, 'mappings');
    panel.replaceChildren(head, modes, this.#legend(picture, set.chain.length), canvas, dump, list.element);
    const wanted = (byId('search') as HTMLInputElement).value.toLowerCase();
    const mappings = mappingRows(set, this.pid).map((mapping, index) => ({ mapping, index })).filter(({ mapping }) => wanted === '' || `${mapping.name} ${mapping.kind} ${hex(mapping.start)}`.toLowerCase().includes(wanted));
    const chosen = { mapping: -1 };
    const drawList = (): void => list.show(mappings.length, (i) => {
      const { mapping, index } = mappings[i]!;
      const share = el('span', { class: 'bar' }, el('i'));
      (share.firstChild as HTMLElement).style.width = `${Number((mapping.stored + mapping.inParents) * 100n / (mapping.size || 1n))}%`;
      const line = el('div', { role: 'listitem', class: index === chosen.mapping ? 'on' : '' }, el('span', { class: 'mono w' }, `${hex(mapping.start)} ${mapping.perms}`), el('span', { class: 'w size' }, size(mapping.size)), share,
        el('span', { class: 'w stored dim' }, `${size(mapping.stored)} stored${mapping.inParents > 0n ? `, ${size(mapping.inParents)} in parents` : ''}`), el('span', { class: 'name mono' }, shown(mapping.name || mapping.kind)));
      line.addEventListener('click', () => { pick(index, mapping.start); });
      return line;
    });
    const pick = (mapping: number, address: bigint): void => {
      chosen.mapping = mapping;
      drawList();
      list.scrollTo(mappings.findIndex((one) => one.index === mapping));
      paint(canvas, picture, this.heat, set.chain.length, mapping);
      void this.#hexdump(dump, address);
    };
    drawList();
    const grid = paint(canvas, picture, this.heat, set.chain.length, -1);
    const hover = byId('hover');
    canvas.addEventListener('pointermove', (event) => {
      const index = grid.at(event.offsetX, event.offsetY);
      const cell = index === undefined ? undefined : picture.cells[index];
      hover.hidden = cell === undefined;
      if (cell === undefined || index === undefined) return;
      const mapping = space.mappings[cell.mapping]!;
      hover.textContent = `${hex(cell.start)} ${mapping.perms} ${shown(mapping.name || mapping.kind)}: ${STATE_TEXTS[picture.states[index]!]}${picture.heat[index]! > 0 ? `, stored in ${picture.heat[index]} of ${set.chain.length}` : ''}`;
      hover.style.left = `${Math.min(event.clientX + 14, innerWidth - 340)}px`;
      hover.style.top = `${event.clientY + 14}px`;
    });
    canvas.addEventListener('pointerleave', () => { hover.hidden = true; });
    canvas.addEventListener('click', (event) => {
      const index = grid.at(event.offsetX, event.offsetY);
      const cell = index === undefined ? undefined : picture.cells[index];
      if (cell !== undefined) pick(cell.mapping, cell.start);
    });
  }

  #legend(picture: Picture, links: number): HTMLElement {
    if (this.heat) {
      return el('div', { class: 'legend' }, ...Array.from({ length: Math.min(links, 8) + 1 }, (_, i) => {
        const times = Math.round(i * links / Math.min(links, 8));
        const mark = el('i');
        mark.style.background = times === 0 ? 'var(--empty)' : heatColour(times, links);
        return el('span', {}, mark, times === 0 ? 'never stored' : `in ${times} of ${links} ${links === 1 ? 'set' : 'sets'}`);
      }));
    }
    return el('div', { class: 'legend' }, ...STATES.filter((state) => picture.totals[state] > 0).map((state) => {
      const mark = el('i');
      mark.style.background = `var(--${state})`;
      return el('span', {}, mark, `${STATE_TEXTS[state]} (${picture.totals[state].toLocaleString('en')} pages)`);
    }));
  }

  async #hexdump(into: HTMLElement, address: bigint): Promise<void> {
    into.hidden = false;
    try {
      const { bytes, known } = await this.set!.memory(this.pid).read(address, 256);
      into.textContent = known.some((one) => one === 1) ? hexLines(address, bytes, known).join('\n') : `${hex(address)}: its contents are those of the mapped file; they are not in the set.`;
    } catch (error) {
      into.textContent = error instanceof Error ? error.message : String(error);
    }
  }

  async #drawFiles(panel: HTMLElement): Promise<void> {
    const set = this.set!;
    const wanted = (byId('search') as HTMLInputElement).value.toLowerCase();
    const rows = fdRows(set, this.pid).filter((row) => wanted === '' || `${row.kind} ${row.what} ${row.notes.join(' ')}`.toLowerCase().includes(wanted));
    const environment = await environmentOf(set, set.task(this.pid)).catch(() => undefined);
    panel.replaceChildren(
      el('h3', {}, `What ${this.pid} has open`),
      table(['fd', 'kind', 'flags', 'what', 'notes'], rows.slice(0, 2000).map((row) => [String(row.fd), row.kind, row.flags, row.what, [...row.notes, ...(row.sharedWith.length > 0 ? [`shared with ${row.sharedWith.slice(0, 6).join(' ')}`] : [])].join(', ')]), 3),
      ...(rows.length > 2000 ? [el('p', { class: 'dim' }, `${rows.length - 2000} more: narrow the search.`)] : []),
      el('details', {}, el('summary', {}, 'Environment'), el('pre', {}, (environment ?? ['It is not in the set.']).map(shown).join('\n'))),
    );
  }

  #drawGraph(panel: HTMLElement): Promise<void> {
    const all = el('input', { type: 'checkbox', id: 'graph-all' });
    const into = el('div');
    const redraw = (): void => drawGraph(this.set!, into, (byId('search') as HTMLInputElement).value, all.checked, (pid) => this.choose(pid));
    all.addEventListener('change', redraw);
    panel.replaceChildren(el('label', { class: 'row' }, all, 'everything that is open, not only what is shared or has another end'), into);
    redraw();
    return Promise.resolve();
  }

  async #drawSet(panel: HTMLElement): Promise<void> {
    const set = this.set!;
    const summary = await summaryOf(set);
    const sockets = socketRows(set);
    const mounts = mountRows(set);
    panel.replaceChildren(
      el('h3', {}, 'The set'),
      table([], Object.entries({ 'written by': summary.writer, written: summary.written ?? '', architecture: summary.architecture, ...summary.container, namespaces: summary.namespaces.join(', ') }).filter(([, value]) => value !== '' && value !== undefined).map(([name, value]) => [name, String(value)]), 1),
      el('h3', {}, 'Chain'), table(['set', 'files', 'bytes', 'pages'], summary.chain.map((link) => [link.name, String(link.files), size(link.bytes), size(link.pagesBytes)]), 0),
      ...(sockets.length > 0 ? [el('h3', {}, 'Sockets'), table(['family', 'protocol', 'state', 'local', 'peer', 'held by'], sockets.slice(0, 1000).map((row) => [row.family, row.protocol || row.type, row.state, row.local, row.peer, row.users.join(' ')]), 3)] : []),
      ...(mounts.length > 0 ? [el('h3', {}, 'Mounts'), table(['mountpoint', 'type', 'source', 'notes'], mounts.slice(0, 1000).map((row) => [row.mountpoint, row.type, row.source, row.notes.join(', ')]), 0)] : []),
      el('h3', {}, 'Files'), table(['file', 'kind', 'bytes', 'records'], set.loaded.files.slice(0, 2000).map((file) => [file.name, file.kind?.name ?? '', file.size.toLocaleString('en'), file.records === undefined ? '' : String(file.records)]), 0),
    );
  }

  async #drawCheck(panel: HTMLElement): Promise<void> {
    const findings = await checkSet(this.set!);
    panel.replaceChildren(el('h3', {}, countsText(findings)), ...findings.slice(0, 1000).map((finding) => el('div', { class: 'finding' },
      el('strong', { class: finding.severity === 'error' ? 'bad' : 'dim' }, finding.severity), ` ${shown(findingText(finding))} `, el('code', { class: 'dim' }, finding.rule), finding.remedy === undefined ? '' : el('div', { class: 'dim' }, shown(finding.remedy)))));
  }

  #found: OpenSet | undefined;

  /** Drawn once a set: what was found stays when the theme or the tab changes. */
  #drawFind(panel: HTMLElement): void {
    if (this.#found === this.set) return;
    this.#found = this.set;
    const input = el('input', { type: 'search', placeholder: 'text, /regex/ or 0xbytes in memory', size: 44, id: 'pattern' });
    const go = el('button', { id: 'find-go' }, 'Find');
    const out = el('div', { id: 'found' });
    const find = async (): Promise<void> => {
      this.#work.abort();
      this.#work = new AbortController();
      const { signal } = this.#work;
      out.replaceChildren(el('p', { class: 'dim' }, 'Searching…'));
      try {
        const pattern = parsePattern(input.value);
        const found: HTMLElement[] = [];
        for (const task of liveTasks(this.set!)) {
          const space = this.set!.memory(task.pid);
          for await (const { address, length } of findIn(space, pattern)) {
            const from = address - (address < 16n ? address : 16n);
            const { bytes, known } = await space.read(from, Math.min(length, 64) + 32);
            found.push(el('div', { class: 'finding' }, el('strong', {}, `${task.pid} ${hex(address)}`), ` ${shown(space.mappingAt(address)?.name ?? '')}`, el('pre', {}, hexLines(from, bytes, known).join('\n'))));
            if (found.length >= 200) break;
          }
          await breath(signal);
          if (found.length >= 200) break;
        }
        out.replaceChildren(el('p', { class: 'dim' }, found.length === 0 ? 'It is nowhere in stored memory.' : `${found.length >= 200 ? 'The first 200' : found.length} found`), ...found);
      } catch (error) {
        if (!signal.aborted) out.replaceChildren(el('p', { class: 'bad' }, error instanceof Error ? shown(error.message) : String(error)));
      }
    };
    go.addEventListener('click', () => void find());
    input.addEventListener('keydown', (event) => { if (event.key === 'Enter') void find(); });
    panel.replaceChildren(el('div', { class: 'row' }, input, go), out);
  }
}

function table(heads: readonly string[], rows: readonly (readonly string[])[], wrap: number): HTMLElement {
  return el('table', {}, heads.length === 0 ? '' : el('thead', {}, el('tr', {}, ...heads.map((head) => el('th', {}, head)))), el('tbody', {}, ...rows.map((row) => el('tr', {}, ...row.map((cell, i) => el('td', { class: i === wrap ? 'wrap mono' : i === row.length - 1 ? 'wrap' : '' }, shown(cell)))))));
}

const heatColour = (times: number, links: number): string => `hsl(${48 - 48 * Math.min(1, times / Math.max(1, links))} 90% ${62 - 14 * Math.min(1, times / Math.max(1, links))}%)`;

function paint(canvas: HTMLCanvasElement, picture: Picture, heat: boolean, links: number, chosen: number): Grid {
  const width = Math.max(320, (canvas.parentElement?.clientWidth ?? 900) - 4);
  const edge = cellSize(width, picture.cells.length);
  const grid = new Grid(width, picture.cells.length, edge);
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.min(16384, width * ratio);
  canvas.height = Math.min(16384, Math.max(1, grid.rows) * edge * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${Math.max(1, grid.rows) * edge}px`;
  const context = canvas.getContext('2d')!;
  context.scale(ratio, ratio);
  const style = getComputedStyle(document.documentElement);
  const colours = Object.fromEntries(STATES.map((state) => [state, style.getPropertyValue(`--${state}`).trim()])) as Record<State, string>;
  const accent = style.getPropertyValue('--text').trim();
  const gap = edge > 4 ? 1 : 0;
  picture.cells.forEach((cell, i) => {
    const { x, y } = grid.place(i);
    const times = picture.heat[i]!;
    context.fillStyle = heat ? (times === 0 ? colours.empty : heatColour(times, links)) : colours[picture.states[i]!];
    context.fillRect(x, y, edge - gap, edge - gap);
    if (i > 0 && picture.cells[i - 1]!.mapping !== cell.mapping && edge > 3) {
      context.fillStyle = accent;
      context.globalAlpha = 0.45;
      context.fillRect(x - gap, y, 1, edge - gap);
      context.globalAlpha = 1;
    }
    if (cell.mapping === chosen) {
      context.fillStyle = accent;
      context.fillRect(x, y + edge - gap - 2, edge - gap, 2);
    }
  });
  return grid;
}

function tell(text: string): void {
  const notice = byId('notice');
  notice.textContent = text;
  notice.hidden = text === '';
}

async function openDropped(page: Page, files: readonly File[]): Promise<void> {
  if (files.length === 0) return;
  tell(`Opening ${files.map((file) => file.name).slice(0, 3).join(', ')}…`);
  try {
    const images = files.filter((file) => file.name.endsWith('.img') || file.name.startsWith('stats-'));
    const set = images.length > 0 ? await openStore(storeOfBlobs(files[0]!.webkitRelativePath.split('/')[0] || 'dropped images', images.map((file) => ({ name: file.name, blob: file })))) : await open(files[0]!, { name: files[0]!.name });
    await page.show(set, new Map());
    tell('');
    const pages = set.chain.reduce((sum, link) => sum + link.loaded.files.reduce((bytes, file) => bytes + (file.kind?.name === 'PAGES' ? file.size : 0), 0), 0);
    if (pages > ANALYSE_LIMIT) return;
    const facts = new Map<string, PageFacts>();
    for (const [i] of set.chain.entries()) for (const [file, fact] of await analysePages(set, i)) facts.set(`${i}/${file}`, fact);
    if (page.set !== set) return;
    page.facts = facts;
    if (page.tab === 'memory') page.draw();
  } catch (error) {
    tell(error instanceof StillframeError ? shown(error.message) : `Error: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Files of dropped folders, too; folders inside folders are not followed. */
async function droppedFiles(transfer: DataTransfer): Promise<File[]> {
  const files: File[] = [];
  for (const item of [...transfer.items].map((one) => one.webkitGetAsEntry?.() ?? null)) {
    if (item === null) continue;
    if (item.isFile) files.push(await new Promise<File>((resolve, reject) => { (item as FileSystemFileEntry).file(resolve, reject); }));
    else {
      const reader = (item as FileSystemDirectoryEntry).createReader();
      for (;;) {
        const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => { reader.readEntries(resolve, reject); });
        if (entries.length === 0) break;
        for (const entry of entries) if (entry.isFile) files.push(await new Promise<File>((resolve, reject) => { (entry as FileSystemFileEntry).file(resolve, reject); }));
      }
    }
  }
  return files.length > 0 ? files : [...transfer.files];
}

function theme(page: Page, next?: 'light' | 'dark'): void {
  const root = document.documentElement;
  const now = next ?? (root.dataset['theme'] === 'dark' ? 'light' : 'dark');
  root.dataset['theme'] = now;
  page.draw();
}

function wire(page: Page): void {
  for (const tab of TABS) byId(`tab-${tab}`).addEventListener('click', () => page.go(tab));
  const search = byId('search') as HTMLInputElement;
  search.addEventListener('input', () => page.filter());
  byId('theme').addEventListener('click', () => theme(page));
  byId('keys').addEventListener('click', () => (byId('help') as HTMLDialogElement).showModal());
  const chooser = byId('chooser') as HTMLInputElement;
  byId('open').addEventListener('click', () => chooser.click());
  chooser.addEventListener('change', () => void openDropped(page, [...(chooser.files ?? [])]));
  const drop = byId('drop');
  addEventListener('dragover', (event) => { event.preventDefault(); drop.hidden = false; });
  addEventListener('dragleave', (event) => { if (event.relatedTarget === null) drop.hidden = true; });
  addEventListener('drop', (event) => {
    event.preventDefault();
    drop.hidden = true;
    if (event.dataTransfer !== null) void droppedFiles(event.dataTransfer).then((files) => openDropped(page, files));
  });
  let resizing = 0;
  addEventListener('resize', () => { clearTimeout(resizing); resizing = window.setTimeout(() => { if (page.tab === 'memory') page.draw(); }, 150); });
  addEventListener('keydown', (event) => {
    const typing = event.target instanceof HTMLInputElement && event.target.type === 'search';
    if (event.key === 'Escape' && typing) {
      const field = event.target as HTMLInputElement;
      field.blur();
      if (field === search) { field.value = ''; page.filter(); }
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const number = Number(event.key);
    const action: Readonly<Record<string, () => void>> = {
      j: () => page.move(1), ArrowDown: () => page.move(1), k: () => page.move(-1), ArrowUp: () => page.move(-1), '/': () => search.focus(), t: () => theme(page), o: () => byId('open').click(),
      h: () => { page.heat = !page.heat; page.tab = 'memory'; page.draw(); }, '?': () => (byId('help') as HTMLDialogElement).showModal(),
    };
    const inList = event.target instanceof Element && event.target.closest('.long') !== null && event.key.startsWith('Arrow');
    if (number >= 1 && number <= TABS.length) { page.go(TABS[number - 1]!); event.preventDefault(); } else if (action[event.key] !== undefined && !inList) { action[event.key]!(); event.preventDefault(); }
  });
}

async function start(): Promise<void> {
  const page = new Page();
  if (document.documentElement.dataset['theme'] === undefined) document.documentElement.dataset['theme'] = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  await loadCore(fromBase64(byId('core').textContent!) as Uint8Array<ArrayBuffer>);
  wire(page);
  const text = byId('index').textContent!;
  if (text.trim() !== '') {
    const { store, facts } = unpackView(JSON.parse(text) as ViewIndex, byId('blob').textContent!);
    await page.show(await openStore(store), facts);
  }
  document.documentElement.dataset['ready'] = 'yes';
}

start().catch((error: unknown) => tell(error instanceof Error ? shown(error.message) : String(error)));
