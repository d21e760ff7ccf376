/**
 * Replacements that are the same for the same original within one run, and have nothing of it: they are random, and which original
 * they stand for is forgotten with the run. Names that every system has (`/usr/lib`, `libc.so.6`) stay: they say nothing of whose it was.
 */
import { theCore } from '../core/core.ts';
import { bytesOf, textOf } from '../image/text.ts';

/** Segments of paths and other names that stay. */
const COMMON = new Set((
  'bin boot dev etc home lib lib32 lib64 mnt opt proc root run sbin srv sys tmp usr var local share libexec include cache log lock spool shm pts mqueue hugepages null zero full random urandom tty console ptmx stdin stdout stderr fd self ns net '
  + 'cgroup unified memory cpu cpuacct pids blkio devices freezer cpuset hugetlb systemd overlay overlayfs tmpfs proc sysfs devpts cgroup2 nodev none hosts hostname resolv.conf passwd group '
  + 'x86_64-linux-gnu aarch64-linux-gnu s390x-linux-gnu powerpc64le-linux-gnu i386-linux-gnu arm-linux-gnueabihf riscv64-linux-gnu sh bash dash busybox env sleep'
).split(' '));
const LIBRARY = /^(ld-linux[\w.-]*|ld-musl[\w.-]*|lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|z|crypto|ssl|resolv|util|nss_\w+)[.-][\w.-]+)$/;

/** Distinct pages whose replacement is remembered: 100 MB of table. Pages beyond that get one of their own, equal to none. */
const MAX_PAGES = 1_000_000;

export class Replacer {
  readonly #tokens = new Map<string, string>();
  readonly #pages = new Map<bigint, Uint8Array>();
  readonly #seed = crypto.getRandomValues(new BigUint64Array(1))[0]!;

