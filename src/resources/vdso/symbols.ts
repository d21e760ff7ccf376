/** The vDSO as an ELF image: the addresses of its functions, which is all a program that was started with it depends on. */

/** A vDSO and how it lies beside its data pages. */
export interface VdsoImage {
  /** The ELF image's bytes. */
  readonly bytes: Uint8Array;
  /** Bytes of the data pages ([vvar], [vvar_vclock]) that lie directly before it. */
  readonly dataSize: number;
}

const PT_LOAD = 1, PT_DYNAMIC = 2;
const DT_HASH = 4n, DT_STRTAB = 5n, DT_SYMTAB = 6n, DT_GNU_HASH = 0x6ffffef5n;
const SYM_SIZE = 24;
const STT_FUNC = 2;

/** Offset of each function from the start of the image, by name. Empty when the bytes are no vDSO. */
export function vdsoFunctions(image: Uint8Array): Map<string, number> {
  const found = new Map<string, number>();
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (image.length < 64 || view.getUint32(0, false) !== 0x7f454c46) return found;
  const phoff = Number(view.getBigUint64(32, true));
  const phentsize = view.getUint16(54, true);
  const phnum = view.getUint16(56, true);
  let base = 0;
  let dynamic: [number, number] | undefined;
  for (let i = 0; i < phnum; i++) {
    const at = phoff + i * phentsize;
    if (at + 56 > image.length) return found;
    const type = view.getUint32(at, true);
    if (type === PT_LOAD) base = Number(view.getBigUint64(at + 16, true) - view.getBigUint64(at + 8, true));
    if (type === PT_DYNAMIC) dynamic = [Number(view.getBigUint64(at + 8, true)), Number(view.getBigUint64(at + 40, true))];
  }
  if (dynamic === undefined) return found;
  const tags = new Map<bigint, number>();
  for (let at = dynamic[0]; at + 16 <= Math.min(dynamic[0] + dynamic[1], image.length); at += 16) {
    tags.set(view.getBigUint64(at, true), Number(view.getBigUint64(at + 8, true)) - base);
  }
  const [symtab, strtab] = [tags.get(DT_SYMTAB), tags.get(DT_STRTAB)];
  if (symtab === undefined || strtab === undefined || symtab < 0 || strtab < 0) return found;
  const count = symbolCount(view, tags.get(DT_HASH), tags.get(DT_GNU_HASH), symtab, strtab);
  for (let i = 0; i < count; i++) {
    const at = symtab + i * SYM_SIZE;
    if (at + SYM_SIZE > image.length) break;
    const defined = view.getUint16(at + 6, true) !== 0;
    if ((view.getUint8(at + 4) & 15) !== STT_FUNC || !defined) continue;
    found.set(textAt(image, strtab + view.getUint32(at, true)), Number(view.getBigUint64(at + 8, true)) - base);
  }
  return found;
}

/** From DT_HASH's chain count; with only DT_GNU_HASH the table ends where the strings start (they follow it in every vDSO). */
function symbolCount(view: DataView, hash: number | undefined, gnu: number | undefined, symtab: number, strtab: number): number {
  if (hash !== undefined && hash >= 0 && hash + 8 <= view.byteLength) return view.getUint32(hash + 4, true);
  return gnu !== undefined && strtab > symtab ? Math.floor((strtab - symtab) / SYM_SIZE) : 0;
}

function textAt(image: Uint8Array, at: number): string {
  let end = at;
  while (end < image.length && image[end] !== 0) end++;
  return Buffer.from(image.subarray(at, end)).toString('latin1');
}

/** Whether code that calls into `a` may as well call into `b`: the same functions at the same places. */
export function sameVdso(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  const [inA, inB] = [vdsoFunctions(a), vdsoFunctions(b)];
  if (inA.size === 0 || inA.size !== inB.size) return false;
  return [...inA].every(([name, at]) => inB.get(name) === at);
}
