/** Putting back what waited in a unix socket's receive queue: it is sent anew, message by message. */
import type { sf_packet_entry, sk_packet_entry } from '../../image/schema/index.ts';
import type { Payload } from '../../image/payload.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { MSG, SCM, SOL_SOCKET } from '../../kernel/sockets.ts';
import { Cond, type Arg, type DataRef, type Program } from '../../program/program.ts';

/** One message as the image has it. */
export interface Message { readonly entry: sk_packet_entry; readonly data: Payload; readonly own: sf_packet_entry | undefined }

const REMEDY = {
  EAGAIN: "More waited in it than fits: raise /proc/sys/net/unix/max_dgram_qlen, or run the restore with CAP_NET_ADMIN",
  ETOOMANYREFS: 'Too many descriptors are in flight: raise the limit of open files (nofile), or run the restore as root',
};

/**
 * @param from who sends
 * @param fdOf the helper's descriptor of a file of the image
 * @param stand whose pid is named when the sender's is nobody's
 */
export function addMessage(p: Program, from: Arg, { entry, data, own }: Message, fdOf: (id: number) => Arg, stand: Arg): void {
  const rights = entry.scm.flatMap((scm) => (scm.type === SCM.RIGHTS ? scm.rights : []));
  const bytes = p.data(data.bytes());
  const send = (pid: Arg | undefined): ReturnType<Program['call']> => {
    const header = p.reserve(56);
    const iov = p.reserve(16);
    const control = addControl(p, rights.map(fdOf), pid === undefined ? undefined : { pid, uid: own!.uid ?? 0, gid: own!.gid ?? 0 });
    p.store(iov, bytes);
    p.store(iov.at(8), data.size);
    p.store(header.at(16), iov);
    p.store(header.at(24), 1);
    if (control.size > 0) {
      p.store(header.at(32), control.at);
      p.store(header.at(40), control.size);
    }
    return p.call('sendmsg', [from, header, MSG.DONTWAIT], { expect: pid === own?.pid && pid !== undefined ? { orErrno: ERRNO.ESRCH } : { equals: data.size }, remedy: REMEDY });
  };
  const sent = send(own?.pid);
  if (own?.pid === undefined) return;
  const end = { at: 0 };
  p.jump(sent, Cond.GE, 0, () => end.at);
  send(stand);
  end.at = p.here;
}

function addControl(p: Program, fds: readonly Arg[], sender: { pid: Arg; uid: number; gid: number } | undefined): { at: DataRef; size: number } {
  const align = (size: number): number => (size + 7) & ~7;
  const rightsSize = fds.length === 0 ? 0 : 16 + fds.length * 4;
  const size = align(rightsSize) + (sender === undefined ? 0 : align(16 + 12));
  const at = p.reserve(size);
  const head = (place: DataRef, length: number, type: number): void => {
    p.store(place, length);
    p.store(place.at(8), SOL_SOCKET, 4);
    p.store(place.at(12), type, 4);
  };
  if (fds.length > 0) {
    head(at, rightsSize, SCM.RIGHTS);
    fds.forEach((fd, i) => p.store(at.at(16 + 4 * i), fd, 4));
  }
  if (sender !== undefined) {
    const place = at.at(align(rightsSize));
    head(place, 16 + 12, SCM.CREDENTIALS);
    p.store(place.at(16), sender.pid, 4);
    p.store(place.at(20), sender.uid, 4);
    p.store(place.at(24), sender.gid, 4);
  }
  return { at, size };
}
