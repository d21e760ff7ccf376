/** A client of test/programs/echo.c that stays connected and checks every byte. */
import { connect, type Socket } from 'node:net';
import * as assert from 'uvu/assert';
import { until } from './program.ts';

/** Sends a stream of bytes that only it knows, and compares what comes back. */
export class EchoClient {
  readonly socket: Socket;
  sent = 0;
  received = 0;
  wrong = 0;
  ended = false;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (bytes) => {
      for (const byte of bytes) if (byte !== EchoClient.byteAt(this.received++)) this.wrong++;
    });
    this.socket.on('close', () => { this.ended = true; });
    this.socket.on('error', () => { this.ended = true; });
  }

  static byteAt(at: number): number { return Math.imul(at, 2654435761) >>> 24; }

  send(count: number): void {
    this.socket.write(Buffer.from(Array.from({ length: count }, (_, i) => EchoClient.byteAt(this.sent + i))));
    this.sent += count;
  }

  async echoed(what: string): Promise<void> {
    await until(`${what}: all ${this.sent} bytes come back (${this.received} have)`, () => this.received === this.sent || this.ended, 20_000);
    assert.is(this.ended, false, `${what}: the connection is there`);
    assert.is(this.received, this.sent, `${what}: bytes`);
    assert.is(this.wrong, 0, `${what}: wrong bytes`);
  }
}
