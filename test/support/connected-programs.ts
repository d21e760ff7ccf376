/** Servers of Debian with clients who stay connected over a checkpoint: in the middle of a request, of a transaction, of something large. */
import * as assert from 'uvu/assert';
import { writeFileSync } from 'node:fs';
import { content, dial, downloading, freePort, talking, through, type Client, type Line } from './clients.ts';
import { asPostgres, POSTGRES, POSTGRES_GID, POSTGRES_UID } from './real-programs.ts';
import { tries, type Place, type RealProgram } from './real.ts';

const LARGE = 12 << 20;
const large = content(LARGE);
const KEPT = ['--tcp-established'];
const ports = new Map<string, number>();
/** The port of a place, chosen once. */
const portOf = (place: Place): number => ports.get(place.dir)!;
const choosePort = async (place: Place): Promise<void> => { ports.set(place.dir, await freePort()); };

/** A client that comes and goes. */
async function visit(place: Place, body: (line: Line) => Promise<unknown>): Promise<void> {
  const line = await dial(portOf(place));
  try {
    await body(line);
  } finally {
    line.end();
  }
}

const GET = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

/** Clients of a web server that has the files `page` and `large`. */
async function webClients(place: Place): Promise<Client[]> {
  const kept = await dial(portOf(place));
  const page = /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\na page$/;
  return [
    await talking('keep-alive, half a request', kept, {
      first: async () => {
        await kept.ask(GET('/page'), page);
        kept.to.write(GET('/page').slice(0, 20));
      },
      meanwhile: () => { kept.to.write(GET('/page').slice(20)); },
      then: () => kept.hear(page),
    }),
    await downloading('a download', await dial(portOf(place)), GET('/large'), /^HTTP\/1\.1 200 OK\r\n[^]*?\r\n\r\n/, large),
  ];
}
const webFiles = (place: Place): void => {
  writeFileSync(place.at('page'), 'a page');
  writeFileSync(place.at('large'), large);
};
const webVisit = (place: Place): Promise<void> => visit(place, (line) => line.ask(GET('/page'), /200 OK[^]*a page$/));

const NODE_SERVER = `
import { createServer } from 'node:net';
createServer((socket) => {
  let got = Buffer.alloc(0), ticks = 0;
  const frame = (kind, body) => { const head = Buffer.alloc(5); head[0] = kind; head.writeUInt32BE(body.length, 1); socket.write(Buffer.concat([head, body])); };
  const timer = setInterval(() => { const n = Buffer.alloc(4); n.writeUInt32BE(ticks++); frame(1, n); }, 2);
  socket.on('close', () => clearInterval(timer)).on('error', () => 0);
  socket.on('data', (bytes) => {
    got = Buffer.concat([got, bytes]);
    while (got.length >= 5 && got.length >= 5 + got.readUInt32BE(1)) {
      const size = got.readUInt32BE(1);
      frame(2, Buffer.from(got.subarray(5, 5 + size).map((byte) => byte ^ 0x5a)));
      got = got.subarray(5 + size);
    }
  });
}).listen(Number(process.argv[2]), '127.0.0.1');`;

/** Both sides send frames all the time: the server numbers by its clock, the client what it wants to have back. */
async function frames(place: Place): Promise<Client> {
  const line = await dial(portOf(place));
  let ticks = 0, sent = 0, back = 0;
  const read = (): void => {
    while (line.got.length >= 5 && line.got.length >= 5 + line.got.readUInt32BE(1)) {
      const body = line.got.subarray(5, 5 + line.got.readUInt32BE(1));
      if (line.got[0] === 1) assert.is(body.readUInt32BE(0), ticks++, 'the server\'s own frames, one after the other');
      else {
        assert.ok(Buffer.from(body.map((byte) => byte ^ 0x5a)).equals(content(1000 + back * 37 % 5000, back)), `frame ${back} comes back`);
        back++;
      }
      line.got = line.got.subarray(5 + body.length);
    }
  };
  const send = (): void => {
    const body = content(1000 + sent * 37 % 5000, sent++);
    const head = Buffer.alloc(5);
    head[0] = 2;
    head.writeUInt32BE(body.length, 1);
    line.to.write(Buffer.concat([head, body]));
  };
  const timer = setInterval(() => { if (!line.ended && sent - back < 200) { send(); } }, 3);
  return {
    name: 'frames', gone: () => line.over(),
    meanwhile: () => { for (let i = 0; i < 20; i++) send(); },
    check: async () => {
      const [wantedBack, wantedTicks] = [sent, ticks + 20];
      await tries('the frames that were sent are back', () => {
        read();
        assert.not.ok(line.ended, 'it is connected');
        assert.ok(back >= wantedBack && ticks >= wantedTicks, `${back} of ${wantedBack} frames, ${ticks} of ${wantedTicks} ticks`);
      });
    },
    end: () => { clearInterval(timer); line.end(); },
  };
}

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;
const resp = (...words: string[]): string => `*${words.length}\r\n${words.map(bulk).join('')}`;

