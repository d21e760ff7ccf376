/** inotify: its watches, each with the name of the watched file. Events that wait are lost, as with CRIU: the kernel shows them only to who takes them. */
import { create } from '../../image/wire.ts';
import { fd_types, fown_entry, inotify_file_entry, inotify_wd_entry } from '../../image/schema/index.ts';
import { FIONREAD } from '../../kernel/files.ts';
import { describeDescriptor, type FileKind, type OpenFile } from '../../dump/file-kinds.ts';
import { NOT_FOUND_REMEDY, parseHandle, WatchedFiles } from '../fsnotify/find.ts';

const LINE = /^inotify wd:([0-9a-f]+) ino:([0-9a-f]+) sdev:([0-9a-f]+) mask:([0-9a-f]+) ignored_mask:([0-9a-f]+) fhandle-bytes:([0-9a-f]+) fhandle-type:([0-9a-f]+) f_handle:\s*([0-9a-f]+)/u;

const watches = new WeakMap<OpenFile, readonly inotify_wd_entry[]>();

function parseWatches({ id, descriptors }: OpenFile): inotify_wd_entry[] {
  const lines = descriptors[0]!.info.more.filter((line) => line.startsWith('inotify wd:'));
  return lines.map((line) => {
    const found = LINE.exec(line);
    if (found === null) throw new RangeError(`not a watch: ${JSON.stringify(line)}`);
    const [, wd, inode, device, mask, ignored, bytes, type, hex] = found;
    return create(inotify_wd_entry, {
      id, wd: parseInt(wd!, 16), i_ino: BigInt(`0x${inode}`), s_dev: parseInt(device!, 16), mask: parseInt(mask!, 16), ignored_mask: parseInt(ignored!, 16),
      f_handle: parseHandle(bytes!, type!, hex!),
    });
  });
}

export const inotifies: FileKind = {
  type: fd_types.INOTIFY,
  claims: ({ link }) => link === 'anon_inode:inotify',
  refuse: () => undefined,
  collect(own, all, context) {
    context.noticed = true;
    const names = new WatchedFiles(context, all);
    const parsed = own.map((file) => ({ file, entries: parseWatches(file) }));
    const asked = ({ i_ino, s_dev, f_handle }: inotify_wd_entry): { inode: bigint; device: number; handle: inotify_wd_entry['f_handle'] } => ({ inode: i_ino, device: s_dev, handle: f_handle });
    names.lookUp(parsed.flatMap(({ entries }) => entries.map(asked)));
    for (const { file, entries } of parsed) {
      for (const entry of entries) {
        const found = names.get(asked(entry));
        if (found === undefined) {
          const why = `the file its watch ${entry.wd} is on (device 0x${entry.s_dev.toString(16)}, inode ${entry.i_ino}) cannot be found by name`;
          context.refusals.add(describeDescriptor(file.descriptors[0]!), why, NOT_FOUND_REMEDY);
        } else if ('path' in found) entry.f_handle.path = found.path;
      }
      watches.set(file, entries);
    }
  },
  ask: (program, held, file, context) => {
    const count = program.reserve(8);
    program.call('ioctl', [held, FIONREAD, count], { keep: false });
    return (ran) => {
      if (ran.data(count).readUInt32LE(0) > 0) context.log.warn(describeDescriptor(file.descriptors[0]!), 'its events that wait are not in the images and will be dropped');
    };
  },
  entry: (file) => {
    const { id, owner, descriptors } = file;
    return { ify: create(inotify_file_entry, { id, flags: descriptors[0]!.info.flags, fown: create(fown_entry, owner), wd: [...watches.get(file)!] }) };
  },
};
