/** Random access into gzip and zstd streams: the same bytes as decoding from the start, whatever the order of reads. */
import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../../src/core/node.ts';
import { compressionOf, DecodedSource } from '../../src/image/source/decoded.ts';
import { MemorySource, readAll } from '../../src/image/source/source.ts';
import { StillframeError } from '../../src/errors.ts';

/** 24 MB that compress to about a quarter, every offset different from the others. */
function sample(size = 24_000_000): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = 1;
  for (let at = 0; at < size; at += 4) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[at] = state >>> 24;
    bytes[at + 1] = at >>> 12;
    bytes[at + 2] = at >>> 20;
  }
  return bytes;
}

const plain = sample();
const gzip = new Uint8Array(gzipSync(plain, { level: 1 }));
const zstd = new Uint8Array(execFileSync('zstd', ['-q', '-1', '-c'], { input: plain, maxBuffer: 1 << 28 }));

const decoding = suite('DecodedSource');

for (const [name, compressed] of [['gzip', gzip], ['zstd', zstd]] as const) {
  decoding(`${name}: reads at any offset, forward and backward`, async () => {
    assert.is(compressionOf(compressed), name);
    const source = new DecodedSource('a', new MemorySource('a', compressed), name);
    for (const at of [0, 23_999_000, 5_000_000, 262_143, 18_123_456, 18_000_000, 0, 12_345_678, 23_999_999]) {
      const want = plain.subarray(at, at + 300_000);
      assert.ok(Buffer.compare(await source.read(at, 300_000), want) === 0, `offset ${at}`);
    }
    assert.is((await source.read(plain.length, 10)).length, 0);
    assert.is(source.size, plain.length);
  });

  decoding(`${name}: a stream that is cut says so`, async () => {
    const cut = new DecodedSource('a', new MemorySource('a', compressed.subarray(0, compressed.length - 1000)), name);
    try {
      await cut.read(plain.length - 10, 10);
      assert.unreachable();
    } catch (error) {
      assert.instance(error, StillframeError);
      assert.match((error as Error).message, 'it is cut short');
    }
    assert.equal(await cut.read(100, 50), plain.subarray(100, 150));
  });
}

for (const [name, compressed] of [['gzip', gzip], ['zstd', zstd]] as const) {
  decoding(`${name}: contents that do not fit the checksum are refused, from wherever they are read`, async () => {
    const broken = compressed.slice();
    broken[broken.length - (name === 'gzip' ? 6 : 2)]! ^= 0x10;
    const source = new DecodedSource('a', new MemorySource('a', broken), name);
    assert.equal(await source.read(5_000_000, 50), plain.subarray(5_000_000, 5_000_050));
    await source.read(0, 50);
    for (let i = 0; i < 2; i++) {
      try {
        await source.verify();
        assert.unreachable();
      } catch (error) {
        assert.instance(error, StillframeError);
        assert.match((error as Error).message, /checksum 0x[0-9a-f]{8}; 0x[0-9a-f]{8} is written behind them/);
      }
    }
  });
}

decoding('a gzip member that is not as long as it says is refused', async () => {
  const broken = gzip.slice();
  broken[broken.length - 1]! ^= 1;
  try {
    await new DecodedSource('a', new MemorySource('a', broken), 'gzip').verify();
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, 'its contents are 24000000 bytes; 7222784 is written behind them');
  }
});

decoding('checksums of several members and frames, short, empty and skippable ones among them', async () => {
  const parts = [plain.subarray(0, 100_000), plain.subarray(0, 0), plain.subarray(5, 7), plain.subarray(100, 90_000)];
  const frame = (part: Uint8Array): Buffer => execFileSync('zstd', ['-q', '-c'], { input: part });
  const streams = [['gzip', Buffer.concat(parts.map((part) => gzipSync(part)))], ['zstd', Buffer.concat([...parts.map(frame), Buffer.from('502a4d1803000000010203', 'hex'), frame(parts[3]!)])]] as const;
  for (const [name, bytes] of streams) {
    const source = new DecodedSource('a', new MemorySource('a', bytes), name);
    await source.verify();
    const whole = Buffer.concat(name === 'gzip' ? parts : [...parts, parts[3]!]);
    assert.ok(Buffer.compare(await source.read(0, whole.length + 1), whole) === 0, name);
    const broken = Uint8Array.from(bytes);
    // the end of the first part's checksum
    broken[(name === 'gzip' ? gzipSync(parts[0]!) : frame(parts[0]!)).length - (name === 'gzip' ? 5 : 1)]! ^= 1;
    try {
      await new DecodedSource('a', new MemorySource('a', broken), name).verify();
      assert.unreachable();
    } catch (error) {
      assert.match((error as Error).message, 'is written behind them', name);
    }
  }
});

decoding('a window above 128 MiB is refused in a later frame, too', async () => {
  const header = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  try {
    await new DecodedSource('a', new MemorySource('a', Buffer.concat([zstd, header])), 'zstd').verify();
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, 'window of 2147483648 bytes');
  }
});

decoding('several members and frames one behind the other are one stream', async () => {
  const parts = [plain.subarray(0, 1000), plain.subarray(1000, 70000)];
  const members = Buffer.concat(parts.map((part) => gzipSync(part)));
  const source = new DecodedSource('a', new MemorySource('a', members), 'gzip');
  assert.equal(await readAll(source, 1 << 20), plain.subarray(0, 70000));
});

decoding('a zstd window above 128 MiB is refused before it is allocated', async () => {
  // frame header: no single segment, window descriptor 0xa8: 2^(10 + 21) bytes
  const header = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  try {
    await new DecodedSource('a', new MemorySource('a', header), 'zstd').read(0, 1);
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, 'window of 2147483648 bytes');
  }
});

decoding.run();
