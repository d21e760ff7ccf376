/** Why a socket that no kind claims cannot be dumped, by its family, with what can be done instead. */
import { AF } from '../../kernel/sockets.ts';
import type { SocketFacts } from './facts.ts';

/** <linux/socket.h>, those that a program may well have. */
const FAMILIES: Readonly<Record<number, readonly [name: string, remedy?: string]>> = {
  [AF.ALG]: ['kernel crypto (AF_ALG)', 'Its keys and state cannot be read back from the kernel: let the program close it before the dump'],
  [AF.VSOCK]: ['virtual machine (AF_VSOCK)', 'Its other end is another machine that would have to be dumped with it: let the program close it before the dump'],
  [AF.SMC]: ['SMC (AF_SMC)', 'Let the program use TCP instead (AF_INET)'],
  [AF.XDP]: ['AF_XDP', 'Its rings belong to a device: let the program close it before the dump'],
  29: ['CAN bus (AF_CAN)'], 31: ['Bluetooth (AF_BLUETOOTH)'], 15: ['key management (AF_KEY)'], 21: ['RDS (AF_RDS)'], 30: ['TIPC (AF_TIPC)'], 42: ['Qualcomm IPC router (AF_QIPCRTR)'],
};

export function nameSocket({ family }: SocketFacts): { readonly why: string; readonly remedy?: string } {
  const [name, remedy] = FAMILIES[family] ?? [`family ${family}`];
  return { why: `${name} sockets are not supported yet`, ...(remedy === undefined ? {} : { remedy }) };
}
