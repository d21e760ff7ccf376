/** Network locks that are there: of dumps that wait to be restored, or that a crash left behind. Who did a dump cannot be told from one that crashed. */
import { StillframeError } from '../errors.ts';
import { Helper } from '../helper/client.ts';
import { ERRNO } from '../kernel/errno.ts';
import { Program } from '../program/program.ts';
import { addBatch, addTables, COMMENT, tellErrno, unlockMessage } from './nftables.ts';
import { findChains, removeChain, type Chain } from './run.ts';

export interface Lock {
  /** As `unlock` takes it: a table's or a chain's name. */
  readonly name: string;
  readonly method: 'nftables' | 'iptables';
  /** What it says about itself; undefined: CRIU made it. */
  readonly says: string | undefined;
  readonly chain?: Chain;
}

export function findLocks(): Lock[] {
  const helper = Helper.start();
  try {
    const p = new Program('helper').resource('network locks');
    const read = addTables(p);
    const tables = read(helper.local(p).check('find network locks')).map(({ name, comment }): Lock => ({
      name, method: 'nftables', says: comment?.startsWith(COMMENT) === true ? comment : undefined,
    }));
    const chains = findChains().map((chain): Lock => ({ name: chain.name, method: 'iptables', says: `${COMMENT}, ${chain.tool}: ${chain.rules.length} rules`, chain }));
    return [...tables, ...chains];
  } finally {
    helper.close();
  }
}

/** @throws StillframeError when it is still there */
export function removeLock({ name, chain }: Lock): void {
  const failed = (why: string): never => { throw new StillframeError({ doing: 'unlock', where: name, why, remedy: why === 'EPERM' ? 'Run as root' : undefined }); };
  if (chain !== undefined) {
    const { status, output } = removeChain(chain);
    if (status !== 0) failed(output);
    return;
  }
  const helper = Helper.start();
  try {
    const p = new Program('helper').resource(name);
    const errno = addBatch(p, unlockMessage(name))(helper.local(p).check('unlock'));
    if (errno !== 0 && errno !== ERRNO.ENOENT) failed(tellErrno(errno));
  } finally {
    helper.close();
  }
}

export const describeLock = ({ name, method, says }: Lock): string => `${name} (${method}): ${says ?? 'made by CRIU'}`;
