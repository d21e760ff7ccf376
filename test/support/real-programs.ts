/** Programs of Debian that people run, each with its own interface: what test/real runs. */
import * as assert from 'uvu/assert';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tries, type Place, type RealProgram } from './real.ts';

/** An HTTP request over a unix socket; the body. */
function fetchFrom(socketPath: string, path = '/', headers: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, agent: false, timeout: 5000, headers: { host: 'localhost', ...headers } }, (response) => {
      let body = '';
      response.on('data', (bytes: Buffer) => { body += bytes.toString(); });
      response.on('end', () => resolve(body));
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
    asked.on('error', reject);
    asked.end();
  });
}

/** Sends text over a unix socket and reads until `last` matches. */
function talk(path: string, text: string, last: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(text));
    let got = '';
    socket.setTimeout(5000, () => socket.destroy(new Error(`no answer in time: ${got}`)));
    socket.on('data', (bytes) => {
      got += bytes.toString();
      if (last.test(got)) { socket.destroy(); resolve(got); }
    });
    socket.on('error', reject);
  });
}

const redis = (place: Place, ...words: string[]): Promise<string> => place.ask('redis-cli', '-s', place.at('sock'), ...words).then((text) => text.trim());

/** A program that counts in a file as long as it lives: `go` on is seen by the next number. */
async function goesOn(place: Place, file: string): Promise<void> {
  const count = (): number => readFileSync(place.at(file), 'utf8').split('\n').length;
  const from = count();
  await tries(`${file} grows`, () => assert.ok(count() > from + 2));
}

export const POSTGRES = '/usr/lib/postgresql/15/bin';
/** The number of a user or group of this system. */
function idOf(file: string, name: string): number {
  const [, id] = new RegExp(`^${name}:[^:]*:(\\d+):`, 'm').exec(readFileSync(file, 'latin1')) ?? [];
  return id === undefined ? NaN : Number(id);
}
export const [POSTGRES_UID, POSTGRES_GID] = [idOf('/etc/passwd', 'postgres'), idOf('/etc/group', 'postgres')];
export const asPostgres = (place: Place, command: string, ...args: string[]): Promise<string> =>
  place.ask('setpriv', `--reuid=${POSTGRES_UID}`, `--regid=${POSTGRES_GID}`, '--clear-groups', `${POSTGRES}/${command}`, ...args);
const psql = (place: Place, sql: string): Promise<string> => asPostgres(place, 'psql', '-h', place.dir, '-U', 'keeper', '-d', 'postgres', '-XAtc', sql).then((text) => text.trim());

const tmux = (place: Place, ...words: string[]): Promise<string> => place.ask('tmux', '-S', place.at('sock'), ...words);

