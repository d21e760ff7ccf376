/** Programs that people run, as Debian ships them: each is asked through its own interface before and after. */
// timeout: 300 s
import { suite } from 'uvu';
import { REAL } from '../support/real-programs.ts';
import { realRoundTrip } from '../support/real.ts';

const real = suite('real programs');
const only = process.env['REAL'] ?? '';
for (const row of REAL.filter(({ name }) => name.includes(only))) real(row.name, () => realRoundTrip(row));
real.run();
