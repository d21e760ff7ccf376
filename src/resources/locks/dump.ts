/**
 * File locks (-l): flock, POSIX, OFD, leases. The kernel lists them in fdinfo, under each descriptor they were made through: POSIX locks belong to a
 * descriptor table, the others to an open file, whoever has it.
 */
import { create } from '../../image/wire.ts';
import { file_lock_entry } from '../../image/schema/index.ts';
import { LEASE_BREAKING, LOCK, LOCK_KIND, LOCK_TYPE } from '../../kernel/locks.ts';
import type { DumpContext } from '../../dump/context.ts';
import { describeDescriptor, type Descriptor, type OpenFile } from '../../dump/file-kinds.ts';

const LINE = /^lock:\s*\d+:\s+(POSIX|FLOCK|OFDLCK|LEASE|DELEG)\s+(\S+)\s+(READ|WRITE|UNLCK|RW)\s+(-?\d+)\s+[0-9a-f]+:[0-9a-f]+:\d+\s+(\d+)\s+(\d+|EOF)/u;
const KINDS = { POSIX: LOCK_KIND.POSIX, FLOCK: LOCK_KIND.FLOCK, OFDLCK: LOCK_KIND.OFD, LEASE: LOCK_KIND.LEASE } as const;
const NAMES = { POSIX: 'a POSIX lock', FLOCK: 'an flock', OFDLCK: 'an open file description lock', LEASE: 'a lease' } as const;
const TYPES = { READ: LOCK_TYPE.READ, WRITE: LOCK_TYPE.WRITE, UNLCK: LOCK_TYPE.UNLOCK } as const;

interface Lock { readonly name: string; readonly flag: number; readonly type: number; readonly start: bigint; readonly length: bigint }

/** One line; undefined for a delegation, which belongs to a file server in the kernel. @throws RangeError */
export function parseLock(line: string): Lock | undefined {
  const found = LINE.exec(line);
  if (found === null) throw new RangeError(`not a lock: ${JSON.stringify(line)}`);
  const [, kind, state, access, , from, to] = found as unknown as [string, keyof typeof KINDS | 'DELEG', string, keyof typeof TYPES | 'RW', string, string, string];
  if (kind === 'DELEG') return undefined;
  const start = BigInt(from);
  const type = state === 'MSNFS' ? LOCK.MAND | ({ READ: 64, WRITE: 128, RW: 192, UNLCK: 0 })[access] : access === 'RW' ? LOCK_TYPE.WRITE : TYPES[access];
  return {
    name: NAMES[kind], flag: KINDS[kind], type: kind === 'LEASE' && state === 'BREAKING' ? type | LEASE_BREAKING : type,
    start, length: to === 'EOF' ? 0n : BigInt(to) + 1n - start,
  };
}

/** Locks of all open files, into the set; refused without -l. In the frozen window, nothing is changed yet. */
export function collectLocks(files: readonly OpenFile[], context: DumpContext): void {
  const wanted = context.options.given.has('file-locks');
  for (const { descriptors } of files) {
    if (descriptors.every(({ info }) => info.more.length === 0)) continue;
    const seen = new Set<string>();
    for (const descriptor of descriptors) {
      for (const line of descriptor.info.more) if (line.startsWith('lock:')) collectLock(descriptor, line, seen, wanted, context);
    }
  }
}

function collectLock(descriptor: Descriptor, line: string, seen: Set<string>, wanted: boolean, context: DumpContext): void {
  const lock = parseLock(line);
  if (lock === undefined) return;
  const { task, fd, stat } = descriptor;
  const { flag, type, start, length: len } = lock;
  const key = `${flag} ${type} ${start} ${len} ${flag === LOCK_KIND.POSIX ? task.pid : ''}`;
  if (seen.has(key)) return;
  seen.add(key);
  if (flag === LOCK_KIND.LEASE) {
    context.noticed = true;
    if (stat.nlink === 0n) context.refusals.add(describeDescriptor(descriptor), 'it was deleted and has a lease, which reading its contents would break', 'Let the program give the lease up first');
  }
  if (wanted) context.tree.locks.push(create(file_lock_entry, { flag, type, pid: task.pid, fd, start, len }));
  else context.refusals.add(describeDescriptor(descriptor), `it holds ${lock.name} on that file`, 'Take file locks along with -l (--file-locks)');
}
