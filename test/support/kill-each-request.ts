/** A verb that is killed (SIGKILL of the supervisor) before each of its requests to the helper. */
import { existsSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { changed, hasBallast, isTracked, untilUnharmed, view, withBallast } from './ballast.ts';
import { keepersOf, link, type LinkOptions, type Verb } from './chain-of-dumps.ts';
import { killedBefore } from './killed-before.ts';
import { alive, until } from './program.ts';
import { OURS, restore } from './tool.ts';

/** Sets that build on each other before a new one has everything: all of them are read each time. */
const LONGEST = 5;

export interface KillOptions extends Pick<LinkOptions, 'track' | 'precopy'> {
  /** On top of the set before. */
  readonly parent?: boolean;
}

/**
 * Kills whoever runs a verb before its first request to the helper, before its second, and so on until it gets through. Each time the program is unharmed, nobody of
 * ours is left but a keeper whose word is true, and the next increment is right; or the program is gone, and is restored right.
 * @returns how many requests there were
 */
export async function killBeforeEachRequest(verb: Verb, { parent = false, ...more }: KillOptions): Promise<number> {
  let nth = 1, requests: number | undefined;
  while (requests === undefined) {
    await withBallast(async (program, path) => {
      let base = 'base', next = '';
      await link('pre-dump', program.pid, path(base));
      const before = view(program.pid);
      while (requests === undefined && alive(program.pid)) {
        if (nth % LONGEST === 0) await link('pre-dump', program.pid, path(base = `base${nth}`));
        const where = `${verb}, killed before request ${nth}`;
        next = `next${nth}`;
        requests = await killedBefore(nth++, verb, program.pid, path(next), { ...more, parent: parent ? `../${base}` : undefined });
        if (!alive(program.pid)) break;
        await untilUnharmed(where, program, before);
        await until(`${where}: tracked if there is a keeper, and one only`, () => keepersOf(program.pid).length === (isTracked(program.pid) ? 1 : 0));
        await changed(program);
        const after = `after${nth}`;
        await link('dump -R', program.pid, path(after), { parent: `../${existsSync(path(`${next}/inventory.img`)) ? next : base}` });
        await hasBallast(path(after), program);
        base = after;
      }
      if (alive(program.pid)) await link('dump', program.pid, path(next = 'last'), { parent: `../${base}` });
      await program.gone();
      await restore(OURS, path(next));
      await program.verdict();
    });
  }
  assert.is(nth - 2, requests);
  return requests;
}
