/**
 * The one table of options: what criu 4.2's command line takes (names, letters and argument kinds are its interface), what each
 * means, on which verbs it does something, and since which version Stillframe does it. `bin/criu`, the configuration
 * files, `stillframe`'s commands, the help texts, the shell completion and docs/cli.md are all made from it.
 *
 * To support an option: set its `since`, and read it where it matters (`options.given`, or a field in src/dump/options.ts).
 * A row without `since` is refused by name on the verbs it belongs to; nothing is ignored.
 */
export type Verb =
  | 'dump' | 'pre-dump' | 'restore' | 'check' | 'page-server' | 'lazy-pages' | 'service' | 'swrk' | 'dedup' | 'cpuinfo' | 'exec' | 'show';

/** How a value is checked: `count` is -v's, `size` takes K, M, G, `fd` a descriptor number, `text` anything. */
export type ValueKind = 'flag' | 'text' | 'path' | 'pid' | 'number' | 'port' | 'size' | 'fd' | 'count' | 'choice';

export interface OptionRow {
  readonly name: string;
  readonly short?: string;
  readonly kind: ValueKind;
  /** Name of the argument in help. */
  readonly value?: string;
  /** The argument may be left out (`-v`, `--cpu-cap`); it must then be attached: `-v4`, `--cpu-cap=ins`. */
  readonly optional?: true;
  readonly choices?: readonly string[];
  /** `--no-NAME` exists. */
  readonly negatable?: true;
  /** Can be given several times, all count. */
  readonly many?: true;
  /** Another row's name: this one is a second spelling of it. */
  readonly sameAs?: string;
  /** On which verbs it does something; elsewhere it is accepted without effect, as criu does. */
  readonly verbs: readonly Verb[];
  /** Stillframe's version that does what is said here. Absent: refused by name. */
  readonly since?: string;
  /** The same for some of its verbs only. */
  readonly sinceOn?: Readonly<Partial<Record<Verb, string>>>;
  readonly group: 'General' | 'Resources' | 'Namespaces' | 'Cgroups' | 'Network' | 'Memory' | 'Servers' | 'Check' | 'Log' | 'Configuration';
  /** One sentence. */
  readonly text: string;
}

const ALL = ['dump', 'pre-dump', 'restore', 'check', 'page-server', 'lazy-pages', 'service', 'swrk', 'dedup', 'cpuinfo', 'exec', 'show'] as const;
const DUMPS = ['dump', 'pre-dump'] as const;
const TREES = ['dump', 'pre-dump', 'restore'] as const;
const BOTH = ['dump', 'restore'] as const;
const SERVERS = ['page-server', 'lazy-pages', 'service'] as const;
const NOW = '0.1.0';

