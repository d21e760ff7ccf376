/** An error as the last line of a command. */
import { StillframeError } from '../errors.ts';

/** `Error: doing: where: why. Remedy`; a bug of ours comes with its stack. */
export function errorText(error: unknown): string {
  if (error instanceof StillframeError) return `Error: ${error.message}\n`;
  if (error instanceof Error && 'oclif' in error) return `Error: ${error.message}\n`;
  return `Error: a bug in Stillframe, please report it: ${error instanceof Error ? error.stack ?? error.message : String(error)}\n`;
}
