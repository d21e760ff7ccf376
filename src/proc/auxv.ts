/** `/proc/PID/auxv`: the auxiliary vector as the kernel keeps it, pairs of 64-bit words (`<linux/auxvec.h>`). */
export const AT_SYSINFO_EHDR = 33n;

/** All its words up to AT_NULL, as the image keeps them: keys and values in turn. */
export function parseAuxv(bytes: Buffer): bigint[] {
  const words: bigint[] = [];
  for (let at = 0; at + 8 <= bytes.length; at += 8) words.push(bytes.readBigUInt64LE(at));
  return words;
}

/** The value of a key; undefined when it is not there. */
export function auxvValue(words: readonly bigint[], key: bigint): bigint | undefined {
  for (let i = 0; i + 1 < words.length; i += 2) if (words[i] === key) return words[i + 1];
  return undefined;
}
