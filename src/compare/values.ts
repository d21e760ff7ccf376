/** Two messages field by field: what differs, as paths with both values. */

export interface ValueChange { readonly path: string; readonly a?: string; readonly b?: string }

/** Changes listed of one pair of messages at most. */
const MAX_CHANGES = 200;

const text = (value: unknown): string => {
  if (typeof value === 'bigint') return value > 0xffffn ? `0x${value.toString(16)}` : String(value);
  if (value instanceof Uint8Array) return value.length > 32 ? `${value.length} bytes` : Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (typeof value === 'object' && value !== null) return JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? text(one) : one instanceof Uint8Array ? text(one) : one)).slice(0, 200);
  return String(value);
};

export function changesOf(a: unknown, b: unknown, path = ''): ValueChange[] {
  const changes: ValueChange[] = [];
  compare(a, b, path, changes);
  return changes;
}

function compare(a: unknown, b: unknown, path: string, into: ValueChange[]): void {
  if (into.length >= MAX_CHANGES || a === b) return;
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    if (a.length !== b.length || a.some((byte, i) => byte !== b[i])) into.push({ path, a: text(a), b: text(b) });
  } else if (Array.isArray(a) && Array.isArray(b)) {
    const length = Math.max(a.length, b.length);
    for (let i = 0; i < length; i++) compare(a[i], b[i], `${path}[${i}]`, into);
  } else if (isObject(a) && isObject(b)) {
    for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) compare(a[name], b[name], path === '' ? name : `${path}.${name}`, into);
  } else into.push({ path, ...(a === undefined ? {} : { a: text(a) }), ...(b === undefined ? {} : { b: text(b) }) });
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