export const CONNECTED: readonly RealProgram[] = [
  {
    name: 'redis: a transaction, blocked, subscribed, a large answer', needs: 'redis-server', prepare: choosePort, dumpOptions: KEPT, restoreOptions: KEPT,
    command: (place) => ['redis-server', '--port', String(portOf(place)), '--bind', '127.0.0.1', '--dir', place.dir, '--save', '', '--client-output-buffer-limit', 'normal 0 0 0'],
    ready: (place) => visit(place, (line) => line.ask('PING\r\n', /\+PONG\r\n/)),
    before: (place) => visit(place, (line) => line.ask(resp('SET', 'large', large.toString('latin1')), /\+OK\r\n/)),
    after: (place) => visit(place, (line) => line.ask('STRLEN large\r\n', new RegExp(`:${LARGE}\r\n`))),
    clients: async (place) => {
      const [bank, waits, hears] = [await dial(portOf(place)), await dial(portOf(place)), await dial(portOf(place))];
      let n = 0;
      await hears.ask('SUBSCRIBE news\r\n', /:1\r\n$/);
      const publish = (...words: string[]): Promise<void> => visit(place, (line) => line.ask(resp(...words), /:1\r\n/));
      return [
        await talking('a transaction', bank, {
          first: () => bank.ask('MULTI\r\nINCR n\r\n', /\+OK\r\n\+QUEUED\r\n$/),
          meanwhile: () => { bank.to.write('INCR n\r\nEXEC\r\n'); },
          then: async () => assert.is(await bank.hear(/\+QUEUED\r\n\*2\r\n:\d+\r\n:\d+\r\n$/), `+QUEUED\r\n*2\r\n:${++n}\r\n:${++n}\r\n`),
        }),
        await talking('waits for a list', waits, {
          meanwhile: () => { waits.to.write('BLPOP list 0\r\n'); },
          then: async () => { await publish('RPUSH', 'list', 'one'); await waits.hear(/\*2\r\n\$4\r\nlist\r\n\$3\r\none\r\n$/); },
        }),
        await talking('subscribed', hears, {
          meanwhile: () => { hears.to.write('PING\r\n'); },
          then: async () => { await hears.hear(/\$4\r\npong\r\n\$0\r\n\r\n$/); await publish('PUBLISH', 'news', 'hello'); await hears.hear(/hello\r\n$/); },
        }),
        await downloading('a large answer', await dial(portOf(place)), 'GET large\r\n', /^\$\d+\r\n/, large, '\r\n'),
      ];
    },
  },
  {
    name: 'memcached: half a value', needs: 'memcached', prepare: choosePort, dumpOptions: KEPT, restoreOptions: KEPT,
    command: (place) => ['memcached', '-u', 'root', '-l', '127.0.0.1', '-p', String(portOf(place)), '-t', '4', '-m', '16'],
    ready: (place) => visit(place, (line) => line.ask('version\r\n', /VERSION.*\r\n/)),
    before: (place) => visit(place, (line) => line.ask('set kept 7 0 5\r\nhello\r\n', /STORED\r\n/)),
    after: (place) => visit(place, (line) => line.ask('get kept\r\n', /VALUE kept 7 5\r\nhello\r\nEND\r\n/)),
    clients: (place) => Promise.all(Array.from({ length: 4 }, async (_, i) => {
      const line = await dial(portOf(place));
      const value = content(300_000, i).toString('latin1');
      return talking(`client ${i}`, line, {
        first: async () => { line.to.write(`set half${i} 0 0 ${value.length}\r\n${value.slice(0, 100_000)}`, 'latin1'); await Promise.resolve(); },
        meanwhile: () => { line.to.write(`${value.slice(100_000)}\r\nget half${i}\r\n`, 'latin1'); },
        then: () => line.take(Buffer.from(`STORED\r\nVALUE half${i} 0 ${value.length}\r\n${value}\r\nEND\r\n`, 'latin1'), 'the value'),
      });
    })),
  },
  {
    name: 'nginx: keep-alive and a download', needs: 'nginx', tasks: 3, dumpOptions: KEPT, restoreOptions: KEPT,
    prepare: async (place) => {
      await choosePort(place);
      webFiles(place);
      writeFileSync(place.at('conf'), `daemon off; user root; worker_processes 2; pid ${place.at('pid')}; error_log ${place.at('errors')};
        events { worker_connections 64; } http { access_log off; sendfile on; server { listen 127.0.0.1:${portOf(place)}; root ${place.dir}; } }`);
    },
    command: (place) => ['nginx', '-p', place.dir, '-c', place.at('conf'), '-e', place.at('errors')],
    ready: webVisit, before: () => undefined, after: webVisit, clients: webClients,
  },
  {
    name: 'Go (caddy): keep-alive and a download', needs: 'caddy', dumpOptions: KEPT, restoreOptions: KEPT,
    prepare: async (place) => {
      await choosePort(place);
      webFiles(place);
      writeFileSync(place.at('conf.json'), JSON.stringify({
        admin: { disabled: true },
        apps: { http: { servers: { one: { listen: [`127.0.0.1:${portOf(place)}`], automatic_https: { disable: true }, routes: [{ handle: [{ handler: 'file_server', root: place.dir }] }] } } } },
      }));
    },
    // a Go whose sockets are MPTCP by default is another row
    env: { GODEBUG: 'multipathtcp=0' },
    command: (place) => ['caddy', 'run', '--config', place.at('conf.json')],
    ready: webVisit, before: () => undefined, after: webVisit, clients: webClients,
  },
  {
    name: 'Node: frames both ways', needs: process.execPath, dumpOptions: KEPT, restoreOptions: KEPT,
    prepare: async (place) => {
      await choosePort(place);
      writeFileSync(place.at('server.mjs'), NODE_SERVER);
    },
    command: (place) => [process.execPath, place.at('server.mjs'), String(portOf(place))],
    ready: (place) => visit(place, (line) => line.hear(/^\x01\0\0\0\x04/)),
    before: () => undefined,
    after: (place) => visit(place, (line) => line.hear(/^\x01\0\0\0\x04/)),
    clients: async (place) => [await frames(place), await frames(place)],
  },
  {
    name: 'PostgreSQL as its own user: sessions', needs: `${POSTGRES}/postgres`, uid: POSTGRES_UID, gid: POSTGRES_GID, tasks: 5, dumpOptions: KEPT, restoreOptions: KEPT,
    notCriu: 'needs CAP_SYS_RESOURCE to read the limits of another user',
    prepare: async (place) => {
      await choosePort(place);
      await asPostgres(place, 'initdb', '-D', place.at('data'), '-U', 'keeper', '-A', 'trust', '-N', '--no-instructions');
    },
    command: (place) => [`${POSTGRES}/postgres`, '-D', place.at('data'), '-k', place.dir, '-c', 'listen_addresses=127.0.0.1', '-p', String(portOf(place)), '-c', 'fsync=off', '-c', 'shared_buffers=8MB'],
    ready: (place) => place.ask(`${POSTGRES}/psql`, ...session(place), '-c', 'select 1'),
    before: () => undefined,
    after: async (place) => { assert.is(await place.ask(`${POSTGRES}/psql`, ...session(place), '-c', 'select 6 * 7'), '42\n'); },
    clients: async (place) => {
      const [one, waits, copies] = [through(`${POSTGRES}/psql`, ...session(place)), through(`${POSTGRES}/psql`, ...session(place)), through(`${POSTGRES}/psql`, ...session(place))];
      await one.ask('create temp table mine as select 7 as n; prepare twice(int) as select $1 * 2;\n\\echo ready\n', /ready\n$/);
      await one.ask('begin; declare c cursor for select generate_series(1, 1000000) as i; move 10 from c;\n\\echo ready\n', /ready\n$/);
      await waits.ask('listen news;\n\\echo ready\n', /ready\n$/);
      let n = 10;
      const rows = Buffer.from(Array.from({ length: 200_000 }, (_, i) => `${i + 1}\t${'x'.repeat(40)}${i + 1}\n`).join(''));
      return [
        await talking('a transaction with a cursor, a temporary table, a prepared statement', one, {
          meanwhile: () => { one.to.write('fetch 5 from c; execute twice(21); update mine set n = n + 1 returning n > 7;\n\\echo done\n'); },
          then: async () => {
            const numbers = Array.from({ length: 5 }, () => ++n).join('\n');
            assert.is(await one.hear(/done\n$/), `${numbers}\n42\nt\ndone\n`);
          },
        }),
        await talking('listens', waits, {
          meanwhile: () => { waits.to.write('select 1;\n'); },
          then: async () => {
            await waits.hear(/1\n/);
            await place.ask(`${POSTGRES}/psql`, ...session(place), '-c', "notify news, 'hello'");
            await waits.ask('select 2;\n', /^2\n/);
            await waits.ask('select 3;\n', /"news" with payload "hello"[^\n]*\n$/);
          },
        }),
        await downloading('copies a table out', copies, "copy (select i, repeat('x', 40) || i from generate_series(1, 200000) i) to stdout;\n", /^/, rows),
      ];
    },
  },
];

const session = (place: Place): string[] => ['-h', '127.0.0.1', '-p', String(portOf(place)), '-U', 'keeper', '-d', 'postgres', '-XAtq'];
