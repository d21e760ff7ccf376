/** Entry of the `bin/criu` bundle. */
import { main } from './criu.ts';
import { exit } from './verbs.ts';

export { main };

export function run(argv: readonly string[]): void {
  void main(argv).then(exit);
}
