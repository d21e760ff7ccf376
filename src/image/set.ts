/**
 * An image set: the files one dump wrote, by name, and the set it builds on (`parent`). Where the files are - a directory
 * (./node/directory.ts), memory, an archive - is behind this interface; nothing here knows paths of an operating system.
 */
import { StillframeError } from '../errors.ts';
import { decodeImage, encodeEach, encodeImage, sourceOf, type ByteSource, type Image, type NewEntry } from './codec.ts';
import { fileName, kindNamed, type Kind } from './kinds.ts';

export interface ImageSet {
  /** How errors name it: the directory's path. */
  readonly label: string;
  /** Names of its files, sorted. */
  names(): readonly string[];
  /** A file's bytes; undefined when the set has no such file. */
  open(name: string): ByteSource | undefined;
  /** Writes a file whole, replacing it. @throws StillframeError on a set that is read only, a full disk, ... */
  write(name: string, bytes: Uint8Array): void;
  /** The set whose pages this one builds on. @throws StillframeError when the link leads nowhere */
  parent(): ImageSet | undefined;
}

/** A set in memory: for tests, archives, a browser. */
export class MemorySet implements ImageSet {
  readonly files = new Map<string, Uint8Array>();

  constructor(readonly label: string, files: Iterable<readonly [string, Uint8Array]> = [], readonly parentSet?: ImageSet) {
    for (const [name, bytes] of files) this.files.set(name, bytes);
  }
  names(): readonly string[] { return [...this.files.keys()].sort(); }
  open(name: string): ByteSource | undefined {
    const bytes = this.files.get(name);
    return bytes === undefined ? undefined : sourceOf(bytes, `${this.label}/${name}`);
  }
  write(name: string, bytes: Uint8Array): void { this.files.set(name, bytes); }
  parent(): ImageSet | undefined { return this.parentSet; }
}

function kindOf(name: string): Kind {
  const kind = kindNamed(name);
  if (kind === undefined) throw new RangeError(`no image kind is called ${name}`);
  return kind;
}

/** Decodes one of the set's files by kind and id; undefined when there is none. */
export function readImage(set: ImageSet, kindName: string, id?: number | bigint): Image | undefined {
  const kind = kindOf(kindName);
  const source = set.open(fileName(kindName, id));
  return source === undefined ? undefined : decodeImage(source, kind);
}

/** The same for a file the set cannot be without. */
export function needImage(set: ImageSet, kindName: string, id?: number | bigint, wantedBy?: string): Image {
  const image = readImage(set, kindName, id);
  if (image !== undefined) return image;
  const why = wantedBy === undefined ? 'it is missing' : `it is missing; ${wantedBy} refers to it`;
  throw new StillframeError({ doing: 'read image', where: `${set.label}/${fileName(kindName, id)}`, why, remedy: missingRemedy(set, kindName) });
}

function missingRemedy(set: ImageSet, kindName: string): string | undefined {
  if (kindName !== 'INVENTORY') return undefined;
  return set.names().some((name) => name.endsWith('.img'))
    ? 'A dump that failed leaves such a set behind; it cannot be used.'
    : 'Is this the directory the dump wrote to (-D)?';
}

/** Encodes and writes one of the set's files. Returns its name. */
export function writeImage(set: ImageSet, kindName: string, id: number | bigint | string | undefined, entries: readonly NewEntry[]): string {
  const name = fileName(kindName, id);
  set.write(name, encodeImage(`${set.label}/${name}`, kindOf(kindName), entries));
  return name;
}

/** The same for many files of one record each. @param worth whether there is so much that it pays to encode them together */
export function writeEach(set: ImageSet, kindName: string, files: readonly { readonly id: number; readonly message: object }[], worth: boolean): string[] {
  const encoded = worth ? encodeEach(kindOf(kindName), files.map(({ message }) => message)) : undefined;
  return files.map(({ id, message }, i) => {
    if (encoded === undefined) return writeImage(set, kindName, id, [{ message }]);
    const name = fileName(kindName, id);
    set.write(name, encoded[i]!);
    return name;
  });
}
