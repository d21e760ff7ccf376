/** The helper against requests that are not well-formed: every one is answered, none ends it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fileURLToPath } from 'node:url';
import { loadLibc } from '../../src/helper/koffi.ts';
import { Req, encodeQuads, encodeWords } from '../../src/helper/protocol.ts';
import { Wire } from '../../src/helper/wire.ts';

const test = suite('malformed requests');
const binary = fileURLToPath(new URL('../../helper/stillframe-helper', import.meta.url));

function withWire(body: (wire: Wire, pid: number) => void): void {
  const libc = loadLibc();
  const [ours, theirs] = libc.socketpair();
  const pid = libc.spawn(binary, ['3'], theirs);
  libc.close(theirs);
  const wire = new Wire(ours);
  try {
    body(wire, pid);
  } finally {
    wire.close();
    assert.is(libc.waitpid(pid, true), 0, 'it ends by itself, with code 0');
  }
}

/** xorshift: the same numbers every time. */
function numbers(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

// not those that would hit whatever task a random pid belongs to: SEIZE, KILL, POKE, TAKEOVER with whole payloads
const SAFE = [Req.HELLO, Req.STATE, Req.RUN, Req.VISIT, Req.DETACH, Req.LOCAL, Req.PUT_FD, Req.GET_FD, Req.CLOSE, Req.ARENA, Req.SPAWN, Req.AWAIT, Req.FILE_PAGES, Req.SAME, Req.FAULT, 0, 21, 0xffffffff];

test('a reply that is not waited for is dropped by the next request', () => withWire((wire) => {
  const never = wire.begin(Req.CPUID, [encodeWords([0, 0])]);
  assert.is(wire.exchange(Req.CPUID, [encodeWords([0, 0, 1, 0])]).payload.length, 32);
  assert.throws(never, /was not waited for/);
  assert.is(wire.begin(Req.CPUID, [encodeWords([0, 0])])().payload.length, 16);
}));

test('random payloads of every size', () => withWire((wire) => {
  const next = numbers(1);
  for (let i = 0; i < 6000; i++) {
    const bytes = Buffer.alloc(next() % 260);
    const small = i % 3 === 0;
    for (let at = 0; at + 4 <= bytes.length; at += 4) bytes.writeUInt32LE(small ? 100 + next() % 50 : next(), at);
    const op = SAFE[i % SAFE.length]!;
    const reply = wire.exchange(op, [bytes]);
    if (reply.fd >= 0) loadLibc().close(reply.fd);
    if (!Object.values(Req).some((known) => known === op)) assert.equal([reply.status, reply.where], [-38, 1]);
  }
}));

test('payloads that are too short or odd, for every request', () => withWire((wire) => {
  for (const [name, op] of Object.entries(Req)) {
    for (const size of [0, 1, 3, 5, 7, 9, 15, 17, 23]) {
      const { status } = wire.exchange(op, [Buffer.alloc(size, 0xff)]);
      const fine = name === 'HELLO' || (size === 0 && ['STATE', 'DETACH', 'KILL', 'CLOSE', 'TAKEOVER', 'GUARD'].includes(name));
      assert.is(status === 0, fine, `${name} with ${size} bytes: ${status}`);
    }
  }
}));

test('addresses and lengths at the edges', () => withWire((wire, pid) => {
  const edges = [0n, 1n, 4095n, 4096n, (1n << 47n) - 4096n, 1n << 47n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 4096n, (1n << 64n) - 1n];
  for (const a of edges) {
    for (const b of edges) {
      for (const scan of [[pid, 0], [pid, 1]]) wire.exchange(Req.SCAN, [encodeWords(scan), encodeQuads([a, b, 10n, 0n, 0n, 0n])]);
      wire.exchange(Req.PAGES, [encodeWords([pid, 99]), encodeQuads([a]), encodeWords([1, 1]), encodeQuads([b, 4096n])]);
      assert.is.not(wire.exchange(Req.PEEK, [encodeWords([pid, 0xffffffff]), encodeQuads([a])]).status, 0);
      const arena = wire.exchange(Req.ARENA, [encodeQuads([a, b])]);
      if (arena.fd >= 0) loadLibc().close(arena.fd);
      wire.exchange(Req.SPAWN, [encodeQuads([a, 0n, 0n])]);
      wire.exchange(Req.AWAIT, [encodeQuads([b]), encodeWords([1, 1]), encodeQuads([a])]);
    }
  }
}));

test('a request without the magic, or larger than the limit, ends the conversation', () => {
  for (const head of [[1, Req.HELLO, 0, 1], [0x51526653, Req.HELLO, 0x10000001, 1]]) {
    const libc = loadLibc();
    const [ours, theirs] = libc.socketpair();
    const pid = libc.spawn(binary, ['3'], theirs);
    libc.close(theirs);
    const bytes = encodeWords(head);
    libc.send(ours, bytes, bytes.length, 0);
    assert.is(libc.waitpid(pid, true), 1 << 8);
    libc.close(ours);
  }
});

test.run();
