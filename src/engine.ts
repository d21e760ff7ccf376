/** What V8 is told about the work ahead. */
import { createRequire } from 'node:module';

let told = false;

/**
 * Much work of a few milliseconds for each function is ahead: the baseline compiler's code is to do. The optimising compiler would take a
 * second processor for longer than its code is run (a fifth of a dump of 4,000 mappings), and the tree's tasks need that processor. Loading
 * `node:v8` costs a millisecond, so nobody asks for this without a reason.
 */
export function keepToBaseline(): void {
  if (told) return;
  told = true;
  const v8 = createRequire(import.meta.url)('node:v8') as typeof import('node:v8');
  v8.setFlagsFromString('--no-opt');
}
