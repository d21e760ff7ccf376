/** Making elements. Text always goes in as text: names in images are anybody's. */
type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

const XMLNS = 'http://www.w3.org/2000/svg';

function fill<E extends Element>(element: E, attributes: Attributes, children: readonly (Node | string)[]): E {
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : String(value));
  element.append(...children);
  return element;
}

export const el = <K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: (Node | string)[]): HTMLElementTagNameMap[K] =>
  fill(document.createElement(tag), attributes, children);

export const svg = (tag: string, attributes: Attributes = {}, ...children: (Node | string)[]): SVGElement =>
  fill(document.createElementNS(XMLNS, tag) as SVGElement, attributes, children);

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/** Control characters and lone surrogates as escapes, so that they show. */
export const shown = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu, (char) => {
  const code = char.charCodeAt(0);
  return code >= 0xdc80 && code <= 0xdcff ? `\\x${(code - 0xdc00).toString(16)}` : `\\x${code.toString(16).padStart(2, '0')}`;
});

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
export function size(bytes: number | bigint): string {
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < 4) { value /= 1024; unit++; }
  return unit === 0 ? `${value} B` : `${value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

export const hex = (value: bigint): string => `0x${value.toString(16)}`;

/**
 * A list of any length: only rows in sight are in the document.
 * @param row makes the element of a row; all rows are `height` pixels high
 */
export class LongList {
  readonly element: HTMLElement;
  readonly #inner: HTMLElement;
  #count = 0;
  #row: (index: number) => HTMLElement = () => el('div');
  #frame = 0;

  constructor(readonly height: number, name: string) {
    this.#inner = el('div', { class: 'long-inner' });
    this.element = el('div', { class: 'long', role: 'list', 'aria-label': name, tabindex: 0 }, this.#inner);
    this.element.addEventListener('scroll', () => this.#later());
    new ResizeObserver(() => this.#later()).observe(this.element);
  }

  show(count: number, row: (index: number) => HTMLElement): void {
    this.#count = count;
    this.#row = row;
    this.#inner.style.height = `${Math.min(count * this.height, 8_000_000)}px`;
    this.#draw();
  }

  scrollTo(index: number): void {
    this.element.scrollTop = Math.max(0, index * this.#scale() - this.element.clientHeight / 2);
  }

  /** Pixels of the scrolled element a row has: less than its height once the list is longer than an element can be. */
  #scale(): number { return this.#count * this.height > 8_000_000 ? 8_000_000 / this.#count : this.height; }

  #later(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    const first = Math.max(0, Math.floor(this.element.scrollTop / this.#scale()) - 5);
    const many = Math.ceil(this.element.clientHeight / this.height) + 10;
    const top = Math.max(0, this.element.scrollTop - 5 * this.height);
    const rows: HTMLElement[] = [];
    for (let i = first; i < Math.min(this.#count, first + many); i++) {
      const row = this.#row(i);
      row.classList.add('long-row');
      row.style.top = `${this.#scale() === this.height ? i * this.height : top + (i - first) * this.height}px`;
      row.style.height = `${this.height}px`;
      rows.push(row);
    }
    this.#inner.replaceChildren(...rows);
  }
}
