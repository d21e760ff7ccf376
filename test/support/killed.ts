/**
 * A dump or a restore that is killed before its Nth request to the helper, in a process of its own: `node --import tsx killed.ts dump|restore PID IMAGES N`.
 * One that gets through prints "requests N". N 0: none.
 */
import { Helper } from '../../src/helper/client.ts';
import { SILENT } from '../../src/log.ts';
import { dump } from '../../src/dump/dump.ts';
import { restore } from '../../src/restore/restore.ts';
import { options } from '../dump/support.ts';
import { restoreOptions } from './faults.ts';

const [verb, pid, images, nth] = process.argv.slice(2) as [string, string, string, string];
const given = new Map<string, readonly string[]>([['tcp-established', []]]);
let requests = 0;
for (const name of Object.getOwnPropertyNames(Helper.prototype)) {
  const { value } = Object.getOwnPropertyDescriptor(Helper.prototype, name)!;
  if (typeof value !== 'function' || name === 'constructor' || name === 'close') continue;
  const method = value as (...args: unknown[]) => unknown;
  Object.defineProperty(Helper.prototype, name, {
    value(this: Helper, ...args: unknown[]): unknown {
      if (++requests === Number(nth)) process.kill(process.pid, 'SIGKILL');
      return method.apply(this, args);
    },
  });
}
if (verb === 'dump') await dump({ ...options(Number(pid), images), finalState: 'dead', given }, SILENT);
else restore({ ...restoreOptions(images), given }, SILENT);
console.log(`requests ${requests}`);
