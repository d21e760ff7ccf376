/**
 * A link of a chain that is killed before its Nth request to the helper, in a process of its own (`killedBefore`): VERB PID IMAGES N OPTIONS-AS-JSON.
 * One that gets through prints "requests N".
 */
import { link, type LinkOptions, type Verb } from './chain-of-dumps.ts';
import { beforeRequests } from './requests.ts';

const [verb, pid, images, nth, options] = process.argv.slice(2) as [Verb, string, string, string, string];
let requests = 0;
beforeRequests((now) => {
  requests = now;
  if (now === Number(nth)) process.kill(process.pid, 'SIGKILL');
});
await link(verb, Number(pid), images, JSON.parse(options) as LinkOptions);
console.log(`requests ${requests}`);
