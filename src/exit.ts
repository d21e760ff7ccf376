/** The end of this process. Taking Node down piece by piece takes milliseconds that a caller waits for; where the C library is bound, its _exit(2) does without. */
let quick: ((code: number) => void) | undefined;

/** @param leave ends the process at once */
export function offerQuickExit(leave: (code: number) => void): void {
  // a profile or a coverage report is written while Node is taken down
  if (process.execArgv.length === 0 && process.env['NODE_V8_COVERAGE'] === undefined) quick = leave;
}

/** As process.exit(): what listens for the end is called. Everything must have been written by synchronous calls. */
export function leave(code: number): never {
  if (quick !== undefined) {
    process.emit('exit', code);
    quick(code);
  }
  process.exit(code);
}