export const OPTIONS = [
  // General
  { name: 'tree', short: 't', kind: 'pid', value: 'PID', verbs: DUMPS, since: NOW, group: 'General', text: 'Root of the process tree to dump.' },
  { name: 'images-dir', short: 'D', kind: 'path', value: 'DIR', verbs: ALL, since: NOW, group: 'General', text: 'Directory of the image files, relative to where you are; default: here.' },
  { name: 'work-dir', short: 'W', kind: 'path', value: 'DIR', verbs: ALL, since: NOW, group: 'General', text: 'Directory of log, pid file and statistics; default: that of the images.' },
  { name: 'leave-running', short: 'R', kind: 'flag', verbs: ['dump'], since: NOW, group: 'General', text: 'The tree runs on after the dump.' },
  { name: 'leave-stopped', short: 's', kind: 'flag', verbs: BOTH, since: NOW, group: 'General', text: 'The tree stays stopped after the dump or the restore.' },
  { name: 'restore-detached', short: 'd', kind: 'flag', negatable: true, verbs: ['restore', ...SERVERS], since: NOW, group: 'General', text: 'Return when the tree runs, instead of waiting for it as its parent.' },
  { name: 'daemon', kind: 'flag', negatable: true, sameAs: 'restore-detached', verbs: ['restore', ...SERVERS], since: NOW, group: 'General', text: 'The same as --restore-detached.' },
  { name: 'restore-sibling', short: 'S', kind: 'flag', negatable: true, verbs: ['restore'], since: NOW, group: 'General', text: 'The root task becomes a child of the caller; with --restore-detached.' },
  { name: 'exec-cmd', kind: 'flag', verbs: ['restore'], since: NOW, group: 'General', text: 'After the restore, become the command after `--`, as the parent of the root task.' },
  { name: 'pidfile', kind: 'path', value: 'FILE', verbs: ['restore', ...SERVERS], since: NOW, group: 'General', text: 'Write the root task\'s (or server\'s) pid to a new FILE in the work directory.' },
  { name: 'action-script', kind: 'path', value: 'FILE', many: true, verbs: TREES, since: NOW, group: 'General', text: 'Run FILE at the points of the verb; CRTOOLS_SCRIPT_ACTION tells which.' },
  { name: 'timeout', kind: 'number', value: 'SECONDS', verbs: DUMPS, since: NOW, group: 'General', text: 'How long freezing the tree may take; default 10, 0 is no limit.' },
  { name: 'shell-job', short: 'j', kind: 'flag', negatable: true, verbs: TREES, since: NOW, group: 'General', text: 'The tree belongs to a shell: its terminal and session are outside of it.' },
  { name: 'unprivileged', kind: 'flag', negatable: true, verbs: ALL, since: NOW, group: 'General', text: 'Accept the limits of running without root; nothing more is needed here.' },
  { name: 'deprecated', kind: 'flag', negatable: true, verbs: ALL, since: NOW, group: 'General', text: 'Permit what criu calls deprecated; nothing of that kind exists here.' },
  { name: 'cpu-cap', kind: 'text', value: 'CAPS', optional: true, verbs: ['dump', 'restore', 'cpuinfo'], since: NOW, group: 'General', text: 'What of the processor is recorded and compared: cpu, fpu, ins, all, none; ^ negates.' },
  { name: 'freeze-cgroup', kind: 'path', value: 'DIR', verbs: DUMPS, since: NOW, group: 'General', text: 'Freeze and collect the tree through this freezer cgroup.' },
  { name: 'lsm-profile', kind: 'text', value: 'TYPE:NAME', verbs: ['restore'], since: NOW, group: 'General', text: 'Security label for the restored tasks that have one: apparmor:NAME, selinux:CONTEXT, or none: for no labels.' },
  { name: 'lsm-mount-context', kind: 'text', value: 'CONTEXT', verbs: ['restore'], since: NOW, group: 'General', text: 'Security context that replaces those in the images\' mounts; sets without mounts have none.' },
  { name: 'allow-uprobes', kind: 'flag', negatable: true, verbs: BOTH, since: NOW, group: 'General', text: 'Accept tasks that have a uprobes mapping.' },
  { name: 'libdir', short: 'L', kind: 'path', value: 'DIR', verbs: TREES, group: 'General', text: 'Directory of criu\'s native plug-ins.' },
  { name: 'stream', kind: 'flag', negatable: true, verbs: ['dump', 'pre-dump', 'restore', 'cpuinfo'], group: 'General', text: 'Images go through criu-image-streamer.' },
  { name: 'close', kind: 'fd', value: 'FD', many: true, verbs: ALL, group: 'General', text: 'Close this inherited descriptor first.' },
  { name: 'help', short: 'h', kind: 'flag', verbs: ALL, since: NOW, group: 'General', text: 'Show the options.' },
  { name: 'version', short: 'V', kind: 'flag', verbs: ALL, since: NOW, group: 'General', text: 'Show the version.' },

  // Resources
  { name: 'external', kind: 'text', value: 'RESOURCE', many: true, verbs: BOTH, since: NOW, group: 'Resources', text: 'An open file that exists outside the tree: file[..] tty[..] unix[..] (not yet: dev[..] mnt[..] net[..] pid[..]).' },
  { name: 'inherit-fd', kind: 'text', value: 'fd[NUM]:RESOURCE', many: true, verbs: ['restore'], since: NOW, group: 'Resources', text: 'Use this process\'s descriptor NUM in place of the resource of the image.' },
  { name: 'ext-unix-sk', short: 'x', kind: 'text', value: 'INODE,...', optional: true, many: true, verbs: BOTH, since: NOW, group: 'Resources', text: 'Accept unix sockets whose peer is outside the tree.' },
  { name: 'evasive-devices', kind: 'flag', negatable: true, verbs: TREES, since: NOW, group: 'Resources', text: 'Open a device by another path when its own is gone.' },
  { name: 'link-remap', kind: 'flag', negatable: true, verbs: TREES, since: NOW, group: 'Resources', text: 'A removed file that has other links gets a temporary name to be opened by.' },
  { name: 'ghost-limit', kind: 'size', value: 'SIZE', verbs: ['dump'], since: NOW, group: 'Resources', text: 'Largest removed file whose content goes into the image (K, M, G); default 1M.' },
  { name: 'ghost-fiemap', kind: 'flag', negatable: true, verbs: ['dump'], since: NOW, group: 'Resources', text: 'Find the holes of removed files by FIEMAP.' },
  { name: 'file-locks', short: 'l', kind: 'flag', negatable: true, verbs: BOTH, since: NOW, group: 'Resources', text: 'Dump and restore file locks.' },
  { name: 'file-validation', kind: 'choice', choices: ['filesize', 'buildid'], value: 'METHOD', verbs: BOTH, since: NOW, group: 'Resources', text: 'How restore notices a changed file: filesize, or buildid (default) as well.' },
  { name: 'skip-file-rwx-check', kind: 'flag', negatable: true, verbs: ['restore'], since: NOW, group: 'Resources', text: 'Do not compare the permission bits of files.' },
  { name: 'force-irmap', kind: 'flag', negatable: true, verbs: DUMPS, since: NOW, group: 'Resources', text: 'Find the paths of inotify and fanotify watches by scanning.' },
  { name: 'irmap-scan-path', kind: 'path', value: 'DIR', many: true, verbs: DUMPS, since: NOW, group: 'Resources', text: 'One more place for that scan.' },

  // Namespaces
  { name: 'root', short: 'r', kind: 'path', value: 'DIR', verbs: BOTH, group: 'Namespaces', text: 'Root directory of the restored mount namespace.' },
  { name: 'join-ns', short: 'J', kind: 'text', value: 'NS:PID|FILE', many: true, verbs: ['restore'], since: NOW, group: 'Namespaces', text: 'Restore into an existing namespace: net, uts, ipc or time, of process PID or named by FILE.' },
  { name: 'empty-ns', kind: 'choice', choices: ['net'], value: 'NS', verbs: BOTH, group: 'Namespaces', text: 'Make the namespace but leave its content to scripts.' },
  { name: 'ext-mount-map', short: 'M', kind: 'text', value: 'KEY:VALUE', many: true, verbs: BOTH, group: 'Namespaces', text: 'A mount that comes from outside; `auto` finds them.' },
  { name: 'skip-mnt', kind: 'path', value: 'DIR', many: true, verbs: ['dump'], group: 'Namespaces', text: 'Leave this mount point out.' },
  { name: 'enable-fs', kind: 'text', value: 'NAMES', many: true, verbs: BOTH, group: 'Namespaces', text: 'Treat these file systems as if they were supported.' },
  { name: 'enable-external-sharing', kind: 'flag', verbs: BOTH, group: 'Namespaces', text: 'Accept mounts shared with the outside.' },
  { name: 'enable-external-masters', kind: 'flag', verbs: BOTH, group: 'Namespaces', text: 'Accept mounts that receive from the outside.' },
  { name: 'mntns-compat-mode', kind: 'flag', negatable: true, verbs: ['restore'], group: 'Namespaces', text: 'Restore mounts without MOVE_MOUNT_SET_GROUP.' },
  { name: 'weak-sysctls', kind: 'flag', negatable: true, verbs: ['restore'], group: 'Namespaces', text: 'Skip sysctls that this kernel does not have.' },

  // Cgroups
  { name: 'manage-cgroups', kind: 'choice', choices: ['none', 'props', 'soft', 'full', 'strict', 'ignore'], value: 'MODE', optional: true, verbs: BOTH, since: NOW, group: 'Cgroups', text: 'How cgroups and their properties are restored.' },
  { name: 'cgroup-root', kind: 'text', value: '[CTRL:]DIR', many: true, verbs: BOTH, since: NOW, group: 'Cgroups', text: 'Root cgroup to dump from or restore into.' },
  { name: 'cgroup-props', kind: 'text', value: 'TEXT', verbs: ['dump'], since: NOW, group: 'Cgroups', text: 'Which controllers\' properties are dumped.' },
  { name: 'cgroup-props-file', kind: 'path', value: 'FILE', verbs: ['dump'], since: NOW, group: 'Cgroups', text: 'The same, from a file.' },
  { name: 'cgroup-dump-controller', kind: 'text', value: 'NAME', many: true, verbs: ['dump'], since: NOW, group: 'Cgroups', text: 'Dump this controller only.' },
  { name: 'cgroup-yard', kind: 'path', value: 'DIR', verbs: BOTH, since: NOW, group: 'Cgroups', text: 'Where the cgroup file systems are mounted already.' },

  // Network
  { name: 'tcp-established', kind: 'flag', negatable: true, verbs: BOTH, since: NOW, group: 'Network', text: 'Keep established TCP connections.' },
  { name: 'skip-in-flight', kind: 'flag', negatable: true, verbs: BOTH, since: NOW, group: 'Network', text: 'Leave out TCP connections that wait to be accepted.' },
  { name: 'tcp-close', kind: 'flag', negatable: true, verbs: BOTH, since: NOW, group: 'Network', text: 'The tree finds its TCP connections closed after the restore.' },
  { name: 'network-lock', kind: 'choice', choices: ['iptables', 'nftables', 'skip', 'none'], value: 'METHOD', verbs: ['dump'], since: NOW, group: 'Network', text: 'How packets of TCP connections are held until the restore; default nftables where the kernel has it.' },
  { name: 'veth-pair', kind: 'text', value: 'IN=OUT', many: true, verbs: ['restore'], group: 'Network', text: 'Outside name of a restored veth device.' },

  // Memory
  { name: 'track-mem', kind: 'flag', negatable: true, verbs: DUMPS, since: NOW, group: 'Memory', text: 'Start tracking which pages change.' },
  { name: 'precopy', kind: 'flag', negatable: true, verbs: ['dump'], since: NOW, group: 'Memory', text: 'Copy memory while the tree runs, and only what changes last while it is stopped; so -R does by itself.' },
  { name: 'max-pause', kind: 'number', value: 'MS', verbs: ['dump'], since: NOW, group: 'Memory', text: 'How long copying memory may stop the tree with --precopy or -R, if it can be kept; default 10.' },
  { name: 'prev-images-dir', kind: 'path', value: 'DIR', verbs: DUMPS, since: NOW, group: 'Memory', text: 'Parent image set, relative to -D.' },
  { name: 'auto-dedup', kind: 'flag', negatable: true, verbs: [...TREES, 'page-server'], sinceOn: { dump: NOW, 'pre-dump': NOW, restore: NOW }, group: 'Memory', text: 'Free the pages of earlier sets that this one replaces; of a restore, the pages that it has brought into memory.' },
  { name: 'dedup-pages', kind: 'flag', negatable: true, verbs: ['dump'], since: NOW, group: 'Memory', text: 'Keep pages that forked tasks have in common once, in a parent set: the directory shared below the images.' },
  { name: 'pre-dump-mode', kind: 'choice', choices: ['splice', 'read'], value: 'MODE', verbs: ['pre-dump'], since: NOW, group: 'Memory', text: 'How criu copies pages; here always while the tree runs, whichever is named.' },
  { name: 'lazy-pages', kind: 'flag', verbs: BOTH, group: 'Memory', text: 'Restore pages when they are touched.' },

  // Servers
  { name: 'page-server', kind: 'flag', negatable: true, verbs: DUMPS, group: 'Servers', text: 'Send the pages to a page server.' },
  { name: 'address', kind: 'text', value: 'ADDRESS', verbs: [...DUMPS, ...SERVERS], group: 'Servers', text: 'Address of the server.' },
  { name: 'port', kind: 'port', value: 'PORT', verbs: [...DUMPS, ...SERVERS], group: 'Servers', text: 'Port of the page server.' },
  { name: 'ps-socket', kind: 'fd', value: 'FD', verbs: [...DUMPS, ...SERVERS], group: 'Servers', text: 'Connected socket to the page server.' },
  { name: 'status-fd', kind: 'fd', value: 'FD', verbs: SERVERS, group: 'Servers', text: 'Gets a zero byte when the server is ready.' },
  { name: 'tls', kind: 'flag', negatable: true, verbs: [...DUMPS, ...SERVERS], group: 'Servers', text: 'Encrypt the connection.' },
  { name: 'tls-cacert', kind: 'path', value: 'FILE', verbs: [...DUMPS, ...SERVERS], group: 'Servers', text: 'Certificate of the authority.' },
  { name: 'tls-cacrl', kind: 'path', value: 'FILE', verbs: [...DUMPS, ...SERVERS], group: 'Servers', text: 'Revocation list of the authority.' },
  { name: 'tls-cert', kind: 'path', value: 'FILE', verbs: [...DUMPS, ...SERVERS], group: 'Servers', text: 'Own certificate.' },
  { name: 'tls-key', kind: 'path', value: 'FILE', verbs: [...DUMPS, ...SERVERS], group: 'Servers', text: 'Own private key.' },
  { name: 'tls-no-cn-verify', kind: 'flag', verbs: [...DUMPS, ...SERVERS], group: 'Servers', text: 'Do not compare the name in the server\'s certificate.' },

  // Check
  { name: 'feature', kind: 'text', value: 'NAME', many: true, verbs: ['check'], since: NOW, group: 'Check', text: 'Check this feature only; `list` names them.' },
  { name: 'extra', kind: 'flag', negatable: true, verbs: ['check'], since: NOW, group: 'Check', text: 'Also what only some trees need.' },
  { name: 'experimental', kind: 'flag', negatable: true, verbs: ['check'], since: NOW, group: 'Check', text: 'Also what criu calls experimental.' },
  { name: 'all', kind: 'flag', verbs: ['check'], since: NOW, group: 'Check', text: 'The same as --extra --experimental.' },
  { name: 'ms', kind: 'flag', verbs: ['check'], group: 'Check', text: 'Gone from criu; use --extra and --experimental.' },

  // Log
  { name: 'log-file', short: 'o', kind: 'path', value: 'FILE', verbs: ALL, since: NOW, group: 'Log', text: 'Log to FILE in the work directory; `-` is standard output, default standard error.' },
  { name: 'log-pid', kind: 'flag', negatable: true, verbs: ['restore'], since: NOW, group: 'Log', text: 'What concerns one restored task goes to FILE.PID.' },
  { name: 'verbosity', short: 'v', kind: 'count', value: 'NUM', optional: true, verbs: ALL, since: NOW, group: 'Log', text: '1 errors, 2 warnings (default), 3 information and times, 4 everything; each bare v adds one.' },
  { name: 'progress', kind: 'choice', choices: ['bar', 'json', 'none'], value: 'HOW', verbs: TREES, since: NOW, group: 'Log', text: 'How far copying memory is, on stderr, once it takes more than a second: a bar, or a line of JSON each; default: a bar on a terminal.' },
  { name: 'display-stats', kind: 'flag', negatable: true, verbs: TREES, since: NOW, group: 'Log', text: 'Print the statistics.' },

  // Configuration
  { name: 'config', kind: 'path', value: 'FILE', verbs: ALL, since: NOW, group: 'Configuration', text: 'Read options from FILE instead of the default files.' },
  { name: 'no-default-config', kind: 'flag', verbs: ALL, since: NOW, group: 'Configuration', text: 'Do not read the default files.' },
] as const satisfies readonly OptionRow[];

