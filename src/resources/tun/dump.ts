/**
 * Descriptors of /dev/net/tun: attached to no device yet, or to one that stays when all have closed it. A device that goes with its program takes addresses and
 * routes with it, which are the network's, and is refused.
 */
import type { DumpContext } from '../../dump/context.ts';
import { describeDescriptor, type FileKind, type OpenFile } from '../../dump/file-kinds.ts';
import { create } from '../../image/wire.ts';
import { fd_types, file_entry, sf_tun_entry, tunfile_entry } from '../../image/schema/index.ts';
import { ownFile } from '../../image/tree-own.ts';
import { keepOpen, openEntry, refuseOpen } from '../regular/dump.ts';
import { isTun, learnTuns, tunFacts, type TunDevice } from './facts.ts';

export const tunFiles: FileKind = {
  type: fd_types.TUNF,
  meet: learnTuns,
  claims: isTun,
  refuse(descriptor, context) {
    const { foreign, device } = tunFacts(descriptor, context)!;
    if (foreign) return { why: `${describe(device)} is of another network namespace than the tree`, remedy: 'Let the program close it first' };
    return (device === undefined ? undefined : refuseDevice(device)) ?? refuseOpen(descriptor, context);
  },
  ask: (_program, _held, file, context) => {
    keepOpen(file.id, file.descriptors[0]!, context);
    return () => {};
  },
  entry: (file, context) => ({ tunf: tunEntry(file, context) }),
};

const describe = (device: TunDevice | undefined): string => (device === undefined ? 'it' : `network device ${device.name}`);

function refuseDevice({ name, persistent, filtered, flags }: TunDevice): { readonly why: string; readonly remedy?: string } | undefined {
  if (!persistent) {
    return {
      why: `network device ${name} goes when the program ends, and its addresses and routes with it`,
      remedy: `Make it before the program starts, so that it stays: ip tuntap add dev ${name} mode ...; or let the program say so (TUNSETPERSIST)`,
    };
  }
  if (filtered) return { why: `network device ${name} has a filter (TUNATTACHFILTER), which cannot be read back`, remedy: 'Let the program take it off first (TUNDETACHFILTER)' };
  if (flags === undefined) return { why: `the kernel does not tell how packets of network device ${name} look`, remedy: 'Let the program close it first' };
  return undefined;
}

function tunEntry(file: OpenFile, context: DumpContext): tunfile_entry {
  const first = file.descriptors[0]!;
  const { device, waiting } = tunFacts(first, context)!;
  // the format has the file itself as another entry of the same id
  context.tree.twins.push(create(file_entry, { type: fd_types.REG, id: file.id, reg: openEntry(file.id, first, file.owner, context) }));
  const ns_id = context.tree.inventory.root_ids?.net_ns_id ?? 0;
  if (device === undefined) return create(tunfile_entry, { id: file.id, ns_id });
  if (waiting) context.log.warn(describeDescriptor(first), `network device ${device.name}: packets that wait to be read are not in the images and will be dropped`);
  ownFile(context.tree, file.id).tun = create(sf_tun_entry, {
    flags: device.flags!, sndbuf: device.sendBuffer, header: device.header, ...(device.littleEndian ? { little_endian: true } : {}), ...(device.bigEndian ? { big_endian: true } : {}),
  });
  return create(tunfile_entry, { id: file.id, netdev: device.name, ns_id, ...(device.detached ? { detached: true } : {}) });
}
