/** Many small buffers of zeros, cut from few large ones: a buffer of its own costs the allocator, the kernel and the garbage collector more than its bytes. */
const SLAB = 1 << 20;

let slab = Buffer.alloc(0);
let used = 0;

/** @returns a buffer that starts at a multiple of 8 in its `buffer` */
export function zeroed(size: number): Buffer {
  if (size > SLAB / 8) return Buffer.alloc(size);
  if (used + size > slab.length) {
    slab = Buffer.alloc(SLAB);
    used = 0;
  }
  const start = used;
  used = Math.ceil((used + size) / 8) * 8;
  return slab.subarray(start, start + size);
}