export type OptionName = (typeof OPTIONS)[number]['name'];

/** The version that does what a row says on a verb; undefined: refused there. */
export function supportedSince(row: OptionRow, verb: Verb): string | undefined {
  return row.since ?? row.sinceOn?.[verb];
}

/** The rows as their interface, for code that walks over them. */
export const OPTION_ROWS: readonly OptionRow[] = OPTIONS;

export const VERBS: readonly { readonly name: Verb; readonly text: string; readonly since?: string }[] = [
  { name: 'dump', since: NOW, text: 'freeze a process tree into image files' },
  { name: 'pre-dump', since: NOW, text: 'copy memory ahead of a dump' },
  { name: 'restore', since: NOW, text: 'bring a tree back from its images' },
  { name: 'check', since: NOW, text: 'test what this kernel and host can do' },
  { name: 'page-server', text: 'receive pages over the network' },
  { name: 'lazy-pages', text: 'serve pages that a restore left behind' },
  { name: 'service', text: 'serve requests over a socket' },
  { name: 'swrk', text: 'serve requests on an inherited socket' },
  { name: 'dedup', since: NOW, text: 'free pages that later images replace' },
  { name: 'cpuinfo', since: NOW, text: 'record or compare the processor (cpuinfo dump, cpuinfo check)' },
  { name: 'exec', text: 'gone from criu' },
  { name: 'show', text: 'gone from criu: `crit decode` shows images' },
];
