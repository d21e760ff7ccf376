/**
 * Every kind of image file, in one table: its magic, how its file is named, how it is framed, the messages of its records, what
 * raw bytes follow them, and which resource folder it belongs to. CRIU 4.2's kinds (criu/image-desc.c, criu/include/magic.h,
 * images/*.proto), those only older versions wrote included, and one of our own. A new kind is one line here.
 */
import * as s from './schema/index.ts';
import type { HeaderKind } from '../core/container.ts';
import type { Desc } from './schema/define.ts';

/** `raw`: no magic, no records. The others say which magic comes first (see core/container.h). */
export type KindFraming = HeaderKind | 'raw';

/** What follows a record's message. */
export type PayloadRule =
  /** `size` bytes by what the message says, zero-padded to a multiple of `pad`. */
  | { readonly rule: 'sized'; readonly pad: 1 | 4 | 8; readonly size: (message: object) => bigint }
  /** All bytes to the file's end, unless the message says that chunk records follow; those have `chunk`'s payload. */
  | { readonly rule: 'rest-or-chunks'; readonly chunked: (message: object) => boolean; readonly chunk: Desc<object>; readonly size: (message: object) => bigint }
  /** `count` inner records, each with a payload of its own. */
  | { readonly rule: 'inner'; readonly count: (message: object) => number; readonly inner: Desc<object>; readonly pad: 1 | 4 | 8; readonly size: (message: object) => bigint };

export interface Kind {
  /** The name crit prints as `magic`. */
  readonly name: string;
  readonly magic: number;
  /** File-name pattern: `%u`, `%d` a decimal id, `%x` a hexadecimal one, `%s` a word. */
  readonly file: string;
  readonly framing: KindFraming;
  /** Absent for raw files. */
  readonly message?: Desc<object>;
  /** The first record's message, when it differs. */
  readonly first?: Desc<object>;
  /** Exactly one record, as opposed to any number. */
  readonly single?: boolean;
  readonly payload?: PayloadRule;
  /** Folder under src/resources/ whose dump and restore it serves; `set` is the set as a whole, `files` what all kinds of descriptor share. */
  readonly owner: string;
  /** Only versions before 4.2 write it. */
  readonly old?: boolean;
}

interface Extra { first?: Desc<object>; single?: boolean; payload?: PayloadRule; old?: boolean; framing?: KindFraming }

function kind<M extends object>(owner: string, name: string, magic: number, file: string, message: Desc<M>, extra: Extra = {}): Kind {
  return { framing: 'common', ...extra, name, magic, file, message: message as Desc<object>, owner };
}

function raw(owner: string, name: string, file: string, old = false): Kind {
  return { name, magic: 0, file, framing: 'raw', owner, old };
}

/** A rule typed by the message it reads. */
function sized<M extends object>(_of: Desc<M>, size: (message: M) => number | bigint, pad: 1 | 4 | 8 = 1): PayloadRule {
  return { rule: 'sized', pad, size: (message) => BigInt(size(message as M)) };
}

const single = { single: true } as const;
const old = { old: true } as const;

const ghost: PayloadRule = {
  rule: 'rest-or-chunks',
  chunked: (message) => (message as s.ghost_file_entry).chunks === true,
  chunk: s.ghost_chunk_entry as Desc<object>,
  size: (message) => (message as s.ghost_chunk_entry).len,
};

const messages: PayloadRule = {
  rule: 'inner',
  count: (message) => (message as s.ipc_msg_entry).qnum,
  inner: s.ipc_msg as Desc<object>,
  pad: 8,
  size: (message) => BigInt((message as s.ipc_msg).msize),
};

const pipeBytes = { payload: sized(s.pipe_data_entry, (m) => m.bytes) };

/** Magic of `stillframe.img`: the bytes "Stfm". */
export const STILLFRAME_MAGIC = 0x6d667453;
/** Magic of `hashes-N.img`: the bytes "Stfh". */
export const HASHES_MAGIC = 0x68667453;
const HASH_BYTES = 16n;

