/**
 * The network lock: from the moment that connections are looked at until they are restored no packet of them gets in or out, so that nobody
 * is told that they are gone (RST). Which tool, what is done to lock and unlock, and how it is taken back.
 */
import { StillframeError } from '../errors.ts';
import type { Helper } from '../helper/client.ts';
import { ERRNO } from '../kernel/errno.ts';
import { Program } from '../program/program.ts';
import type { Endpoints } from './endpoints.ts';
import { lockCommand } from './iptables.ts';
import { runCommand } from './run.ts';
import type { Method } from './unlock.ts';
import { addBatch, COMMENT, lockMessage, tableName, tellErrno, unlockMessage } from './nftables.ts';

/** The method to use: as asked for, else nftables where this kernel has it, else iptables. */
export function chooseMethod(asked: string | undefined, helper: Pick<Helper, 'local'>): Method {
  if (asked === 'skip' || asked === 'none') return 'skip';
  if (asked === 'iptables' || asked === 'nftables') return asked;
  const p = new Program('helper').resource('the network lock');
  const errno = addBatch(p, unlockMessage('CRIU-'))(helper.local(p).check('dump'));
  return errno === 0 || errno === ERRNO.ENOENT ? 'nftables' : 'iptables';
}

/** @throws StillframeError, and nothing is locked then */
export function lock(method: Method, id: string, connections: readonly Endpoints[], who: string, helper: Pick<Helper, 'local'>): void {
  const failed = (why: string, remedy: string): never => { throw new StillframeError({ doing: 'dump', where: 'the network lock', why, remedy }); };
  if (method === 'nftables') {
    const p = new Program('helper').resource('the network lock');
    const errno = addBatch(p, lockMessage(tableName(id), `${COMMENT}, ${who}`, connections))(helper.local(p).check('dump'));
    if (errno !== 0) {
      failed(`nf_tables: ${tellErrno(errno)}`, errno === ERRNO.EPERM ? 'It needs CAP_NET_ADMIN: run the dump as root' : 'Does this kernel have nf_tables (CONFIG_NF_TABLES_INET)? Else use --network-lock iptables, or skip, with which peers may reset connections');
    }
  } else if (method === 'iptables') {
    const { status, output } = runCommand(lockCommand(id, connections));
    if (status !== 0) failed(`iptables-restore: ${output === '' ? `exit code ${status}` : output}`, 'Install iptables (with its mark match), or use --network-lock nftables (which needs no tool), or skip, with which peers may reset connections');
  }
}
