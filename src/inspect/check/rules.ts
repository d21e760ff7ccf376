/** Every rule of `image check`: its id, how bad it is, what it says of a set. docs/reading-images.md is made to list the same. */
import type { Severity } from '../finding.ts';

interface Rule { readonly severity: Severity; readonly text: string }
const error = (text: string): Rule => ({ severity: 'error', text });
const warning = (text: string): Rule => ({ severity: 'warning', text });
const note = (text: string): Rule => ({ severity: 'note', text });

export const RULES = {
  // structure: files and their framing
  'structure/decode': error('an image file cannot be read: magic, framing or a message in it is damaged'),
  'structure/unreadable': warning('an entry of the folder is no regular file'),
  'structure/inventory': error('the inventory is missing, so this is no finished dump'),
  'structure/tree': error('the process tree image is missing or empty'),
  'structure/pre-dump': error('the set is a pre-dump: page contents without tasks; it can only be a parent'),
  'structure/version': error('the inventory has an image version nobody knows'),
  'structure/missing': error('a file that a task cannot be without is missing'),
  'structure/unknown': note('a file is of no known kind'),
  'structure/leftover': warning('a file belongs to no task or object of the set'),
  'structure/fields': note('messages have fields this version does not know; they survive decode and encode'),
  'structure/pages-missing': error('a pages file that a page map refers to is missing'),
  'structure/pages-short': error('a pages file is shorter than its page map says'),
  'structure/pages-long': warning('a pages file is longer than its page map says'),
  'structure/pages-shared': error('page maps that list different pages refer to the same pages file'),
  'structure/hashes': error('page hashes do not belong to the pages beside them: a dump that trusts them would lose changes'),
  // references: ids that have to lead somewhere
  'reference/table': error('a task has a descriptor table that is not in the set'),
  'reference/file': error('a file id leads nowhere'),
  'reference/file-type': error('a descriptor says another type than the file it refers to'),
  'reference/unused-file': note('an open file nobody refers to'),
  'reference/parent-task': error('a task names a parent that is not in the tree'),
  'reference/session': warning('the leader of a session or process group is not in the tree'),
  'reference/thread': error('a thread has no core image'),
  'reference/pipe-data': warning('queued pipe data of a pipe nobody has'),
  'reference/ghost': error('a deleted file refers to contents that are not in the set'),
  'reference/ghost-unused': warning('contents of a deleted file nobody refers to'),
  'reference/memfd': error('a memory file has no inode record'),
  'reference/shmem': note('shared memory without a page map: it reads as zeros'),
  'reference/tty': error('a terminal has no settings record'),
  'reference/epoll': warning('an epoll watches a descriptor that no task using it has'),
  'reference/queue': warning('queued socket data of a socket nobody has'),
  'reference/rights': error('a descriptor in flight in a socket queue leads nowhere'),
  'reference/peer': note('the peer of a unix socket is outside of the set'),
  'reference/tcp': warning('an established TCP connection without its stream image'),
  'reference/tcp-unused': warning('a TCP stream image of a socket nobody has'),
  'reference/lock': warning('a file lock of a task or descriptor that is not in the set'),
  'reference/cgroup': error('a control group set is not in the cgroup image'),
  'reference/seccomp': error('a thread has a seccomp filter that is not in the set'),
  'reference/namespace': note('a namespace of its own without images: its restorer has to provide it'),
  'reference/mount': warning('a file refers to a mount that is not in the set'),
  'reference/own': warning('our own image speaks of a task or file that is not in the set'),
  // sense: values no kernel has
  'sense/pid': error('a pid or tid is there twice'),
  'sense/pid-range': error('a pid or tid no kernel gives'),
  'sense/loop': error('tasks are their own ancestors'),
  'sense/roots': error('there is more than one task without a parent'),
  'sense/state': error('a task is in a state that does not exist'),
  'sense/zombie': warning('a dead task has memory or files'),
  'sense/id': error('two records have one id'),
  'sense/descriptor': error('a descriptor table has a number twice'),
  'sense/architecture': error('tasks are of different architectures, or registers are not those of the architecture'),
  'sense/registers': warning('an instruction or stack pointer is outside of every mapping'),
  'sense/mapping-order': error('a mapping ends before it starts, or is not aligned to pages'),
  'sense/mapping-overlap': error('mappings overlap'),
  'sense/page-map': error('a page map has entries that make no sense'),
  'sense/page-outside': error('pages lie outside of every mapping'),
  'sense/page-size': error('page sizes of the tasks differ'),
  'sense/shared-size': error('a page map of shared memory reaches beyond the object'),
  'sense/limits': warning('a soft limit is above its hard limit'),
  'sense/queue': error('more bytes are queued than a pipe holds'),
  'sense/command': warning('a command name is longer than the kernel keeps'),
  'sense/size': warning('contents of a deleted file reach beyond its size'),
  // chains of sets
  'chain/parent': error('the parent link leads nowhere'),
  'chain/loop': error('the parent links form a loop'),
  'chain/page': error('pages are said to be in a parent that does not have them'),
  'chain/lazy': warning('pages were left for a lazy-pages daemon: without it they are lost'),
  // what the set needs of a restorer
  'version/target': error('the target cannot restore this'),
  'version/lost': warning('the target restores it without this'),
  'version/own': error('our own image needs something this version does not know'),
  // this host (--host)
  'host/file': error('a file the tasks use is missing or is not what it was'),
  'host/file-changed': error('a file has another size or build id than at the dump'),
  'host/pid': error('a pid is taken'),
  'host/port': error('a port is taken'),
  'host/cpu': error('this processor lacks what the tasks used'),
  'host/architecture': error('this machine has another architecture'),
  'host/kernel': error('this kernel lacks something a restore needs'),
  'host/skipped': note('something could not be looked at on this host'),
} as const satisfies Readonly<Record<string, Rule>>;

export type RuleId = keyof typeof RULES;
