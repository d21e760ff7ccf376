/**
 * The raw bytes that follow some records (queued data, file contents). Bytes read from a set stay in their file until asked for;
 * bytes of a dump are in memory.
 */
export interface Payload {
  readonly size: number;
  /** Reads (or returns) all of it. */
  bytes(): Uint8Array;
  /** Where it lies, when it is in a file of a set. */
  readonly at?: { readonly file: string; readonly offset: number };
}

export function payload(bytes: Uint8Array): Payload {
  return { size: bytes.length, bytes: () => bytes };
}
