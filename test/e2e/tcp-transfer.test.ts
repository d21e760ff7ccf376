/**
 * As much as both can send, in both directions at once, checkpointed again and again at random moments of it: not a byte is lost, twice or wrong.
 * TRANSFER_MB=100 TRANSFER_TIMES=20 TRANSFER_SEED=N: more of it, and the same moments again.
 */
// timeout: 300 s
import { connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TestProgram, until } from '../support/program.ts';
import { OURS, dump, restore } from '../support/tool.ts';

const BYTES = Number(process.env['TRANSFER_MB'] ?? 16) * 1_000_000;
const TIMES = Number(process.env['TRANSFER_TIMES'] ?? 5);
const SEED = Number(process.env['TRANSFER_SEED'] ?? Date.now() % 1_000_000);
const KEEP = ['--tcp-established'];
const PIECE = 64_000;

/** Numbers below 1. */
function randoms(seed: number): () => number {
  let x = seed >>> 0 || 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

/** As in test/programs/transfer.c. */
function stream(seed: number): Buffer {
  const words = new Uint32Array(BYTES / 4);
  for (let i = 0; i < words.length; i++) {
    let x = Math.imul(i + Math.imul(seed, 0x9e3779b9), 2654435761);
    x = Math.imul(x ^ x >>> 15, 2246822519);
    words[i] = x ^ x >>> 13;
  }
  return Buffer.from(words.buffer);
}
const [fromServer, toServer] = [stream(1), stream(2)];

function fnv(bytes: Uint8Array): string {
  let hash = 2166136261;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 16777619);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

const transfer = suite('a transfer in both directions');
transfer(`${BYTES / 1e6} MB each way, checkpointed ${TIMES} times`, async () => {
  const random = randoms(SEED);
  const program = new TestProgram('transfer', { args: [String(BYTES)] });
  const got = Buffer.alloc(BYTES);
  /** Neither goes beyond it: so that something is left for the next checkpoints. */
  let sent = 0, received = 0, limit = 0;
  let ended = '';
  try {
    const socket = connect(Number((await program.waitFor(/^port (\d+)$/m))[1]), '127.0.0.1');
    socket.on('error', (error) => { ended = error.message; });
    socket.on('close', () => { ended ||= 'closed'; });
    socket.on('data', (bytes) => {
      bytes.copy(got, received);
      received += bytes.length;
      if (received >= limit && limit < BYTES) socket.pause();
    });
    const send = (): void => {
      while (sent < Math.min(limit, BYTES)) {
        const end = Math.min(sent + PIECE, BYTES);
        const more = socket.write(toServer.subarray(sent, end));
        sent = end;
        if (!more) return;
      }
    };
    socket.on('drain', send);
    const raise = (to: number): void => {
      limit = to;
      socket.resume();
      send();
    };
    const each = BYTES / (TIMES + 1);
    for (let i = 0; i < TIMES; i++) {
      raise(each * (i + 1));
      const moment = each * (i + random() * 0.9);
      await until(`${moment} bytes came (${received})`, () => received >= moment || ended !== '', 60_000);
      assert.is(ended, '', `checkpoint ${i} (seed ${SEED})`);
      const images = `${program.images}${i}`;
      // one of them with -R: it goes on by itself
      await dump(OURS, program.pid, images, i === 1 ? [...KEEP, '-R'] : KEEP);
      if (i === 1) continue;
      await program.gone();
      await restore(OURS, images, KEEP);
    }
    raise(BYTES);
    const [, theirs] = await program.waitFor(/^hash (\w+)$/m, 60_000);
    await until('all bytes came', () => received === BYTES || ended !== '', 60_000);
    assert.is(received, BYTES, `bytes received (${ended}; seed ${SEED})`);
    assert.is(sent, BYTES);
    assert.ok(got.equals(fromServer), `what came is what was sent (seed ${SEED})`);
    assert.is(theirs, fnv(toServer), `what went is what was received (seed ${SEED})`);
    await program.verdict();
    socket.destroy();
  } finally {
    await program.stop();
  }
});
transfer.run();
