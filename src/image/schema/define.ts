/**
 * The words the schema tables are written in: `message('pstree_entry', { pid: req.uint32(1), ... })`.
 * A table is plain data; the TypeScript type of its messages is inferred from it (`Message<typeof pstree_entry>`),
 * and the protobuf-ts `MessageType` is made from it when it is first used (see ../wire.ts).
 * Field names are the names of the image format (snake_case), 64-bit fields are `bigint`.
 */

/** How crit presents a value with `--pretty` (the options the format's authors attached to fields). */
export interface Show {
  /** As hexadecimal; on a message field: every integer inside it. */
  readonly hex?: boolean;
  /** A repeated uint32 holding an IPv4 (1 word) or IPv6 (4 words) address in network byte order. */
  readonly ipadd?: boolean;
  /** Name of a table of flag names (../../crit/present.ts). */
  readonly flags?: string;
  /** A device number, major:minor with 20 minor bits. */
  readonly dev?: boolean;
  /** With `dev`: in the C library's makedev() layout. */
  readonly odev?: boolean;
  /** Name of a table of value names. */
  readonly dict?: string;
  /** Bytes shown by a conversion instead of base64. */
  readonly conv?: 'unix_name';
  /** The value an absent field stands for, where that is not 0. */
  readonly absent?: number | boolean | bigint;
}

export type ScalarName =
  | 'int32' | 'uint32' | 'sint32' | 'fixed32' | 'bool' | 'string' | 'bytes'
  | 'int64' | 'uint64' | 'sint64' | 'fixed64';

/** The TypeScript type of each scalar. */
interface Scalars {
  int32: number; uint32: number; sint32: number; fixed32: number; bool: boolean;
  /** UTF-8; a byte that is no UTF-8 is kept as U+DC80..U+DCFF (see ../text.ts). */
  string: string;
  bytes: Uint8Array;
  int64: bigint; uint64: bigint; sint64: bigint; fixed64: bigint;
}

export type Cardinality = 'req' | 'opt' | 'rep';

/** Names of an enumeration's numbers. Values not in it are legal and survive. */
export type EnumTable = Readonly<Record<string, number>>;

/** One field. `T` is the type of one value. */
export interface Field<T, C extends Cardinality> {
  readonly no: number;
  readonly card: C;
  readonly type: ScalarName | 'enum' | 'message';
  readonly message?: () => Desc<object>;
  readonly enum?: EnumTable;
  readonly show: Show;
  /** Carries `T` for inference; never present. */
  readonly phantom?: T;
}

export type Fields = Readonly<Record<string, Field<unknown, Cardinality>>>;

type Names<F, C> = { [K in keyof F]: F[K] extends Field<unknown, infer D> ? (D extends C ? K : never) : never }[keyof F];
type Value<F> = F extends Field<infer T, Cardinality> ? T : never;

/** The message a table of fields describes: required fields present, repeated ones always an array. */
export type Shape<F> =
  { [K in Names<F, 'req'>]: Value<F[K]> } &
  { [K in Names<F, 'opt'>]?: Value<F[K]> | undefined } &
  { [K in Names<F, 'rep'>]: Value<F[K]>[] } extends infer M ? { [K in keyof M]: M[K] } : never;

/** A message description. `M` is the type of its messages. */
export interface Desc<M extends object> {
  readonly name: string;
  readonly fields: Fields;
  readonly phantom?: M;
}

/** The type of a description's messages. */
export type Message<D> = D extends Desc<infer M> ? M : never;

/** What `create` takes: repeated fields may be left out, required ones not. Numbers of a message that is only to be written may be as they lie in memory. */
export type Init<M> = { [K in keyof M as M[K] extends readonly unknown[] ? never : K]: M[K] } &
  { [K in keyof M as M[K] extends readonly unknown[] ? K : never]?: M[K] | AsInMemory<M[K]> };

type AsInMemory<L> = L extends number[] ? Uint32Array : L extends bigint[] ? BigUint64Array : never;

export function message<const F extends Fields>(name: string, fields: F): Desc<Shape<F>> {
  return { name, fields };
}

export function enumeration<const E extends EnumTable>(table: E): E {
  return table;
}

type ScalarFields<C extends Cardinality> = { readonly [S in ScalarName]: (no: number, show?: Show) => Field<Scalars[S], C> };

interface Maker<C extends Cardinality> extends ScalarFields<C> {
  enum(no: number, table: EnumTable, show?: Show): Field<number, C>;
  msg<M extends object>(no: number, message: () => Desc<M>, show?: Show): Field<M, C>;
}

const NOTHING: Show = {};

function maker<C extends Cardinality>(card: C): Maker<C> {
  const scalar = <S extends ScalarName>(type: S) =>
    (no: number, show: Show = NOTHING): Field<Scalars[S], C> => ({ no, card, type, show });
  return {
    int32: scalar('int32'), uint32: scalar('uint32'), sint32: scalar('sint32'), fixed32: scalar('fixed32'),
    bool: scalar('bool'), string: scalar('string'), bytes: scalar('bytes'),
    int64: scalar('int64'), uint64: scalar('uint64'), sint64: scalar('sint64'), fixed64: scalar('fixed64'),
    enum: (no, table, show = NOTHING) => ({ no, card, type: 'enum', enum: table, show }),
    msg: <M extends object>(no: number, of: () => Desc<M>, show: Show = NOTHING): Field<M, C> =>
      ({ no, card, type: 'message', message: of as () => Desc<object>, show }),
  };
}

/** A field every message has. */
export const req = maker('req');
/** A field that may be absent; a written 0 is not the same as absent. */
export const opt = maker('opt');
/** A repeated field, written with a tag before each value (the format packs none); a packed run is accepted on reading. */
export const rep = maker('rep');
