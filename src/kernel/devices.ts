/** Device numbers: the C library's layout (stat's st_dev, st_rdev; <sys/sysmacros.h>) and the numbers of devices that mean something to us (Documentation/admin-guide/devices.txt). */

export function major(device: bigint): number {
  return Number((device >> 8n & 0xfffn) | (device >> 32n & ~0xfffn));
}

export function minor(device: bigint): number {
  return Number((device & 0xffn) | (device >> 12n & ~0xffn));
}

/** As the image format keeps some devices: 12 bits major, 20 bits minor (the kernel's MKDEV). */
export function kernelDevice(device: bigint): number {
  return ((major(device) << 20) | minor(device)) >>> 0;
}

/** As `/proc/PID/stat` prints one (the kernel's new_encode_dev). */
export function encodedDevice(device: bigint): number {
  const low = minor(device);
  return ((low & 0xff) | (major(device) << 8) | ((low & ~0xff) << 12)) | 0;
}

/** st_rdev of the slave end of pseudo-terminal `index`. */
export function slaveDevice(index: number): bigint {
  return BigInt((index & 0xff) | (DEVICE.PTY_SLAVE << 8)) | (BigInt(index & ~0xff) << 12n);
}

/** Majors. */
export const DEVICE = { MEM: 1, TTY: 4, TTYAUX: 5, PTY_MASTER: 128, PTY_SLAVE: 136, PTY_MAJORS: 8, USB_SERIAL: 188, LOW_DENSE_SERIAL: 204 } as const;
/** Minor of DEVICE.MEM. */
export const DEV_ZERO = 5;
/** Minors of DEVICE.MEM that hold no state: null, zero, full, random, urandom. */
export const PLAIN_MEMORY_DEVICES: ReadonlySet<number> = new Set([3, 5, 7, 8, 9]);
/** Minors of DEVICE.TTY: virtual terminals up to this one, serial lines above. */
export const LAST_VT = 63;

/** A device that opening does nothing to: of memory without state, or a terminal. */
export function isHarmlessDevice(device: bigint): boolean {
  const number = major(device);
  if (number === DEVICE.MEM) return PLAIN_MEMORY_DEVICES.has(minor(device));
  return number === DEVICE.TTY || number === DEVICE.TTYAUX || number === DEVICE.USB_SERIAL || number === DEVICE.LOW_DENSE_SERIAL;
}
