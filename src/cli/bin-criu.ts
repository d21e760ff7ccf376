/** Entry of the `bin/criu` bundle. */
import { main } from './criu.ts';

export { main };

export function run(argv: readonly string[]): void {
  void main(argv).then((code) => process.exit(code));
}
