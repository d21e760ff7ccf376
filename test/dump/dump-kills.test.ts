// timeout: 300 s
/** Whoever makes a dump that is tracked, or on top of another set, is killed before each of its requests to the helper. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { killBeforeEachRequest } from '../support/kill-each-request.ts';

const kills = suite('a dump of a chain that is killed');

for (const [what, verb, options, least] of [
  ['dump -R --track-mem', 'dump -R', {}, 40],
  ['dump --prev-images-dir', 'dump', { track: false, parent: true }, 20],
] as const) {
  kills(`before each request: ${what}`, async () => {
    const requests = await killBeforeEachRequest(verb, options);
    assert.ok(requests >= least, `${requests} requests`);
  });
}

kills.run();
