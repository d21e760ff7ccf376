/**
 * Which open file each member of an epoll is. The kernel tells a member's descriptor number, which the program may have closed or reused since;
 * kcmp tells whether an open file is that member. In the frozen window, before anything is changed.
 */
import type { DumpContext } from '../../dump/context.ts';
import type { Descriptor, OpenFile } from '../../dump/file-kinds.ts';
import { KCMP_EPOLL_TFD } from '../../kernel/anon.ts';
import { Program } from '../../program/program.ts';

/** As fdinfo tells it. */
export interface MemberInfo {
  readonly tfd: number;
  readonly events: number;
  readonly data: bigint;
  /** Undefined on kernels before 4.13. */
  readonly place: { readonly pos: bigint; readonly inode: bigint; readonly device: number } | undefined;
  /** How many members with the same number come before it: a number can be reused while its first file lives on. */
  readonly offset: number;
}

export interface Member extends MemberInfo { readonly file: OpenFile }

/** One question: is this descriptor that member? */
interface Question { readonly epoll: Descriptor; readonly member: MemberInfo; readonly candidate: Descriptor; readonly file: OpenFile }

const LINE = /^tfd:\s*(\d+)\s+events:\s*([0-9a-f]+)\s+data:\s*([0-9a-f]+)(?:\s+pos:\s*(-?\d+)\s+ino:\s*([0-9a-f]+)\s+sdev:\s*([0-9a-f]+))?/u;
const BATCH = 1 << 16;

export function parseMembers(lines: readonly string[]): MemberInfo[] {
  const seen = new Map<number, number>();
  return lines.filter((line) => line.startsWith('tfd:')).map((line) => {
    const found = LINE.exec(line);
    if (found === null) throw new RangeError(`not a member of an epoll: ${JSON.stringify(line)}`);
    const [, number, events, data, pos, inode, device] = found;
    const tfd = Number(number);
    const offset = seen.get(tfd) ?? 0;
    seen.set(tfd, offset + 1);
    const place = pos === undefined ? undefined : { pos: BigInt.asUintN(64, BigInt(pos)), inode: BigInt(`0x${inode}`), device: parseInt(device!, 16) };
    return { tfd, events: parseInt(events!, 16), data: BigInt(`0x${data}`), place, offset };
  });
}

/** @returns by epoll and place among its members; undefined where no open file of the tree is the member */
export function findMembers(epolls: readonly OpenFile[], files: readonly OpenFile[], context: DumpContext): Map<OpenFile, (OpenFile | undefined)[]> {
  const byDescriptor = new Map<string, { file: OpenFile; descriptor: Descriptor }>();
  for (const file of files) for (const descriptor of file.descriptors) byDescriptor.set(`${descriptor.task.pid} ${descriptor.fd}`, { file, descriptor });
  const found = new Map<OpenFile, (OpenFile | undefined)[]>();
  const open: { epoll: OpenFile; index: number; member: MemberInfo }[] = [];
  for (const epoll of epolls) {
    const members = parseMembers(epoll.descriptors[0]!.info.more);
    found.set(epoll, members.map(() => undefined));
    members.forEach((member, index) => open.push({ epoll, index, member }));
  }
  const settle = (asked: readonly { epoll: OpenFile; index: number; question: Question }[]): void => {
    const answers = askAll(asked.map(({ question }) => question), context);
    asked.forEach(({ epoll, index, question }, i) => { if (answers[i] === true) found.get(epoll)![index] ??= question.file; });
  };
  // most members are what their number still is
  settle(open.flatMap(({ epoll, index, member }) => {
    const first = epoll.descriptors[0]!;
    const candidate = byDescriptor.get(`${first.task.pid} ${member.tfd}`);
    return candidate === undefined ? [] : [{ epoll, index, question: { epoll: first, member, candidate: candidate.descriptor, file: candidate.file } }];
  }));
  settle(open.filter(({ epoll, index }) => found.get(epoll)![index] === undefined).flatMap(({ epoll, index, member }) => files
    .filter(({ descriptors }) => member.place === undefined || descriptors[0]!.stat.ino === member.place.inode)
    .map((file) => ({ epoll, index, question: { epoll: epoll.descriptors[0]!, member, candidate: file.descriptors[0]!, file } }))));
  return found;
}

/** A kernel that cannot tell (before 4.13) is taken to mean that the number is the file. */
function askAll(questions: readonly Question[], { helper }: DumpContext): boolean[] {
  const answers: boolean[] = [];
  for (let at = 0; at < questions.length; at += BATCH) {
    const program = new Program('helper').resource('members of epolls');
    const results = questions.slice(at, at + BATCH).map(({ epoll, member, candidate }) => {
      const slot = program.data(Buffer.from(Uint32Array.of(epoll.fd, member.tfd, member.offset).buffer));
      return program.call('kcmp', [candidate.task.pid, epoll.task.pid, KCMP_EPOLL_TFD, candidate.fd, slot], { expect: 'any' });
    });
    const ran = helper.local(program).check('dump');
    results.forEach((result, i) => {
      const { epoll, member, candidate } = questions[at + i]!;
      const answer = ran.result(result);
      answers.push(answer === 0n || (answer < 0n && member.place === undefined && candidate.fd === member.tfd && candidate.task === epoll.task));
    });
  }
  return answers;
}
