/** What the kernel tells of descriptors of /dev/net/tun: which device they are attached to, and how. Looks only. */
import { statSync } from 'node:fs';
import type { DumpContext } from '../../dump/context.ts';
import type { Descriptor } from '../../dump/file-kinds.ts';
import { major, minor } from '../../kernel/devices.ts';
import { O, S } from '../../kernel/files.ts';
import { IFNAMSIZ, IFREQ_SIZE, POLLIN } from '../../kernel/inet.ts';
import { KernelStat, STAT_SIZE } from '../../kernel/stat.ts';
import { IFF, IFINFOMSG_SIZE, IFLA, RTM_GETLINK, RTM_NEWLINK, SIOCGSKNS, TUN, TUN_DEVICE } from '../../kernel/tun.ts';
import { AF, NLM_F, SOCK } from '../../kernel/sockets.ts';
import { Program, type DataRef, type RanBlock, type ResultRef } from '../../program/program.ts';
import { attributesOf } from '../socket/diag.ts';
import { addWithSockets } from '../socket/facts.ts';

export interface TunFacts {
  /** It is of another network namespace than ours. */
  readonly foreign: boolean;
  /** Packets wait to be read. */
  readonly waiting: boolean;
  /** Undefined when it is attached to no device. */
  readonly device: TunDevice | undefined;
}

export interface TunDevice {
  readonly name: string;
  /** IFF, as TUNSETIFF takes them; undefined when the kernel does not tell all of them. */
  readonly flags: number | undefined;
  readonly persistent: boolean;
  readonly detached: boolean;
  readonly filtered: boolean;
  readonly sendBuffer: number;
  /** Bytes of struct virtio_net_hdr before each packet, and its byte order where it was set. */
  readonly header: number;
  readonly littleEndian: boolean;
  readonly bigEndian: boolean;
}

const facts = new WeakMap<DumpContext, Map<Descriptor, TunFacts>>();

export const isTun = ({ stat, info }: Descriptor): boolean =>
  (Number(stat.mode) & S.IFMT) === S.IFCHR && (info.flags & O.PATH) === 0 && major(stat.rdev) === TUN_DEVICE.MAJOR && minor(stat.rdev) === TUN_DEVICE.MINOR;

export const tunFacts = (descriptor: Descriptor, context: DumpContext): TunFacts | undefined => facts.get(context)?.get(descriptor);

/** Looks at descriptors not looked at before. */
export function learnTuns(descriptors: readonly Descriptor[], context: DumpContext): void {
  let known = facts.get(context);
  if (known === undefined) facts.set(context, known = new Map());
  const fresh = descriptors.filter((one) => isTun(one) && !known.has(one));
  if (fresh.length === 0) return;
  const program = new Program('helper');
  const own = BigInt(statSync('/proc/self/ns/net', { bigint: true }).ino);
  const answers = addWithSockets(program, fresh, (held) => ask(program, held, own));
  const ran = context.helper.local(program).check('dump');
  fresh.forEach((descriptor, i) => known.set(descriptor, answers[i]!(ran)));
}

function ask(program: Program, held: ResultRef, own: bigint): (ran: RanBlock) => TunFacts {
  const request = program.reserve(IFREQ_SIZE);
  const attached = program.call('ioctl', [held, TUN.GETIFF, request], { expect: 'any' });
  const number = (name: number): ((ran: RanBlock) => number | undefined) => {
    const place = program.reserve(4);
    const got = program.call('ioctl', [held, name, place], { expect: 'any' });
    return (ran) => (ran.result(got) < 0n ? undefined : ran.data(place).readInt32LE(0));
  };
  const [sendBuffer, header, little, big] = [number(TUN.GETSNDBUF), number(TUN.GETVNETHDRSZ), number(TUN.GETVNETLE), number(TUN.GETVNETBE)];
  const filter = program.reserve(16);
  program.call('ioctl', [held, TUN.GETFILTER, filter], { expect: 'any', keep: false });
  const poll = program.reserve(8);
  program.store(poll, held, 4);
  program.store(poll.at(4), POLLIN, 2);
  program.call('poll', [poll, 1, 0], { expect: 'any', keep: false });
  const namespace = program.call('ioctl', [held, SIOCGSKNS, 0], { expect: 'any' });
  const stat = program.reserve(STAT_SIZE);
  const looked = program.call('fstat', [namespace, stat], { expect: 'any' });
  program.call('close', [namespace], { expect: 'any', keep: false });
  const link = askLink(program, request);
  return (ran) => {
    const flags = ran.data(request).readUInt16LE(IFNAMSIZ);
    const pi = link(ran);
    return {
      foreign: ran.result(looked) >= 0n && KernelStat.of(ran.data(stat)).ino !== own,
      waiting: (ran.data(poll).readUInt16LE(6) & POLLIN) !== 0,
      device: ran.result(attached) < 0n ? undefined : {
        name: ran.data(request, IFNAMSIZ).toString('latin1').replace(/\0.*$/su, ''),
        flags: pi === undefined ? undefined : (flags & (IFF.TUN | IFF.TAP | IFF.NAPI | IFF.NAPI_FRAGS | IFF.MULTI_QUEUE | IFF.VNET_HDR)) | (pi ? 0 : IFF.NO_PI),
        persistent: (flags & IFF.PERSIST) !== 0, detached: (flags & IFF.DETACH_QUEUE) !== 0, filtered: ran.data(filter).readUInt16LE(0) !== 0,
        sendBuffer: sendBuffer!(ran) ?? 0, header: header!(ran) ?? 0, littleEndian: little!(ran) === 1, bigEndian: big!(ran) === 1,
      },
    };
  };
}

const ANSWER_SIZE = 16384;

/** Whether packets of a device have a header that says their protocol (IFF_NO_PI is not set), from the kernel's list. @param name a struct ifreq, filled by a step before */
function askLink(program: Program, name: DataRef): (ran: RanBlock) => boolean | undefined {
  const socket = program.call('socket', [AF.NETLINK, SOCK.RAW | SOCK.CLOEXEC, 0]);
  const size = 16 + IFINFOMSG_SIZE + 4 + IFNAMSIZ;
  const message = Buffer.alloc(size);
  message.writeUInt32LE(size, 0);
  message.writeUInt16LE(RTM_GETLINK, 4);
  message.writeUInt16LE(NLM_F.REQUEST, 6);
  message.writeUInt16LE(4 + IFNAMSIZ, 16 + IFINFOMSG_SIZE);
  message.writeUInt16LE(IFLA.IFNAME, 16 + IFINFOMSG_SIZE + 2);
  const request = program.data(message, 8);
  for (const at of [0, 8]) program.store(request.at(size - IFNAMSIZ + at), program.load(name.at(at), 8));
  program.call('sendto', [socket, request, size, 0, 0, 0], { expect: 'any', keep: false });
  const answer = program.reserve(ANSWER_SIZE);
  const got = program.call('recvfrom', [socket, answer, ANSWER_SIZE, 0, 0, 0], { expect: 'any' });
  program.call('close', [socket], { keep: false });
  return (ran) => {
    const length = Number(ran.result(got));
    const bytes = ran.data(answer);
    if (length < 16 + IFINFOMSG_SIZE || bytes.readUInt16LE(4) !== RTM_NEWLINK) return undefined;
    const info = attributesOf(bytes.subarray(16 + IFINFOMSG_SIZE, length)).get(IFLA.LINKINFO);
    const data = info === undefined ? undefined : attributesOf(info).get(IFLA.INFO_DATA);
    return data === undefined ? undefined : attributesOf(data).get(IFLA.TUN_PI)?.[0] === 1;
  };
}
