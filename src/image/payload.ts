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

/** A part of a payload, not read before it is asked for. */
export function slicePayload(whole: Payload, from: number, size: number): Payload {
  if (from < 0 || size < 0 || from + size > whole.size) throw new RangeError(`bytes ${from} to ${from + size} of a payload of ${whole.size}`);
  const at = whole.at === undefined ? undefined : { file: whole.at.file, offset: whole.at.offset + from };
  return { size, bytes: () => whole.bytes().subarray(from, from + size), at };
}

export function joinPayloads(parts: readonly Payload[]): Payload {
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  return {
    size,
    bytes: () => {
      const out = new Uint8Array(size);
      let at = 0;
      for (const part of parts) {
        out.set(part.bytes(), at);
        at += part.size;
      }
      return out;
    },
  };
}
