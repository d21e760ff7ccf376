/** Clients of servers that are checkpointed: out of the tree, on connections that they never give up, checking every byte. */
import * as assert from 'uvu/assert';
import { spawn } from 'node:child_process';
import { connect, createServer, type AddressInfo } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { until } from './program.ts';

/** One that stays connected. */
export interface Client {
  readonly name: string;
  /** While its server is not there: says something that has to arrive. */
  meanwhile(): void;
  /** Throws unless its connection goes on, and every byte is right. Leaves something half done. */
  check(): Promise<void>;
  /** Says something, and waits to be told that its connection is gone. */
  gone(): Promise<void>;
  end(): void;
}

/** A port that nobody has, below those that connections get by themselves. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.on('error', () => { resolve(false); });
      server.listen(port, '127.0.0.1', () => { resolve((server.address() as AddressInfo).port === port); });
    });
    await new Promise<void>((resolve) => { server.close(() => { resolve(); }); });
    if (free) return port;
  }
}

/** Two ways for bytes, and what came so far. */
export class Line {
  got = Buffer.alloc(0);
  ended = false;
  complaints = '';

  constructor(readonly from: Readable, readonly to: Writable, readonly end: () => void) {
    from.on('data', (bytes: Buffer) => { this.got = Buffer.concat([this.got, bytes]); });
    for (const one of [from, to]) for (const event of ['close', 'error']) one.on(event, () => { this.ended = true; });
  }

  /** What comes up to and with `last`, taken out. */
  async hear(last: RegExp): Promise<string> {
    let text = '';
    await this.#until(`${last} comes`, () => {
      text = this.got.toString('latin1');
      const found = last.exec(text);
      text = text.slice(0, (found?.index ?? 0) + (found?.[0] ?? '').length);
      return found !== null;
    });
    this.got = this.got.subarray(text.length);
    return text;
  }

  ask(text: string, last: RegExp): Promise<string> {
    this.to.write(text, 'latin1');
    return this.hear(last);
  }

  /** Takes exactly these bytes. */
  async take(expected: Buffer, what: string): Promise<void> {
    await this.#until(`${what}: ${expected.length} bytes come`, () => this.got.length >= expected.length);
    assert.ok(this.got.subarray(0, expected.length).equals(expected), `${what}: every byte of ${expected.length}`);
    this.got = this.got.subarray(expected.length);
  }

  async over(): Promise<void> {
    this.from.resume();
    await until('its connection is over', () => this.ended, 30_000);
  }

  async #until(what: string, there: () => boolean): Promise<void> {
    const tell = (): string => `it has ${this.got.length} bytes: ${this.got.toString('latin1', 0, 300)}${this.complaints}`;
    await until(what, () => there() || this.ended, 60_000).catch((error: unknown) => { throw new Error(`${(error as Error).message}; ${tell()}`); });
    if (!there()) throw new Error(`its connection ended before ${what}; ${tell()}`);
  }
}

/** A connection over TCP. */
export function dial(port: number): Promise<Line> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => { resolve(new Line(socket, socket, () => { socket.destroy(); })); });
    socket.on('error', reject);
  });
}

/** By a program that is connected: its standard input and output. */
export function through(command: string, ...args: string[]): Line {
  const child = spawn(command, args, { cwd: '/', stdio: ['pipe', 'pipe', 'pipe'] });
  const line = new Line(child.stdout, child.stdin, () => { child.kill('SIGKILL'); });
  child.stderr.on('data', (bytes: Buffer) => { line.complaints += bytes.toString(); });
  return line;
}

/** What is said at first, while the server is away, and when it is back; again and again. */
export interface Talk {
  readonly first?: () => Promise<unknown>;
  readonly meanwhile: () => void;
  readonly then: () => Promise<unknown>;
}

export async function talking(name: string, line: Line, { first, meanwhile, then }: Talk): Promise<Client> {
  let said = false;
  const say = (): void => {
    if (!said) meanwhile();
    said = true;
  };
  await first?.();
  return {
    name, meanwhile: say, end: line.end,
    gone: async () => {
      say();
      await line.over();
    },
    check: async () => {
      say();
      said = false;
      await then();
      assert.is(line.got.toString('latin1', 0, 300), '', `${name}: nothing but the answer`);
      await first?.();
    },
  };
}

/** Bytes that nobody guesses. */
export const content = (size: number, seed = 1): Buffer => Buffer.from(Uint8Array.from({ length: size }, (_, i) => Math.imul(i + seed, 2654435761) >>> 24));

/** Something large is on its way, of which it has read the start; nobody reads on until it is checked. */
export function downloading(name: string, line: Line, request: string, head: RegExp, body: Buffer, tail = ''): Promise<Client> {
  let asked: string;
  return talking(name, line, {
    first: async () => {
      asked = await line.ask(request, head);
      line.from.pause();
    },
    // what it asks for next waits behind it
    meanwhile: () => { line.to.write(request, 'latin1'); },
    then: async () => {
      line.from.resume();
      await line.take(body, name);
      if (tail !== '') await line.take(Buffer.from(tail), name);
      assert.is((await line.hear(head)).length, asked.length, `${name}: the next answer`);
      await line.take(body, name);
      if (tail !== '') await line.take(Buffer.from(tail), name);
    },
  });
}
