/**
 * The one error shape a person sees: what failed, where, why, and what to do about it.
 * Everything a command prints as an error is a `StillframeError`; anything else is a bug of ours.
 */
export interface ErrorParts {
  /** What was being done, in the field's words: `dump`, `restore`, `read image`. */
  readonly doing: string;
  /** Where: `task 1597, fd 5 (pipe:[4711])`, `img/core-5.img, record 2, byte 118`. */
  readonly where?: string;
  /** Why: `bind: EADDRINUSE`, `the file is 12 bytes, a record header says 40`. */
  readonly why: string;
  /** What the person can do: a sentence, with the option or command to use. */
  readonly remedy?: string;
  readonly cause?: unknown;
  /** Process exit code; 1 unless said. */
  readonly exitCode?: number;
}

export class StillframeError extends Error {
  readonly parts: ErrorParts;
  readonly exitCode: number;

  constructor(parts: ErrorParts) {
    super(sentence(parts), parts.cause === undefined ? undefined : { cause: parts.cause });
    this.name = 'StillframeError';
    this.parts = parts;
    this.exitCode = parts.exitCode ?? 1;
  }
}

function sentence({ doing, where, why, remedy }: ErrorParts): string {
  const head = where === undefined ? `${doing}: ${why}` : `${doing}: ${where}: ${why}`;
  return remedy === undefined ? head : `${head}. ${remedy}`;
}

/** What `sentence` says after what was being done. */
const detail = (parts: ErrorParts): string => sentence(parts).slice(parts.doing.length + 2);

/** Several refusals at once: a dump or a check reports *all* its reasons in one list, not the first. */
export class RefusedError extends StillframeError {
  readonly reasons: readonly ErrorParts[];

  constructor(doing: string, reasons: readonly ErrorParts[]) {
    super({
      doing,
      why: reasons.length === 1 ? detail(reasons[0]!) : `${reasons.length} reasons:\n${reasons.map((r) => `  ${detail(r)}`).join('\n')}`,
    });
    this.name = 'RefusedError';
    this.reasons = reasons;
  }
}
