/**
 * Where the pages of a task lie that were copied while it ran: most in its pages file, in the order of their addresses, and what was copied
 * again later in a second file, each time behind what is there. In the end the pages file must have exactly the pages of the page map
 * in their order; `moves` says what has to be moved for that. Everything is counted in pages: addresses fit a double then.
 */

/** Pages `[start, end)`. */
export interface Span { readonly start: number; readonly end: number }

/** Which file: the pages file itself, or the one with what changed later. */
export const PAGES = 0, LATER = 1;

/** Pages `[start, end)` from page `at` of a file on. */
export interface Piece extends Span { readonly file: typeof PAGES | typeof LATER; readonly at: number }

/** `size` pages from page `from` of a file to page `to` of the pages file. */
export interface Move { readonly file: typeof PAGES | typeof LATER; readonly from: number; readonly to: number; readonly size: number }

/** What of sorted `spans` no piece of sorted `others` has. */
export function without(spans: readonly Span[], others: readonly Span[]): Span[] {
  const out: Span[] = [];
  let at = 0;
  for (const { start, end } of spans) {
    let from = start;
    while (at < others.length && others[at]!.end <= from) at++;
    for (let i = at; i < others.length && others[i]!.start < end; i++) {
      const other = others[i]!;
      if (other.start > from) out.push({ start: from, end: other.start });
      if (other.end > from) from = other.end;
    }
    if (from < end) out.push({ start: from, end });
  }
  return out;
}

/** What of sorted pieces lies in sorted spans. */
export function within(pieces: readonly Piece[], spans: readonly Span[]): Piece[] {
  const out: Piece[] = [];
  let at = 0;
  for (const { start, end } of spans) {
    while (at < pieces.length && pieces[at]!.end <= start) at++;
    for (let i = at; i < pieces.length && pieces[i]!.start < end; i++) {
      const piece = pieces[i]!;
      const from = Math.max(piece.start, start);
      out.push({ start: from, end: Math.min(piece.end, end), file: piece.file, at: piece.at + (from - piece.start) });
    }
  }
  return out;
}

/** The pieces, with newer ones in place of what they cover. Both sorted. */
export function overlay(pieces: readonly Piece[], newer: readonly Piece[]): Piece[] {
  if (newer.length === 0) return [...pieces];
  const kept = within(pieces, without(pieces, newer));
  const out: Piece[] = [];
  let a = 0, b = 0;
  while (a < kept.length || b < newer.length) {
    const next = b >= newer.length || (a < kept.length && kept[a]!.start < newer[b]!.start) ? kept[a++]! : newer[b++]!;
    const last = out.at(-1);
    if (last !== undefined && last.end === next.start && last.file === next.file && last.at + (last.end - last.start) === next.at) out[out.length - 1] = { ...last, end: next.end };
    else out.push(next);
  }
  return out;
}

/** Spans laid end to end in a file from page `at` on. */
export function lay(spans: readonly Span[], file: typeof PAGES | typeof LATER, at: number): Piece[] {
  let next = at;
  return spans.map(({ start, end }) => {
    const piece = { start, end, file, at: next };
    next += end - start;
    return piece;
  });
}

export const sizeOf = (spans: readonly Span[]): number => spans.reduce((sum, { start, end }) => sum + (end - start), 0);

/**
 * What to move, in this order, so that the pages file has the pieces end to end. A move of PAGES may overlap itself. What moves up goes
 * first, the last of it first, then what moves down, the first of it first: pieces keep their order, so none is written over
 * before it has moved. What comes from the other file goes last.
 */
export function moves(pieces: readonly Piece[]): Move[] {
  const up: Move[] = [], down: Move[] = [], other: Move[] = [];
  let to = 0;
  for (const { start, end, file, at } of pieces) {
    const list = file === LATER ? other : at < to ? up : down;
    const last = list.at(-1);
    if (file === LATER || at !== to) {
      if (last !== undefined && last.from + last.size === at && last.to + last.size === to) list[list.length - 1] = { ...last, size: last.size + (end - start) };
      else list.push({ file, from: at, to, size: end - start });
    }
    to += end - start;
  }
  return [...up.reverse(), ...down, ...other];
}