export const KINDS: readonly Kind[] = [
  kind('set', 'INVENTORY', 0x58313116, 'inventory.img', s.inventory_entry, { ...single, framing: 'plain' }),
  kind('set', 'STATS', 0x57093306, 'stats-%s', s.stats_entry, { ...single, framing: 'service' }),
  kind('set', 'CPUINFO', 0x61404013, 'cpuinfo.img', s.cpuinfo_entry, single),
  kind('set', 'STILLFRAME', STILLFRAME_MAGIC, 'stillframe.img', s.stillframe_entry, single),
  kind('memory', 'STILLFRAME_HASHES', HASHES_MAGIC, 'hashes-%u.img', s.sf_hashes_entry, { ...single, payload: sized(s.sf_hashes_entry, (m) => m.pages * HASH_BYTES) }),

  kind('process', 'PSTREE', 0x50273030, 'pstree.img', s.pstree_entry),
  kind('process', 'CORE', 0x55053847, 'core-%u.img', s.core_entry, single),
  kind('process', 'IDS', 0x54432030, 'ids-%u.img', s.task_kobj_ids_entry, single),
  kind('credentials', 'CREDS', 0x54023547, 'creds-%u.img', s.creds_entry, { ...single, ...old }),
  kind('limits', 'RLIMIT', 0x57113925, 'rlimit-%u.img', s.rlimit_entry, old),
  kind('timers', 'ITIMERS', 0x57464056, 'itimers-%u.img', s.itimer_entry, old),
  kind('timers', 'POSIX_TIMERS', 0x52603957, 'posix-timers-%u.img', s.posix_timer_entry, old),
  kind('signals', 'SIGACT', 0x55344201, 'sigacts-%u.img', s.sa_entry, old),
  kind('signals', 'SIGNAL', 0x59255647, 'signal-s-%u.img', s.siginfo_entry, old),
  kind('signals', 'PSIGNAL', 0x59255647, 'signal-p-%u.img', s.siginfo_entry, old),
  kind('seccomp', 'SECCOMP', 0x64413049, 'seccomp.img', s.seccomp_entry, single),
  kind('lsm', 'APPARMOR', 0x59423047, 'apparmor.img', s.apparmor_entry, single),

  kind('memory', 'MM', 0x57492820, 'mm-%u.img', s.mm_entry, single),
  kind('memory', 'VMAS', 0x54123737, 'vmas-%u.img', s.vma_entry, old),
  kind('memory', 'PAGEMAP', 0x56084025, 'pagemap-%u.img', s.pagemap_entry, { first: s.pagemap_head as Desc<object> }),
  kind('shared-memory', 'SHMEM_PAGEMAP', 0x56084025, 'pagemap-shmem-%u.img', s.pagemap_entry, { first: s.pagemap_head as Desc<object> }),
  raw('memory', 'PAGES', 'pages-%u.img'),
  raw('shared-memory', 'SHM_PAGES_OLD', 'pages-shmem-%u.img', true),
  kind('memfd', 'MEMFD_INODE', 0x48453499, 'memfd.img', s.memfd_inode_entry),

  kind('files', 'FILES', 0x56303138, 'files.img', s.file_entry),
  kind('files', 'FDINFO', 0x56213732, 'fdinfo-%u.img', s.fdinfo_entry),
  kind('filesystem', 'FS', 0x51403912, 'fs-%u.img', s.fs_entry, single),
  kind('regular', 'REG_FILES', 0x50363636, 'reg-files.img', s.reg_file_entry, old),
  kind('external', 'EXT_FILES', 0x59255641, 'ext-files.img', s.ext_file_entry, old),
  kind('ghost', 'REMAP_FPATH', 0x59133954, 'remap-fpath.img', s.remap_file_path_entry),
  kind('ghost', 'GHOST_FILE', 0x52583605, 'ghost-file-%x.img', s.ghost_file_entry, { payload: ghost }),
  kind('locks', 'FILE_LOCKS', 0x54323616, 'filelocks.img', s.file_lock_entry),
  kind('fsnotify', 'IRMAP_CACHE', 0x57004059, 'irmap-cache', s.irmap_cache_entry, { framing: 'service' }),

  kind('pipe', 'PIPES', 0x56513555, 'pipes.img', s.pipe_entry, old),
  kind('pipe', 'PIPES_DATA', 0x56453709, 'pipes-data.img', s.pipe_data_entry, pipeBytes),
  kind('fifo', 'FIFO', 0x58364939, 'fifo.img', s.fifo_entry, old),
  kind('fifo', 'FIFO_DATA', 0x59333054, 'fifo-data.img', s.pipe_data_entry, pipeBytes),
  kind('eventfd', 'EVENTFD_FILE', 0x44523722, 'eventfd.img', s.eventfd_file_entry, old),
  kind('epoll', 'EVENTPOLL_FILE', 0x45023858, 'eventpoll.img', s.eventpoll_file_entry, old),
  kind('epoll', 'EVENTPOLL_TFD', 0x44433746, 'eventpoll-tfd.img', s.eventpoll_tfd_entry, old),
  kind('signalfd', 'SIGNALFD', 0x57323820, 'signalfd.img', s.signalfd_entry, old),
  kind('timerfd', 'TIMERFD', 0x50493712, 'timerfd.img', s.timerfd_entry, old),
  kind('fsnotify', 'INOTIFY_FILE', 0x48424431, 'inotify.img', s.inotify_file_entry, old),
  kind('fsnotify', 'INOTIFY_WD', 0x54562009, 'inotify-wd.img', s.inotify_wd_entry, old),
  kind('fsnotify', 'FANOTIFY_FILE', 0x55096122, 'fanotify.img', s.fanotify_file_entry, old),
  kind('fsnotify', 'FANOTIFY_MARK', 0x56506035, 'fanotify-mark.img', s.fanotify_mark_entry, old),
  kind('pidfd', 'PIDFD', 0x54435556, 'pidfd.img', s.pidfd_entry),
  kind('bpf', 'BPFMAP_FILE', 0x57506142, 'bpfmap-file.img', s.bpfmap_file_entry),
  kind('bpf', 'BPFMAP_DATA', 0x64324033, 'bpfmap-data.img', s.bpfmap_data_entry, {
    payload: sized(s.bpfmap_data_entry, (m) => m.keys_bytes + m.values_bytes),
  }),

  kind('tty', 'TTY_FILES', 0x59433025, 'tty.img', s.tty_file_entry, old),
  kind('tty', 'TTY_INFO', 0x59453036, 'tty-info.img', s.tty_info_entry),
  kind('tty', 'TTY_DATA', 0x59413026, 'tty-data.img', s.tty_data_entry),

  kind('unix', 'UNIXSK', 0x54373943, 'unixsk.img', s.unix_sk_entry, old),
  kind('sockets', 'SK_QUEUES', 0x56264026, 'sk-queues.img', s.sk_packet_entry, { payload: sized(s.sk_packet_entry, (m) => m.length) }),
  kind('inet', 'INETSK', 0x56443851, 'inetsk.img', s.inet_sk_entry, old),
  kind('inet', 'TCP_STREAM', 0x51465506, 'tcp-stream-%x.img', s.tcp_stream_entry, {
    ...single, payload: sized(s.tcp_stream_entry, (m) => m.inq_len + m.outq_len),
  }),
  kind('packet', 'PACKETSK', 0x60454618, 'packetsk.img', s.packet_sock_entry, old),
  kind('netlink', 'NETLINK_SK', 0x58005614, 'netlinksk.img', s.netlink_sk_entry, old),

  kind('ipc', 'IPC_VAR', 0x53115007, 'ipcns-var-%u.img', s.ipc_var_entry, single),
  kind('ipc', 'IPCNS_SHM', 0x46283044, 'ipcns-shm-%u.img', s.ipc_shm_entry, {
    payload: sized(s.ipc_shm_entry, (m) => (m.in_pagemaps === true ? 0n : m.size), 4),
  }),
  kind('ipc', 'IPCNS_MSG', 0x55453737, 'ipcns-msg-%u.img', s.ipc_msg_entry, { payload: messages }),
  kind('ipc', 'IPCNS_SEM', 0x59573019, 'ipcns-sem-%u.img', s.ipc_sem_entry, { payload: sized(s.ipc_sem_entry, (m) => m.nsems * 2, 8) }),

  kind('namespaces', 'NS_FILES', 0x61394011, 'ns-files.img', s.ns_file_entry, old),
  kind('namespaces', 'UTSNS', 0x54473203, 'utsns-%u.img', s.utsns_entry, single),
  kind('namespaces', 'USERNS', 0x55474906, 'userns-%u.img', s.userns_entry, single),
  kind('namespaces', 'PIDNS', 0x61157326, 'pidns-%u.img', s.pidns_entry, single),
  kind('namespaces', 'TIMENS', 0x43114433, 'timens-%u.img', s.timens_entry, single),
  kind('cgroups', 'CGROUP', 0x59383330, 'cgroup.img', s.cgroup_entry, single),
  kind('mounts', 'MNTS', 0x55563928, 'mountpoints-%u.img', s.mnt_entry),
  kind('mounts', 'AUTOFS', 0x49353943, 'autofs-%u.img', s.autofs_entry),
  kind('mounts', 'BINFMT_MISC_OLD', 0x67343323, 'binfmt-misc-%u.img', s.binfmt_misc_entry, old),
  kind('mounts', 'BINFMT_MISC', 0x67343323, 'binfmt-misc.img', s.binfmt_misc_entry),
  raw('mounts', 'TMPFS_IMG', 'tmpfs-%u.tar.gz.img'),
  raw('mounts', 'TMPFS_DEV', 'tmpfs-dev-%u.tar.gz.img'),
  kind('net', 'NETNS', 0x55933752, 'netns-%u.img', s.netns_entry, single),
  kind('net', 'NETDEV', 0x57373951, 'netdev-%u.img', s.net_device_entry),
  kind('net', 'TUNFILE', 0x57143751, 'tunfile.img', s.tunfile_entry, old),
  raw('net', 'IFADDR', 'ifaddr-%u.img'),
  raw('net', 'ROUTE', 'route-%u.img'),
  raw('net', 'ROUTE6', 'route6-%u.img'),
  raw('net', 'RULE', 'rule-%u.img'),
  raw('net', 'IPTABLES', 'iptables-%u.img'),
  raw('net', 'IP6TABLES', 'ip6tables-%u.img'),
  raw('net', 'NFTABLES', 'nftables-%u.img'),
  raw('net', 'NETNF_CT', 'netns-ct-%u.img'),
  raw('net', 'NETNF_EXP', 'netns-exp-%u.img'),
];

