// timeout: 300 s
/** Whoever makes a pre-dump on top of another is killed before each of its requests to the helper; keepers are, during a dump. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { changed, hasBallast, isTracked, withBallast } from '../support/ballast.ts';
import { keepersOf, link } from '../support/chain-of-dumps.ts';
import { killBeforeEachRequest } from '../support/kill-each-request.ts';
import { until } from '../support/program.ts';
import { beforeRequests, sendAsUsual } from '../support/requests.ts';
import { kill } from '../support/round-trip.ts';

const kills = suite('a pre-dump that is killed');

kills('the one who makes it, before each request', async () => {
  const requests = await killBeforeEachRequest('pre-dump', { parent: true });
  assert.ok(requests >= 40, `${requests} requests`);
});

kills('a keeper, before each request of a dump: the dump is right', () => withBallast(async (program, path) => {
  await link('pre-dump', program.pid, path('0'));
  let requests = Infinity, lost = 0;
  for (let nth = 1; nth <= requests; nth++) {
    await changed(program);
    let sent = 0, keepers: number[] = [];
    beforeRequests((now) => {
      sent = now;
      if (now === nth) kill(keepers = keepersOf(program.pid));
    });
    try {
      await link('dump -R', program.pid, path(String(nth)), { parent: `../${nth - 1}` });
    } finally {
      sendAsUsual();
    }
    requests = sent;
    lost += keepers.length;
    await until(`killed before request ${nth}: tracked if there is a keeper, and one only`, () => keepersOf(program.pid).length === (isTracked(program.pid) ? 1 : 0));
    await hasBallast(path(String(nth)), program);
  }
  assert.ok(lost > 20, `${lost} keepers were killed`);
}));

kills.run();
