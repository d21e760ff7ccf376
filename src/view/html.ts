/** The view's page as one HTML text: code, core and data inside, nothing fetched. */
import { toBase64 } from './base64.ts';

export interface PageParts {
  readonly title: string;
  readonly script: string;
  readonly style: string;
  /** The core's module. */
  readonly wasm: Uint8Array;
  /** `packView`'s results; empty for a page to drop archives on. */
  readonly index: string;
  readonly blob: string;
}

const TABS: readonly (readonly [string, string])[] = [['memory', 'Memory'], ['files', 'Files'], ['graph', 'Who shares what'], ['set', 'Set'], ['check', 'Check'], ['find', 'Find in memory']];

const escaped = (text: string): string => text.replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char]!).replace(/[\ud800-\udfff]/g, '?');
/** Inside a script element nothing may look like its end. */
const inScript = (text: string): string => text.replace(/<(?=\/script|!--|script)/gi, '\\x3c');
const inJson = (text: string): string => text.replaceAll('<', '\\u003c').replace(/[\ud800-\udfff]/g, (char) => `\\u${char.charCodeAt(0).toString(16)}`);

export function viewHtml({ title, script, style, wasm, index, blob }: PageParts): string {
  const keys = [['j k', 'next, previous task'], ['1 ... 6', 'tabs'], ['/', 'search'], ['h', 'heat over the chain'], ['o', 'open an archive'], ['t', 'dark or light'], ['Esc', 'clear the search']];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; connect-src 'self'">
<title>${escaped(title)} - Stillframe</title>
<style>${style}</style>
<header><h1 id="title">Stillframe</h1><span class="sum" id="sum">Drop a container archive or the files of an image set here.</span>
<input type="search" id="search" placeholder="Tasks, files, mappings ( / )" aria-label="Search" size="30">
<button id="open" title="Open an archive (o)">Open…</button><button id="theme" title="Dark or light (t)" aria-label="Dark or light">◐</button><button id="keys" title="Keys (?)" aria-label="Keys">?</button><input type="file" id="chooser" multiple hidden></header>
<nav id="tree" role="tree" aria-label="Tasks"></nav>
<main><p id="notice" class="bad" role="status" hidden></p><div role="tablist">${TABS.map(([id, text], i) => `<button role="tab" id="tab-${id}" aria-controls="panel-${id}" title="${i + 1}">${text}</button>`).join('')}</div>
${TABS.map(([id]) => `<section id="panel-${id}" role="tabpanel" aria-labelledby="tab-${id}" hidden></section>`).join('')}</main>
<div id="hover" class="mono" hidden></div><div id="drop" hidden>Drop to open</div>
<dialog id="help"><h3>Keys</h3><table>${keys.map(([key, what]) => `<tr><td><kbd>${key}</kbd></td><td>${what}</td></tr>`).join('')}</table><form method="dialog"><button>Close</button></form></dialog>
<script type="text/plain" id="core">${toBase64(wasm)}</script>
<script type="application/json" id="index">${inJson(index)}</script>
<script type="text/plain" id="blob">${blob}</script>
<script>${inScript(script)}</script>
</html>
`;
}
