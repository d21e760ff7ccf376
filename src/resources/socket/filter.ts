/** The classic BPF filter of a socket, read back; an eBPF program cannot be. */
import type { DumpContext } from '../../dump/context.ts';
import type { Descriptor } from '../../dump/file-kinds.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { SO, SOL_SOCKET } from '../../kernel/sockets.ts';
import { Program, type RanBlock, type ResultRef } from '../../program/program.ts';
import { addWithSockets, askOption } from './facts.ts';
import { askFilter } from './options-dump.ts';

export const EBPF_REFUSAL = { why: 'its filter is an eBPF program, which cannot be read back', remedy: 'Let the program use a classic BPF filter (SO_ATTACH_FILTER)' } as const;

/** Whether its filter is an eBPF program: the kernel refuses to give it. */
export function askEbpf(program: Program, held: ResultRef): (ran: RanBlock) => boolean {
  const filter = askOption(program, held, SOL_SOCKET, SO.GET_FILTER, 0);
  return (ran) => ran.result(filter.got) === BigInt(-ERRNO.EACCES);
}

/** @param length instructions, as `askOptions` found @returns as the image has it */
export function readFilter(descriptor: Descriptor, length: number, context: DumpContext): bigint[] {
  if (length === 0) return [];
  const program = new Program('helper');
  const [read] = addWithSockets(program, [descriptor], (held) => askFilter(program, held, length));
  return read!(context.helper.local(program).check('dump'));
}
