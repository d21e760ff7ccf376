/** sock_diag: the kernel's lists of sockets, asked for by the helper (netlink(7), sock_diag(7)). Nothing of it touches a socket. */
import { StillframeError } from '../../errors.ts';
import type { Helper } from '../../helper/client.ts';
import { errnoName } from '../../kernel/errno.ts';
import { AF, MSG, NETLINK_SOCK_DIAG, NLM_F, NLMSG, SOCK, SOCK_DIAG_BY_FAMILY } from '../../kernel/sockets.ts';
import { Program } from '../../program/program.ts';

const BUFFER = 32768;
/** Answers fetched in one request: enough for some hundred sockets. */
const BUFFERS = 2, MORE_BUFFERS = 16;

/** @param request struct *_diag_req of a family @returns the body of each answer */
export function sockDiag(helper: Pick<Helper, 'local' | 'closeFds'>, what: string, request: Uint8Array): Buffer[] {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + request.length, 0);
  header.writeUInt16LE(SOCK_DIAG_BY_FAMILY, 4);
  header.writeUInt16LE(NLM_F.REQUEST | NLM_F.DUMP, 6);
  let program = new Program('helper').resource(`the list of ${what} sockets`);
  const socket = program.call('socket', [AF.NETLINK, SOCK.RAW | SOCK.CLOEXEC, NETLINK_SOCK_DIAG]);
  const message = program.data(Buffer.concat([header, request]));
  program.call('sendto', [socket, message, header.length + request.length, 0, 0, 0], { keep: false });
  const bodies: Buffer[] = [];
  let held: number | undefined;
  try {
    for (let buffers = BUFFERS; ; buffers = MORE_BUFFERS) {
      const slots = Array.from({ length: buffers }, () => {
        const data = program.reserve(BUFFER);
        return { data, size: program.call('recvfrom', [held ?? socket, data, BUFFER, MSG.DONTWAIT, 0, 0], { expect: 'any' }) };
      });
      const ran = helper.local(program).check('dump');
      held ??= Number(ran.result(socket));
      for (const { data, size } of slots) {
        const got = Number(ran.result(size));
        if (got < 0) throw refused(what, -got);
        if (readMessages(ran.data(data, got), what, bodies)) return bodies;
      }
      program = new Program('helper').resource(`the list of ${what} sockets`);
    }
  } finally {
    if (held !== undefined) helper.closeFds([held]);
  }
}

/** @returns whether the list ends here */
function readMessages(bytes: Buffer, what: string, bodies: Buffer[]): boolean {
  for (let at = 0; at + 16 <= bytes.length;) {
    const length = bytes.readUInt32LE(at);
    const type = bytes.readUInt16LE(at + 4);
    if (type === NLMSG.DONE) return true;
    if (type === NLMSG.ERROR) throw refused(what, -bytes.readInt32LE(at + 16));
    bodies.push(Buffer.from(bytes.subarray(at + 16, at + length)));
    at += (length + 3) & ~3;
  }
  return false;
}

function refused(what: string, errno: number): StillframeError {
  return new StillframeError({
    doing: 'dump', where: `the list of ${what} sockets`, why: `sock_diag: ${errnoName(errno) ?? errno}`,
    remedy: `The kernel has to be built with sock_diag for ${what} sockets ('stillframe check --extra' tells)`,
  });
}

/** Netlink attributes by type. */
export function attributesOf(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = bytes.readUInt16LE(at);
    if (length < 4) break;
    found.set(bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}
