/** Descriptors of namespaces (/proc/PID/ns/NAME): which namespace of the tree's it is. */
import { create } from '../../image/wire.ts';
import { fd_types, ns_file_entry } from '../../image/schema/index.ts';
import { readProcLink } from '../../proc/read.ts';
import type { DumpContext } from '../../dump/context.ts';
import type { Descriptor, FileKind } from '../../dump/file-kinds.ts';
import { NAMESPACE_KINDS } from './kinds.ts';

type Kind = (typeof NAMESPACE_KINDS)[number];

function kindOf({ link }: Descriptor): Kind | undefined {
  const name = /^([a-z]+):\[\d+\]$/u.exec(link)?.[1];
  return NAMESPACE_KINDS.find((kind) => kind.name === name);
}

/** A task of the tree that is in it. */
function insider({ link }: Descriptor, { name }: Kind, { tasks }: DumpContext): number | undefined {
  return tasks.find(({ zombie, pid }) => !zombie && readProcLink(`/proc/${pid}/ns/${name}`) === link)?.pid;
}

const insiders = new WeakMap<Descriptor, number>();

export const namespaceFiles: FileKind = {
  type: fd_types.NS,
  claims: (descriptor) => kindOf(descriptor) !== undefined,
  refuse: (descriptor, context) => {
    const pid = insider(descriptor, kindOf(descriptor)!, context);
    if (pid === undefined) return { why: 'it is of a namespace that no task of the tree is in', remedy: 'Close it, or let a task of the tree be in that namespace' };
    insiders.set(descriptor, pid);
    return undefined;
  },
  entry: ({ id, descriptors }, { tree }) => {
    const first = descriptors[0]!;
    const { field, flag } = kindOf(first)!;
    return { nsf: create(ns_file_entry, { id, ns_id: tree.tasks.get(insiders.get(first)!)?.ids?.[field] ?? 0, ns_cflag: flag, flags: first.info.flags }) };
  },
};
