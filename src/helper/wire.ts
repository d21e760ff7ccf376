/**
 * One request, one reply, blocking: the supervisor's end of the socket pair. What requests mean is in client.ts.
 */
import { StillframeError } from '../errors.ts';
import { errnoName } from '../kernel/errno.ts';
import { loadLibc, type Libc } from './koffi.ts';
import { MAX_PAYLOAD, REPLY_MAGIC, REPLY_SIZE, REQUEST_MAGIC, REQUEST_SIZE } from './protocol.ts';

const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const EINTR = 4;
const SCRATCH = 1 << 16;
/** Many parts are sent as one up to here. */
const GATHERED = 1 << 24;
const CMSG_FD = 24; // a cmsghdr with one descriptor, padded

export interface Reply {
  readonly status: number;
  readonly where: number;
  readonly subject: number;
  readonly payload: Buffer;
  /** A descriptor that came along, now ours; -1: none. */
  readonly fd: number;
}

/** A struct msghdr with one iovec and room for one descriptor; the buffers live as long as it does. */
class Message {
  readonly header = Buffer.alloc(56);
  readonly #iov = Buffer.alloc(16);
  readonly #control = Buffer.alloc(CMSG_FD);
  readonly #controlAddress: bigint;
  constructor(libc: Libc, readonly bytes: Buffer) {
    this.#iov.writeBigUInt64LE(libc.address(bytes), 0);
    this.header.writeBigUInt64LE(libc.address(this.#iov), 16);
    this.header.writeBigUInt64LE(1n, 24);
    this.#controlAddress = libc.address(this.#control);
  }

  prepare(size: number, fd: number | undefined): Buffer {
    this.#iov.writeBigUInt64LE(BigInt(size), 8);
    if (fd !== undefined) {
      this.#control.writeBigUInt64LE(20n, 0);
      this.#control.writeInt32LE(SOL_SOCKET, 8);
      this.#control.writeInt32LE(SCM_RIGHTS, 12);
      this.#control.writeInt32LE(fd, 16);
    }
    this.header.writeBigUInt64LE(fd === undefined ? 0n : this.#controlAddress, 32);
    this.header.writeBigUInt64LE(fd === undefined ? 0n : BigInt(CMSG_FD), 40);
    return this.header;
  }

  /** The descriptor of a message that was received. */
  get fd(): number {
    const got = this.header.readBigUInt64LE(40) >= 20n && this.#control.readInt32LE(8) === SOL_SOCKET && this.#control.readInt32LE(12) === SCM_RIGHTS;
    return got ? this.#control.readInt32LE(16) : -1;
  }
}

export class Wire {
  readonly #libc = loadLibc();
  readonly #out = new Message(this.#libc, Buffer.alloc(SCRATCH));
  readonly #in = new Message(this.#libc, Buffer.alloc(SCRATCH));
  #seq = 0;
  /** The request whose reply has not been read. */
  #expected: number | undefined;

  constructor(readonly fd: number) {}

  close(): void { this.#libc.close(this.fd); }

  /**
   * Sends a request and waits for its reply.
   * @param fd a descriptor to go along (it stays ours as well)
   * @throws WireClosed when the other end is gone
   */
  exchange(op: number, parts: readonly Uint8Array[], fd?: number): Reply {
    return this.begin(op, parts, fd)();
  }

  /** Sends a request. What is returned waits for the reply, which is dropped when another request comes first. */
  begin(op: number, parts: readonly Uint8Array[], fd?: number): () => Reply {
    this.#drop();
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    if (size > MAX_PAYLOAD) {
      throw new StillframeError({ doing: 'talk to the helper', why: `a request of ${size} bytes; the limit is ${MAX_PAYLOAD}` });
    }
    const seq = this.#seq = (this.#seq + 1) >>> 0;
    const head = this.#out.bytes;
    [REQUEST_MAGIC, op, size, seq].forEach((word, i) => head.writeUInt32LE(word, i * 4));
    const together = REQUEST_SIZE + size <= SCRATCH;
    let at = REQUEST_SIZE;
    if (together) for (const part of parts) { head.set(part, at); at += part.length; }
    this.#sendFirst(at, fd);
    if (!together) for (const part of parts.length > 2 && size < GATHERED ? [Buffer.concat(parts, size)] : parts) this.#sendAll(part);
    this.#expected = seq;
    return () => {
      if (this.#expected !== seq) throw new RangeError('the reply was not waited for');
      return this.#receive(seq);
    };
  }

  /** The reply that nobody asked for any more. */
  #drop(): void {
    if (this.#expected === undefined) return;
    const { fd } = this.#receive(this.#expected);
    if (fd >= 0) this.#libc.close(fd);
  }

  #sendFirst(size: number, fd: number | undefined): void {
    const sent = this.#retry(() => this.#libc.sendmsg(this.fd, this.#out.prepare(size, fd), MSG_NOSIGNAL));
    if (sent < size) this.#sendAll(this.#out.bytes.subarray(sent, size));
  }

  #sendAll(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const rest = bytes.subarray(at);
      at += this.#retry(() => this.#libc.send(this.fd, rest, rest.length, MSG_NOSIGNAL));
    }
  }

  #receive(seq: number): Reply {
    this.#expected = undefined;
    const head = this.#in.bytes;
    let got = this.#retry(() => this.#libc.recvmsg(this.fd, this.#in.prepare(SCRATCH, 0), MSG_CMSG_CLOEXEC));
    const fd = got > 0 ? this.#in.fd : -1;
    if (got === 0) throw new WireClosed();
    while (got < REPLY_SIZE) got += this.#receiveSome(head.subarray(got, REPLY_SIZE));
    const size = head.readUInt32LE(8);
    if (head.readUInt32LE(0) !== REPLY_MAGIC || head.readUInt32LE(4) !== seq || size > MAX_PAYLOAD || got > REPLY_SIZE + size) {
      throw new StillframeError({ doing: 'talk to the helper', why: 'its reply does not belong to the request', remedy: 'Helper and package are of different versions: build or install again' });
    }
    const payload = Buffer.allocUnsafeSlow(size);
    head.copy(payload, 0, REPLY_SIZE, got);
    for (let at = got - REPLY_SIZE; at < size;) at += this.#receiveSome(payload.subarray(at));
    return { status: head.readInt32LE(12), where: head.readUInt32LE(16), subject: head.readUInt32LE(20), payload, fd };
  }

  #receiveSome(into: Buffer): number {
    const n = this.#retry(() => this.#libc.recv(this.fd, into, into.length, 0));
    if (n === 0) throw new WireClosed();
    return n;
  }

  #retry(call: () => number): number {
    for (;;) {
      const n = Number(call());
      if (n >= 0) return n;
      const errno = this.#libc.errno();
      if (errno !== EINTR) throw new WireClosed(errnoName(errno));
    }
  }
}

/** The helper's end is gone. */
export class WireClosed extends Error {
  constructor(readonly errno?: string) { super(errno ?? 'end of file'); }
}