  /** Random hexadecimal digits; the same for the same original. `kind` keeps kinds of names apart. */
  #token(text: string, kind: string, digits = 8): string {
    const key = `${kind} ${text}`;
    let token = this.#tokens.get(key);
    if (token === undefined) this.#tokens.set(key, token = Array.from(crypto.getRandomValues(new Uint8Array(digits / 2)), (byte) => byte.toString(16).padStart(2, '0')).join(''));
    return token;
  }

  /** The same as bytes. */
  #bytes(text: string, kind: string, count: number): number[] {
    return this.#token(text, kind, 2 * count).match(/../g)!.map((pair) => parseInt(pair, 16));
  }

  /** A name: `n-1f0a2b3c`. Empty ones, numbers and common ones stay. */
  name(text: string): string {
    return this.#stays(text) ? text : `n-${this.#token(text, 'name')}`;
  }

  #stays(text: string): boolean {
    return text === '' || /^\d{1,10}$/.test(text) || COMMON.has(text) || LIBRARY.test(text);
  }

  /** A command name, at most 15 bytes. */
  command(text: string): string {
    return this.#stays(text) ? text : `task-${this.#token(text, 'command')}`;
  }

  /** A path, segment by segment; `pipe:[5]`, `(deleted)` and the like stay. */
  path(text: string): string {
    if (/^(pipe|socket|anon_inode|net|mnt|user|ipc|uts|pid|cgroup|time):?(\[\d+\]|\[\w+\])?$/.test(text)) return text;
    return text.split('/').map((part) => (part === '.' || part === '..' || this.#stays(part) ? part : this.name(part.replace(/ \(deleted\)$/, '')) + (part.endsWith(' (deleted)') ? ' (deleted)' : ''))).join('/');
  }

  /** A network interface's name, at most 15 bytes; what every machine calls its own stays. */
  device(text: string): string {
    return /^(lo|(eth|wlan|docker|br|bond|dummy|tun|tap|sit|tunl|ip6tnl|gre)\d{0,3})$/.test(text) ? text : this.name(text);
  }

  /** Mount options and the like: `key=value,...`; numbers stay. */
  options(text: string): string {
    return text.split(',').map((part) => {
      const equals = part.indexOf('=');
      if (equals < 0) return /^[a-z_]{1,12}$/.test(part) || this.#stays(part) ? part : this.name(part);
      const value = part.slice(equals + 1);
      return `${part.slice(0, equals + 1)}${/^\d[\dkmg%.]*$/i.test(value) || /^(on|off|yes|no|all|none|auto|inherit)$/.test(value) ? value : this.path(value)}`;
    }).join(',');
  }

  /** A unix socket's name: a path, or an abstract name behind its zero byte. */
  socketName(name: Uint8Array): Uint8Array {
    if (name.length === 0) return name;
    if (name[0] === 0) return Uint8Array.of(0, ...bytesOf(`n-${this.#token(textOf(name), 'abstract')}`));
    const end = name.indexOf(0);
    const path = bytesOf(this.path(textOf(end < 0 ? name : name.subarray(0, end))));
    // sun_path has 108 bytes with the zero that ends it
    const kept = path.subarray(0, 107);
    return end < 0 ? kept : Uint8Array.of(...kept, 0);
  }

  /** An address in network byte order, as 1 or 4 words. Loopback, any and multicast addresses stay. */
  address(words: readonly number[]): number[] {
    const bytes = words.flatMap((word) => [word & 255, word >>> 8 & 255, word >>> 16 & 255, word >>> 24 & 255]);
    const pack = (all: readonly number[]): number[] => Array.from({ length: all.length / 4 }, (_, i) => (all[4 * i]! | all[4 * i + 1]! << 8 | all[4 * i + 2]! << 16 | all[4 * i + 3]! << 24) >>> 0);
    if (bytes.length === 4) {
      if (bytes[0] === 127 || bytes[0] === 0 || bytes[0]! >= 224) return [...words];
      return pack([10, ...this.#bytes(bytes.join('.'), 'inet', 3)]);
    }
    if (bytes.length !== 16 || bytes[0] === 0xff || bytes.slice(0, 15).every((byte) => byte === 0)) return [...words];
    if (bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff) return [words[0]!, words[1]!, words[2]!, ...this.address([words[3]!])];
    return pack([0xfd, 0, 0, 0, 0, 0, 0, 0, ...this.#bytes(bytes.join('.'), 'inet6', 8)]);
  }

  /** A hardware address: locally administered. */
  hardware(bytes: Uint8Array): Uint8Array {
    return bytes.length === 0 ? bytes : Uint8Array.of(2, ...this.#bytes(bytes.join(':'), 'hardware', bytes.length).slice(1));
  }

  /** Bytes as many as before, of which nothing is left. */
  filler(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(bytes.length).fill(0x78);
  }

  /** Pages: zeros stay zeros, equal ones stay equal, and so which pages changed stays to be seen. */
  pages(pages: Uint8Array, size: number): Uint8Array {
    const out = new Uint8Array(pages.length);
    const { pages: core } = theCore();
    const zero = core.zero(pages);
    const hashes = core.hash(pages, this.#seed);
    const each = size / 4096;
    for (let at = 0, i = 0; at < pages.length; at += size, i += each) {
      let blank = true;
      let key = 0n;
      for (let j = i; j < i + each; j++) {
        blank &&= (zero.bits[j >> 3]! >> (j & 7) & 1) === 1;
        key = (key * 0x9e3779b97f4a7c15n ^ hashes[2 * j]! ^ hashes[2 * j + 1]! << 64n) & (1n << 128n) - 1n;
      }
      if (blank) continue;
      let word = this.#pages.get(key);
      if (word === undefined) {
        word = crypto.getRandomValues(new Uint8Array(8));
        if (this.#pages.size < MAX_PAGES) this.#pages.set(key, word);
      }
      out.set(word, at);
      // doubled until the page is full
      for (let done = 8; done < size; done *= 2) out.copyWithin(at + done, at, at + Math.min(done, size - done));
    }
    return out;
  }
}
