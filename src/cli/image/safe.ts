/** Text of images made fit for a terminal and for logs: whatever could steer a terminal or break a line is escaped. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu;

/** Control characters as `\x1b`, bytes that were no UTF-8 (kept as U+DC80..U+DCFF) as `\xff`. */
export function safe(text: string): string {
  return text.replace(UNSAFE, (char) => {
    const code = char.charCodeAt(0);
    if (code === 9) return '\\t';
    if (code === 10) return '\\n';
    if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`;
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** An argument as a shell would take it. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${safe(text).replaceAll("'", "'\\''")}'`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** `4.0 KiB`, as people read sizes. */
export function sizeText(bytes: number | bigint): string {
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${value} B` : `${value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

export const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** JSON with 64-bit numbers: as numbers where a number holds them, else as decimal strings; bytes as hexadecimal; maps as objects. */
export function jsonText(value: unknown, indent = 2): string {
  return JSON.stringify(value, (_key, one: unknown) => {
    if (typeof one === 'bigint') return one <= BigInt(Number.MAX_SAFE_INTEGER) && one >= -BigInt(Number.MAX_SAFE_INTEGER) ? Number(one) : String(one);
    if (one instanceof Uint8Array) return Array.from(one, (byte) => byte.toString(16).padStart(2, '0')).join('');
    if (one instanceof Map) return Object.fromEntries(one) as unknown;
    if (one instanceof Set) return [...(one as Set<unknown>)];
    return one;
  }, indent);
}
