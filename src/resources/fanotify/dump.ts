/** fanotify: how the group was made, its marks on inodes and mounts. Events that wait are lost, as with CRIU. */
import { create } from '../../image/wire.ts';
import { fanotify_file_entry, fanotify_inode_mark_entry, fanotify_mark_entry, fanotify_mount_mark_entry, fd_types, fown_entry, mark_type } from '../../image/schema/index.ts';
import { FIONREAD } from '../../kernel/files.ts';
import { describeDescriptor, type FileKind, type OpenFile } from '../../dump/file-kinds.ts';
import { NOT_FOUND_REMEDY, parseHandle, WatchedFiles, type Watched } from '../fsnotify/find.ts';

const FLAGS = /^fanotify flags:([0-9a-f]+) event-flags:([0-9a-f]+)/u;
const INODE = /^fanotify ino:([0-9a-f]+) sdev:([0-9a-f]+) mflags:([0-9a-f]+) mask:([0-9a-f]+) ignored_mask:([0-9a-f]+) fhandle-bytes:([0-9a-f]+) fhandle-type:([0-9a-f]+) f_handle:\s*([0-9a-f]+)/u;
const MOUNT = /^fanotify mnt_id:([0-9a-f]+) mflags:([0-9a-f]+) mask:([0-9a-f]+) ignored_mask:([0-9a-f]+)/u;
const FILE_SYSTEM = /^fanotify sdev:/u;

interface Group { readonly faflags: number; readonly evflags: number; readonly marks: fanotify_mark_entry[] }
const groups = new WeakMap<OpenFile, Group>();
const hex = (text: string | undefined): number => parseInt(text ?? '', 16);

function parseGroup({ id, descriptors }: OpenFile): Group {
  let faflags = 0, evflags = 0;
  const marks: fanotify_mark_entry[] = [];
  for (const line of descriptors[0]!.info.more) {
    const [, flags, events] = FLAGS.exec(line) ?? [];
    if (flags !== undefined) [faflags, evflags] = [hex(flags), hex(events)];
    const inode = INODE.exec(line);
    if (inode !== null) {
      marks.push(create(fanotify_mark_entry, {
        id, type: mark_type.INODE, s_dev: hex(inode[2]), mflags: hex(inode[3]), mask: hex(inode[4]), ignored_mask: hex(inode[5]),
        ie: create(fanotify_inode_mark_entry, { i_ino: BigInt(`0x${inode[1]}`), f_handle: parseHandle(inode[6]!, inode[7]!, inode[8]!) }),
      }));
    }
    const mount = MOUNT.exec(line);
    if (mount !== null) {
      marks.push(create(fanotify_mark_entry, {
        id, type: mark_type.MOUNT, s_dev: 0, mflags: hex(mount[2]), mask: hex(mount[3]), ignored_mask: hex(mount[4]), me: create(fanotify_mount_mark_entry, { mnt_id: hex(mount[1]) }),
      }));
    }
  }
  return { faflags, evflags, marks };
}

const asked = ({ ie, s_dev }: fanotify_mark_entry): Watched[] => (ie === undefined ? [] : [{ inode: ie.i_ino, device: s_dev, handle: ie.f_handle }]);

export const fanotifies: FileKind = {
  type: fd_types.FANOTIFY,
  claims: ({ link }) => link === 'anon_inode:[fanotify]',
  refuse: ({ info }) => (info.more.some((line) => FILE_SYSTEM.test(line))
    ? { why: 'it has a mark on a whole file system (FAN_MARK_FILESYSTEM), for which the image format has no place', remedy: 'Let the program mark the mount instead (FAN_MARK_MOUNT)' } : undefined),
  collect(own, all, context) {
    context.noticed = true;
    const names = new WatchedFiles(context, all);
    const parsed = own.map((file) => ({ file, group: parseGroup(file) }));
    names.lookUp(parsed.flatMap(({ group }) => group.marks.flatMap(asked)));
    for (const { file, group } of parsed) {
      const where = describeDescriptor(file.descriptors[0]!);
      for (const mark of group.marks) {
        if (mark.me !== undefined) {
          const mount = names.mount(mark.me.mnt_id);
          if (mount === undefined) {
            context.refusals.add(where, `it has a mark on mount ${mark.me.mnt_id}, which is not a mount of the tree`, 'Let the program mark a mount of its own mount namespace');
            continue;
          }
          mark.me.path = mount.path;
          mark.s_dev = mount.device;
        }
        for (const watch of asked(mark)) {
          const found = names.get(watch);
          if (found === undefined) context.refusals.add(where, `the file its mark is on (device 0x${watch.device.toString(16)}, inode ${watch.inode}) cannot be found by name`, NOT_FOUND_REMEDY);
          else if ('path' in found) watch.handle.path = found.path;
        }
      }
      groups.set(file, group);
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
    const { faflags, evflags, marks } = groups.get(file)!;
    return { ffy: create(fanotify_file_entry, { id, flags: descriptors[0]!.info.flags, fown: create(fown_entry, owner), faflags, evflags, mark: marks }) };
  },
};