const byName = new Map(KINDS.map((k) => [k.name, k]));
const byMagic = new Map<number, Kind>();
for (const k of KINDS) {
  const earlier = byMagic.get(k.magic);
  if (k.framing !== 'raw' && (earlier === undefined || (earlier.old === true && k.old !== true))) byMagic.set(k.magic, k);
}

/** The kind with crit's name for it. */
export function kindNamed(name: string): Kind | undefined {
  return byName.get(name);
}

/** The kind a magic stands for; of kinds that share one (page maps, signals), the first. */
export function kindOfMagic(magic: number): Kind | undefined {
  return byMagic.get(magic);
}

interface Matcher { readonly kind: Kind; readonly regexp: RegExp; readonly hex: boolean }
let matchers: Matcher[] | undefined;
/** The one that matched last: a set has many files of few kinds. No name has two kinds. */
let likely: Matcher | undefined;

/** Which kind a file name belongs to, and the id in it (undefined when it has none or a word). */
export function kindOfFile(name: string): { kind: Kind; id?: bigint; word?: string } | undefined {
  matchers ??= KINDS.map(matcher);
  if (likely?.regexp.test(name) !== true) likely = matchers.find(({ regexp }) => regexp.test(name));
  if (likely === undefined) return undefined;
  const { kind: k, regexp, hex } = likely;
  const part = regexp.exec(name)?.[1];
  if (part === undefined) return { kind: k };
  return k.file.includes('%s') ? { kind: k, word: part } : { kind: k, id: BigInt(hex ? `0x${part}` : part) };
}

function matcher(k: Kind): Matcher {
  const source = k.file.replace(/\./g, '\\.').replace(/%[ud]/, '([0-9]{1,20})').replace('%x', '([0-9a-f]{1,16})').replace('%s', '([a-z]+)');
  return { kind: k, regexp: new RegExp(`^${source}$`), hex: k.file.includes('%x') };
}

/** The name of a kind's file: `fileName('GHOST_FILE', 31)` is `ghost-file-1f.img`. */
export function fileName(name: string, id?: number | bigint | string): string {
  const k = byName.get(name);
  if (k === undefined) throw new RangeError(`no image kind is called ${name}`);
  if (!k.file.includes('%')) return k.file;
  if (id === undefined) throw new RangeError(`${k.file} needs an id`);
  return k.file.replace(/%[uds]/, String(id)).replace('%x', typeof id === 'string' ? id : id.toString(16));
}
