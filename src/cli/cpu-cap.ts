/** The grammar of --cpu-cap: words after each other, with commas or without; `^` takes away instead of adding. */
import type { CpuCap } from '../resources/processor/compare.ts';
import { usageError } from './arguments.ts';
import type { Given } from './given.ts';

export interface CpuCaps {
  readonly caps: ReadonlySet<CpuCap>;
  /** cpuinfo.img is written by dump and compared by restore. Not so by default. */
  readonly image: boolean;
}

const ALL = ['fpu', 'ins', 'cpu'] as const;

/** @throws StillframeError for a word that is none */
export function readCpuCaps(given: Given): CpuCaps {
  const caps = new Set<CpuCap>(['fpu', 'ins']);
  let image = false;
  const change = (words: readonly CpuCap[], away: boolean): void => {
    for (const word of words) if (away) caps.delete(word); else caps.add(word);
  };
  for (const { value, spelled, source } of given.uses('cpu-cap')) {
    for (const { word, away } of split(value ?? 'all')) {
      if (word === 'none') {
        change(ALL, !away);
        image = false;
      } else if (word === 'all') change(ALL, away);
      else {
        const cap = ALL.find((known) => known === word);
        if (cap === undefined) throw usageError(`invalid argument for ${spelled}: ${word}`, { where: source, remedy: `It must be a list of ${ALL.join(', ')}, all, none; ^ before one takes it away` });
        change([cap], away);
      }
    }
    image ||= caps.size > 0;
  }
  return { caps, image };
}

/** As criu reads it: a hat turns the sense for all that follows up to the next comma. */
function split(text: string): { word: string; away: boolean }[] {
  return text.split(',').flatMap((part) => {
    let away = false;
    return [...part.matchAll(/(\^*)(fpu|all|none|cpu|ins|[^^]+)/g)].map(([, hats = '', word = '']) => {
      if (hats.length % 2 === 1) away = !away;
      return { word, away };
    });
  });
}
