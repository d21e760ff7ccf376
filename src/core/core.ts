/**
 * The core's functions, typed: bytes in, plain values out. Runs anywhere; in Node, `node.ts` finds and loads the module.
 * Every refusal is a `CoreError` with the byte offset in the bytes that were passed.
 */
import { compileCore, CoreInstance } from '../../wasm/loader.ts';
import { ChecksumCore } from './checksum.ts';
import { ContainerCore } from './container.ts';
import { PagemapCore } from './pagemap.ts';
import { PagesCore } from './pages.ts';
import { RangesCore } from './ranges.ts';
import { RowsCore } from './rows.ts';
import { TapeCore } from './tape.ts';
import { WireCore } from './wire.ts';

export { CoreError, compileCore } from '../../wasm/loader.ts';
export type { ContainerHeader, HeaderKind, RecordSpan, Container } from './container.ts';
export { FieldTable, WireType } from './wire.ts';
export { PageFlag, PageMark, MARKS_BAD } from './pagemap.ts';
export type { PageMap, PageMapColumns } from './pagemap.ts';
export { flat, NO_MAPPING } from './ranges.ts';
export type { Piece, Ranges } from './ranges.ts';
export { DiffKind, PAGE } from './pages.ts';
export type { PageBitmap, Snapshot, SnapshotDiff } from './pages.ts';

export class Core {
  readonly instance: CoreInstance;
  readonly container: ContainerCore;
  readonly wire: WireCore;
  readonly tape: TapeCore;
  readonly pagemap: PagemapCore;
  readonly rows: RowsCore;
  readonly ranges: RangesCore;
  readonly pages: PagesCore;
  readonly checksum: ChecksumCore;

  /** @param module or what makes it when the core is first used */
  constructor(module: WebAssembly.Module | (() => WebAssembly.Module)) {
    this.instance = new CoreInstance(module);
    this.container = new ContainerCore(this.instance);
    this.wire = new WireCore(this.instance);
    this.tape = new TapeCore(this.instance);
    this.pagemap = new PagemapCore(this.instance);
    this.rows = new RowsCore(this.instance);
    this.ranges = new RangesCore(this.instance);
    this.pages = new PagesCore(this.instance);
    this.checksum = new ChecksumCore(this.instance);
  }
}

/** Loads the core from the module's bytes or address, and makes it `theCore()`. */
export async function loadCore(source: BufferSource | URL | string): Promise<Core> {
  return useCore(new Core(await compileCore(source)));
}

let current: Core | undefined;

/** Makes `core` what `theCore()` gives. */
export function useCore(core: Core): Core {
  current = core;
  return core;
}

/** The loaded core. In Node, importing `src/core/node.ts` has loaded it; elsewhere `await loadCore(...)` comes first. */
export function theCore(): Core {
  if (current === undefined) throw new Error("the core is not loaded: import 'src/core/node.ts' (Node), or await loadCore(url) (browser)");
  return current;
}
