/**
 * `--join-ns KIND:PID|FILE`: the tree is restored into namespaces that exist. The helper enters them before it opens anything (a socket is of
 * the network namespace it is made in), so its tasks are born in them; that of time is entered by the root, in place of one of its own.
 */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { StillframeError } from '../../errors.ts';
import { AT_FDCWD, O } from '../../kernel/files.ts';
import { CLONE } from '../../kernel/process.ts';
import type { Program } from '../../program/program.ts';
import { bytesOf } from '../../image/text.ts';

const KINDS = { net: CLONE.NEWNET, uts: CLONE.NEWUTS, ipc: CLONE.NEWIPC, time: CLONE.NEWTIME } as const;
export type JoinKind = keyof typeof KINDS;

/** What criu knows and is not done here, with another way. */
const OTHERS: Readonly<Record<string, string>> = {
  user: 'Run the restore in it: nsenter --user=FILE', mnt: 'Run the restore in it: nsenter --mount=FILE', pid: 'Run the restore in it: nsenter --pid=FILE', cgroup: 'Use --cgroup-root',
};

/** The file of each namespace to join. */
export type Joined = ReadonlyMap<JoinKind, string>;

/** @param workDir what files are relative to, as criu has it @throws StillframeError for one that is not understood, or not there */
export function parseJoined(values: readonly string[], workDir: string): Joined {
  const joined = new Map<JoinKind, string>();
  for (const text of values) {
    const where = `--join-ns ${text}`;
    const refuse = (why: string, remedy?: string): never => { throw new StillframeError({ doing: 'restore', where, why, remedy }); };
    const [, kind = '', place = '', , extra] = /^([a-z]+):([^,]+)(,(.*))?$/su.exec(text) ?? [];
    if (kind in OTHERS) refuse(`joining a namespace of kind ${kind} is not supported`, OTHERS[kind]);
    if (!(kind in KINDS)) refuse('it is not of the form KIND:PID or KIND:FILE', `KIND is ${Object.keys(KINDS).join(', ')}`);
    if (extra !== undefined) refuse(`a namespace of kind ${kind} takes no options`);
    const file = /^\d+$/u.test(place) ? `/proc/${place}/ns/${kind}` : resolve(workDir, place);
    try {
      statSync(file);
    } catch (error) {
      refuse(`${file}: ${error instanceof Error && 'code' in error ? String(error.code) : String(error)}`, 'It is the number of a process that is in the namespace, or a file such as /run/netns/NAME');
    }
    joined.set(kind as JoinKind, file);
  }
  return joined;
}

/** Steps of the helper, before all others. */
export function addJoins(p: Program, joined: Joined): void {
  for (const [kind, file] of joined) if (kind !== 'time') addJoin(p, kind, file);
}

/** Steps that enter one. */
export function addJoin(p: Program, kind: JoinKind, file: string): void {
  p.resource(`${kind} namespace ${file}`);
  const fd = p.call('openat', [AT_FDCWD, p.cstring(bytesOf(file)), O.RDONLY | O.CLOEXEC, 0]);
  p.call('setns', [fd, KINDS[kind]], { keep: false, remedy: { EINVAL: `It is no namespace of kind ${kind}`, EPERM: 'Entering it needs CAP_SYS_ADMIN there: run the restore as root' } });
  p.call('close', [fd], { keep: false });
}