export const REAL: readonly RealProgram[] = [
  {
    name: 'redis', needs: 'redis-server',
    command: (place) => ['redis-server', '--port', '0', '--unixsocket', place.at('sock'), '--dir', place.dir, '--save', '', '--io-threads', '2', '--maxmemory', '64mb'],
    ready: (place) => redis(place, 'ping'),
    before: async (place) => {
      await redis(place, 'eval', "for i=1,5000 do redis.call('set','k'..i,string.rep('v',100)..i) end redis.call('rpush','list',1,2,3) redis.call('set','dies','x','EX',1000)", '0');
      await redis(place, 'script', 'load', 'return 42');
    },
    after: async (place) => {
      assert.is(await redis(place, 'get', 'k4999'), `${'v'.repeat(100)}4999`);
      assert.is(await redis(place, 'lrange', 'list', '0', '-1'), '1\n2\n3');
      assert.is(await redis(place, 'dbsize'), '5002');
      const left = Number(await redis(place, 'ttl', 'dies'));
      assert.ok(left > 900 && left <= 1000, `${left} s to live`);
      assert.is(await redis(place, 'evalsha', '1fa00e76656cc152ad327c13fe365858fd7be306', '0'), '42');
      assert.is(await redis(place, 'bgsave'), 'Background saving started');
      await tries('its child has saved', async () => assert.match(await redis(place, 'info', 'persistence'), /rdb_bgsave_in_progress:0[^]*rdb_last_bgsave_status:ok/));
      assert.ok(readFileSync(place.at('dump.rdb')).length > 5000);
    },
  },
  {
    name: 'memcached', needs: 'memcached',
    command: (place) => ['memcached', '-u', 'root', '-s', place.at('sock'), '-t', '4', '-m', '16'],
    ready: (place) => talk(place.at('sock'), 'version\r\n', /VERSION.*\r\n/),
    before: async (place) => { await talk(place.at('sock'), `set kept 7 0 5\r\nhello\r\n`, /STORED/); },
    after: async (place) => {
      assert.match(await talk(place.at('sock'), 'get kept\r\n', /END\r\n/), /VALUE kept 7 5\r\nhello\r\n/);
      for (let i = 0; i < 8; i++) assert.match(await talk(place.at('sock'), `set n${i} 0 0 1\r\n${i}\r\nget n${i}\r\n`, /END\r\n/), new RegExp(`VALUE n${i} 0 1`));
    },
  },
  {
    name: 'nginx with workers', needs: 'nginx', tasks: 3,
    prepare: (place) => {
      writeFileSync(place.at('page'), 'a page');
      writeFileSync(place.at('conf'), `daemon off; worker_processes 2; pid ${place.at('pid')}; error_log ${place.at('errors')};
        events { worker_connections 64; } http { access_log ${place.at('access')}; server { listen unix:${place.at('sock')}; root ${place.dir}; location /who { return 200 "$pid"; } } }`);
    },
    command: (place) => ['nginx', '-p', place.dir, '-c', place.at('conf'), '-e', place.at('errors')],
    ready: (place) => fetchFrom(place.at('sock'), '/page'),
    before: async (place) => assert.is(await fetchFrom(place.at('sock'), '/page'), 'a page'),
    after: async (place) => {
      const before = readFileSync(place.at('access'), 'utf8').split('\n').length;
      for (let i = 0; i < 10; i++) assert.is(await fetchFrom(place.at('sock'), '/page'), 'a page');
      await tries('it logs', () => assert.is(readFileSync(place.at('access'), 'utf8').split('\n').length, before + 10));
      // the master still rules its workers: a new generation takes over
      const old = await fetchFrom(place.at('sock'), '/who');
      process.kill(place.pid, 'SIGHUP');
      await tries('new workers', async () => assert.is.not(await fetchFrom(place.at('sock'), '/who'), old));
    },
  },
  {
    name: 'PostgreSQL as its own user', needs: `${POSTGRES}/postgres`, uid: POSTGRES_UID, gid: POSTGRES_GID, tasks: 5,
    notCriu: 'needs CAP_SYS_RESOURCE to read the limits of another user',
    prepare: async (place) => {
      await asPostgres(place, 'initdb', '-D', place.at('data'), '-U', 'keeper', '-A', 'trust', '-N', '--no-instructions');
    },
    command: (place) => [`${POSTGRES}/postgres`, '-D', place.at('data'), '-k', place.dir, '-c', 'listen_addresses=', '-c', 'fsync=off', '-c', 'shared_buffers=8MB'],
    ready: (place) => psql(place, 'select 1'),
    before: async (place) => { await psql(place, 'create unlogged table kept as select i, md5(i::text) from generate_series(1, 20000) i'); },
    after: async (place) => {
      assert.is(await psql(place, 'select count(*), min(md5) from kept'), `20000|${await psql(place, 'select min(md5(i::text)) from generate_series(1, 20000) i')}`);
      await psql(place, 'insert into kept values (0, \'after\'); checkpoint');
      await psql(place, 'vacuum analyze kept');
      assert.is(await psql(place, 'select md5 from kept where i = 0'), 'after');
    },
  },
  {
    name: 'Node with a worker thread', needs: process.execPath,
    prepare: (place) => writeFileSync(place.at('server.mjs'), `
      import { Worker, isMainThread, parentPort } from 'node:worker_threads';
      import { createServer } from 'node:http';
      import { createHash } from 'node:crypto';
      import { readFile } from 'node:fs/promises';
      import { setTimeout as sleep } from 'node:timers/promises';
      import { fileURLToPath } from 'node:url';
      if (!isMainThread) parentPort.on('message', (n) => { let sum = 0; for (let i = 0; i < n; i++) sum = (sum + i * i) % 1000003; parentPort.postMessage(sum); });
      else {
        const worker = new Worker(fileURLToPath(import.meta.url));
        const kept = []; let ticks = 0;
        setInterval(() => ticks++, 10);
        createServer(async (req, res) => {
          if (req.url === '/add') kept.push({ at: kept.length });
          if (req.url === '/sum') { worker.postMessage(200000); const [sum] = await new Promise((done) => worker.once('message', (value) => done([value]))); return res.end(String(sum)); }
          if (req.url === '/file') return res.end(createHash('sha1').update(await readFile(fileURLToPath(import.meta.url))).digest('hex'));
          if (req.url === '/ticks') { const from = ticks; await sleep(100); return res.end(String(ticks - from)); }
          res.end(String(kept.length));
        }).listen(process.argv[2]);
      }`),
    command: (place) => [process.execPath, place.at('server.mjs'), place.at('sock')],
    ready: (place) => fetchFrom(place.at('sock')),
    before: async (place) => {
      for (let i = 0; i < 3; i++) await fetchFrom(place.at('sock'), '/add');
      writeFileSync(place.at('sum'), await fetchFrom(place.at('sock'), '/sum'));
    },
    after: async (place) => {
      assert.is(await fetchFrom(place.at('sock')), '3');
      assert.is(await fetchFrom(place.at('sock'), '/sum'), readFileSync(place.at('sum'), 'utf8'));
      assert.match(await fetchFrom(place.at('sock'), '/file'), /^[0-9a-f]{40}$/);
      assert.ok(Number(await fetchFrom(place.at('sock'), '/ticks')) > 0, 'its timers run');
    },
  },
  {
    name: 'Java', needs: 'javac',
    prepare: async (place) => {
      writeFileSync(place.at('Kept.java'), `
        import java.net.*; import java.nio.channels.*; import java.nio.*; import java.nio.file.*; import java.util.concurrent.*; import java.util.*;
        public class Kept {
          static final ConcurrentHashMap<Integer, String> map = new ConcurrentHashMap<>();
          public static void main(String[] a) throws Exception {
            var pool = Executors.newScheduledThreadPool(3);
            for (int i = 0; i < 50000; i++) map.put(i, "value " + i);
            pool.scheduleAtFixedRate(() -> { byte[][] waste = new byte[100][]; for (int i = 0; i < 100; i++) waste[i] = new byte[10000]; }, 1, 1, TimeUnit.MILLISECONDS);
            var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            server.bind(UnixDomainSocketAddress.of(Path.of(a[0])));
            for (;;) {
              var client = server.accept();
              pool.submit(() -> { try (client) {
                long sum = map.values().parallelStream().mapToLong(String::length).sum(); System.gc();
                client.write(ByteBuffer.wrap((map.size() + " " + sum + " " + map.get(31337) + "\\n").getBytes()));
              } catch (Exception e) { e.printStackTrace(); } });
            }
          }
        }`);
      await place.ask('javac', '-d', place.dir, place.at('Kept.java'));
    },
    command: (place) => ['java', '-XX:+UseG1GC', '-Xmx64m', '-cp', place.dir, 'Kept', place.at('sock')],
    ready: (place) => talk(place.at('sock'), '', /\n/),
    before: async (place) => writeFileSync(place.at('first'), await talk(place.at('sock'), '', /\n/)),
    after: async (place) => {
      for (let i = 0; i < 5; i++) assert.is(await talk(place.at('sock'), '', /\n/), readFileSync(place.at('first'), 'utf8'));
      await place.ask('jcmd', String(place.pid), 'Thread.print'); // attaches by signal and a socket of its own
    },
  },
  {
    name: 'Go (caddy)', needs: 'caddy',
    prepare: (place) => writeFileSync(place.at('conf.json'), JSON.stringify({
      admin: { disabled: true },
      apps: { http: { http_port: 1, https_port: 2, servers: { one: { listen: [`unix/${place.at('sock')}`], automatic_https: { disable: true }, routes: [{ handle: [{ handler: 'templates' }, { handler: 'static_response', body: 'answer {{now | date "2006"}} to {http.request.uri.path}' }] }] } } } },
    })),
    command: (place) => ['caddy', 'run', '--config', place.at('conf.json')],
    ready: (place) => fetchFrom(place.at('sock'), '/x'),
    before: async (place) => assert.match(await fetchFrom(place.at('sock'), '/first'), /to \/first/),
    after: async (place) => {
      const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => fetchFrom(place.at('sock'), `/n${i}`)));
      answers.forEach((answer, i) => assert.match(answer, new RegExp(`to /n${i}$`)));
    },
  },
  {
    name: 'Python with threads and multiprocessing', needs: '/usr/bin/python3', tasks: 4,
    prepare: (place) => writeFileSync(place.at('server.py'), `
import multiprocessing, threading, time, queue, socketserver, os, sys, asyncio, subprocess, ctypes
def square(n): return n * n, os.getpid()
if __name__ == '__main__':
    multiprocessing.set_start_method(sys.argv[2])
    manager = multiprocessing.Manager()
    shared = manager.dict(); value = multiprocessing.Value('i', 0); lock = multiprocessing.Lock()
    pool = multiprocessing.Pool(3)
    work, done = queue.Queue(), queue.Queue()
    def worker():
        while True: done.put(work.get() + 1)
    for _ in range(3): threading.Thread(target=worker, daemon=True).start()
    child = subprocess.Popen(['cat'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    ticks = 0
    async def tick():
        global ticks
        while True: await asyncio.sleep(0.01); ticks += 1
    threading.Thread(target=lambda: asyncio.run(tick()), daemon=True).start()
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            for i in range(10): work.put(i)
            threads = sorted(done.get() for _ in range(10))
            shared['asked'] = shared.get('asked', 0) + 1
            with lock: value.value += 1
            child.stdin.write(b'through a child\\n'); child.stdin.flush()
            before = ticks; time.sleep(0.1)
            print(threads, [n for n, _ in pool.map(square, range(8))], shared['asked'], value.value, child.stdout.readline().decode().strip(), ticks > before, file=(out := __import__('io').StringIO()))
            self.wfile.write(out.getvalue().encode())
    socketserver.ThreadingUnixStreamServer(sys.argv[1], Handler).serve_forever()
`),
    command: (place) => ['/usr/bin/python3', place.at('server.py'), place.at('sock'), 'fork'],
    ready: (place) => talk(place.at('sock'), '', /\n/),
    before: async (place) => { assert.match(await talk(place.at('sock'), '', /\n/), /\] 2 2 through a child True/); },
    after: async (place) => {
      for (let i = 0; i < 3; i++) {
        assert.is(await talk(place.at('sock'), '', /\n/), `[1, 2, 3, 4, 5, 6, 7, 8, 9, 10] [0, 1, 4, 9, 16, 25, 36, 49] ${3 + i} ${3 + i} through a child True\n`);
      }
    },
  },
  {
    name: 'Perl with children and pipes', needs: 'perl', tasks: 3,
    prepare: (place) => writeFileSync(place.at('p.pl'), `
      use strict; use IO::Handle; use IPC::Open2; $| = 1;
      my ($from, $to); my $pid = open2($from, $to, 'sed', '-u', 's/^/sed /');
      my $child = open(my $kid, '-|') // die; if (!$child) { $| = 1; my $n = 0; for (;;) { print $n++, "\\n"; select(undef, undef, undef, 0.02); } }
      my %seen; $SIG{ALRM} = sub { $seen{alarms}++; alarm 1 }; alarm 1; my $alarms = 0;
      open(my $out, '>>', $ARGV[0]); $out->autoflush(1); my $want = 0;
      while (1) { my $n; do { $n = <$kid>; } until defined $n; chomp $n; die "lost $n, not $want" if $n != $want++; print $to "$n\\n"; $to->flush; my $back; do { $back = <$from> } until defined $back; print $out $back; }`),
    command: (place) => ['perl', place.at('p.pl'), place.at('numbers')],
    ready: (place) => assert.match(readFileSync(place.at('numbers'), 'utf8'), /^sed 10$/m) as never,
    before: () => undefined,
    after: async (place) => {
      await goesOn(place, 'numbers');
      readFileSync(place.at('numbers'), 'utf8').split('\n').slice(0, -1).forEach((line, i) => assert.is(line, `sed ${i}`));
    },
  },
  {
    name: 'Bash with pipelines, jobs and a coprocess', needs: 'bash', tasks: 4,
    prepare: (place) => writeFileSync(place.at('script.sh'), `
      coproc cat; trap 'echo told >> told' USR1
      ( n=0; while :; do echo $((n++)); sleep 0.01; done ) | sed -u 's/^/line /' | while read -r a b; do echo "$a $b"; done > numbers &
      declare -A seen; n=0
      while :; do echo "n $n" >&\${COPROC[1]}; read -r answer <&\${COPROC[0]}; echo "$answer" >> answers; seen[$n]=1; n=$((n + 1)); read -rt 0.02 x < <(sleep 0.02; echo x); done`),
    command: (place) => ['bash', place.at('script.sh')],
    ready: (place) => { assert.match(readFileSync(place.at('answers'), 'utf8'), /^n 5$/m); assert.match(readFileSync(place.at('numbers'), 'utf8'), /^line 5$/m); return Promise.resolve(); },
    before: () => undefined,
    after: async (place) => {
      await goesOn(place, 'numbers');
      await goesOn(place, 'answers');
      readFileSync(place.at('numbers'), 'utf8').split('\n').slice(0, -1).forEach((line, i) => assert.is(line, `line ${i}`));
      readFileSync(place.at('answers'), 'utf8').split('\n').slice(0, -1).forEach((line, i) => assert.is(line, `n ${i}`));
      process.kill(place.pid, 'SIGUSR1');
      await tries('its trap runs', () => assert.match(readFileSync(place.at('told'), 'utf8'), /told/));
    },
  },
  {
    name: 'tmux server with shells and vim', needs: 'tmux', tasks: 4, pidFile: 'pid',
    command: () => ['sh', '-c', `tmux -S sock -f /dev/null new-session -d -x 100 -y 30 'bash --norc' && tmux -S sock display -p '#{pid}' > pid.new && mv pid.new pid; exec sleep 0`],
    ready: (place) => { readFileSync(place.at('pid')); return tmux(place, 'has-session'); },
    before: async (place) => {
      await tmux(place, 'send-keys', 'kept=12345; cd /usr', 'Enter');
      await tmux(place, 'split-window', 'bash --norc');
      await tmux(place, 'send-keys', `vim -u NONE -n ${place.at('text')}`, 'Enter');
      await tries('vim is there', async () => assert.match(await tmux(place, 'capture-pane', '-p', '-t', ':.1'), /\[New/));
      await tmux(place, 'send-keys', '-t', ':.1', 'iwritten before', 'Escape', 'yy');
      await tmux(place, 'new-window', 'bash --norc');
      await tmux(place, 'send-keys', 'sleep 1000 | cat &', 'Enter', 'less /etc/services', 'Enter');
      await tries('less is there', async () => assert.match(await tmux(place, 'capture-pane', '-p'), /tcpmux/));
    },
    after: async (place) => {
      await tmux(place, 'send-keys', '-t', ':0.0', 'echo $kept in $PWD > ~/said', 'Enter');
      await tries('the shell remembers', () => assert.is(readFileSync(place.at('said'), 'utf8'), '12345 in /usr\n'));
      await tmux(place, 'send-keys', '-t', ':0.1', 'pGoand after', 'Escape', ':wq', 'Enter');
      await tries('vim writes', () => assert.is(readFileSync(place.at('text'), 'utf8'), 'written before\nwritten before\nand after\n'));
      await tmux(place, 'send-keys', '-t', ':1', 'G');
      await tries('less goes to the end', async () => assert.match(await tmux(place, 'capture-pane', '-p', '-t', ':1'), /\(END\)/));
      await tmux(place, 'send-keys', '-t', ':1', 'q', 'jobs -l > ~/jobs', 'Enter');
      await tries('the shell has its jobs', () => assert.match(readFileSync(place.at('jobs'), 'utf8'), /Running/));
      await tmux(place, 'resize-window', '-t', ':1', '-x', '90', '-y', '20');
    },
  },
];

