// timeout: 300 s
/** Whoever copies memory ahead of a dump is killed before each of its requests to the helper. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { killBeforeEachRequest } from '../support/kill-each-request.ts';

const kills = suite('killed while memory is copied ahead');
const precopy = { asked: true, maxPauseMs: 10 };

for (const [what, verb, least] of [['dump --precopy', 'dump', 30], ['dump -R', 'dump -R', 50]] as const) {
  kills(`before each request: ${what}`, async () => {
    const requests = await killBeforeEachRequest(verb, { track: false, precopy });
    assert.ok(requests >= least, `${requests} requests`);
  });
}

kills.run();
