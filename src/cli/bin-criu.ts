/** Entry of the `bin/criu` bundle. */
import { main } from './criu.ts';

main(process.argv.slice(2)).then((code) => process.exit(code));
