/**
 * A task as an ELF core dump that gdb opens: all threads with their registers, the mappings with what the set has of them, files by
 * name. Made on any host for any architecture. Memory of mapped files that was not changed is left to the debugger, which has
 * the files by NT_FILE; anonymous memory without pages is a hole of zeros.
 * Facts: linux fs/binfmt_elf.c, include/linux/elfcore.h; System V ABI, chapters 4 and 5.
 */
import { StillframeError } from '../../errors.ts';
import { isDead, TaskState, type Task } from '../../image/tree.ts';
import type { core_entry } from '../../image/schema/index.ts';
import { bytesOf } from '../../image/text.ts';
import type { AddressSpace } from '../memory.ts';
import type { OpenSet } from '../open.ts';
import { argumentsOf, archName } from '../tasks.ts';
import { align, ascii, Struct } from './bytes.ts';
import { MACHINES, type Machine, type Note } from './machines.ts';

/** Memory of the dump. `filled`: its bytes are in the file; else the debugger looks elsewhere. */
export interface Segment { readonly start: bigint; readonly end: bigint; readonly flags: number; readonly filled: boolean }

export interface CoreDump {
  /** Bytes of the whole file. */
  readonly size: number;
  readonly segments: readonly Segment[];
  /** The file's parts in the order of their offsets; what lies between is zeros. */
  parts(): AsyncGenerator<{ offset: number; bytes: Uint8Array }>;
}

const NT = { PRSTATUS: 1, PRPSINFO: 3, AUXV: 6, FILE: 0x46494c45, SIGINFO: 0x53494749 } as const;
const ET_CORE = 4;
const PT_LOAD = 1;
const PT_NOTE = 4;
/** More program headers than 16 bits count: the number is in the first section header. */
const PN_XNUM = 0xffff;

/** @throws StillframeError for a zombie, and where mappings or registers are missing */
export async function coreDump(set: OpenSet, pid: number): Promise<CoreDump> {
  const task = set.task(pid);
  const refuse = (why: string): StillframeError => new StillframeError({ doing: 'write core dump', where: `task ${pid}`, why, exitCode: 1 });
  if (isDead(task)) throw refuse('it is a zombie: it has no memory');
  if (task.mm === undefined) throw refuse(`mm-${pid}.img is missing or damaged`);
  const machine = MACHINES[task.core.mtype];
  if (machine === undefined) throw refuse(`its architecture is ${archName(task.core)}`);
  const registers = machine.registers(task.core);
  if (registers === undefined) throw refuse(`core-${pid}.img has no registers of ${archName(task.core)}`);
  const space = set.memory(pid);
  const segments = segmentsOf(space, machine.wide ? 1n << 64n : 1n << 32n);
  const notes = concatNotes(machine, await notesOf(set, task, machine));
  return layOut(machine, space, segments, notes);
}

/** Mappings cut where stored and unstored pages meet. Overlapping or unsorted mappings (damage) are cut to what is left. */
function segmentsOf(space: AddressSpace, limit: bigint): Segment[] {
  const segments: Segment[] = [];
  let last = 0n;
  for (const mapping of space.mappings) {
    const start = mapping.start > last ? mapping.start : last;
    const end = mapping.end < limit ? mapping.end : limit;
    if (end <= start) continue;
    last = end;
    const { prot } = mapping.vma;
    const flags = ((prot & 1) !== 0 ? 4 : 0) | ((prot & 2) !== 0 ? 2 : 0) | ((prot & 4) !== 0 ? 1 : 0);
    const add = (from: bigint, to: bigint, filled: boolean): void => {
      const before = segments.at(-1);
      if (from >= to) return;
      if (before !== undefined && before.end === from && before.filled === filled && before.flags === flags && from > start) segments[segments.length - 1] = { ...before, end: to };
      else segments.push({ start: from, end: to, flags, filled });
    };
    // memory nobody may touch has nothing to show
    const zeros = mapping.zeroFilled && prot !== 0;
    let at = start;
    for (const run of space.runs(start, end)) {
      if (run.start < at) continue;
      add(at, run.start, zeros);
      add(run.start, run.end, run.state === 'stored');
      at = run.end;
    }
    add(at, end, zeros);
  }
  return segments;
}

function layOut(machine: Machine, space: AddressSpace, segments: readonly Segment[], notes: Uint8Array): CoreDump {
  const { wide, little } = machine;
  const [headerSize, programSize, sectionSize] = wide ? [64, 56, 64] : [52, 32, 40];
  const count = segments.length + 1;
  const many = count >= PN_XNUM;
  const programsAt = headerSize;
  const sectionAt = programsAt + count * programSize;
  const notesAt = sectionAt + (many ? sectionSize : 0);
  const page = Number(space.pageSize);
  let at = align(notesAt + notes.length, page);
  const head = new Struct(notesAt, little, wide);
  head.raw(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, little ? 1 : 2, 1, 0)).skip(8).u16(ET_CORE).u16(machine.elf).u32(1).word(0n)
    .word(BigInt(programsAt)).word(many ? BigInt(sectionAt) : 0n).u32(machine.flags).u16(headerSize).u16(programSize).u16(many ? PN_XNUM : count).u16(many ? sectionSize : 0).u16(many ? 1 : 0).u16(0);
  program(head, { type: PT_NOTE, flags: 0, offset: notesAt, address: 0n, inFile: BigInt(notes.length), inMemory: 0n, align: 4 });
  const placed: { segment: Segment; offset: number }[] = [];
  for (const segment of segments) {
    const size = segment.end - segment.start;
    program(head, { type: PT_LOAD, flags: segment.flags, offset: at, address: segment.start, inFile: segment.filled ? size : 0n, inMemory: size, align: page });
    if (!segment.filled) continue;
    placed.push({ segment, offset: at });
    at += Number(size);
  }
  // section 0 with the real number of program headers in sh_info
  if (many) head.skip(wide ? 44 : 28).u32(count);
  return {
    size: at, segments,
    async *parts() {
      yield { offset: 0, bytes: head.bytes };
      yield { offset: notesAt, bytes: notes };
      for (const { segment, offset } of placed) {
        for await (const { start, bytes } of space.stored(segment.start, segment.end)) yield { offset: offset + Number(start - segment.start), bytes };
      }
    },
  };
}

interface Program { type: number; flags: number; offset: number; address: bigint; inFile: bigint; inMemory: bigint; align: number }

function program(head: Struct, { type, flags, offset, address, inFile, inMemory, align: to }: Program): void {
  head.u32(type);
  if (head.wide) head.u32(flags);
  head.word(BigInt(offset)).word(address).word(0n).word(inFile).word(inMemory);
  if (!head.wide) head.u32(flags);
  head.word(BigInt(to));
}

function concatNotes(machine: Machine, notes: readonly Note[]): Uint8Array {
  const size = notes.reduce((sum, note) => sum + 12 + align(note.name.length + 1, 4) + align(note.desc.length, 4), 0);
  const out = new Struct(size, machine.little, machine.wide);
  for (const { name, desc, type } of notes) {
    out.u32(name.length + 1).u32(desc.length).u32(type).raw(ascii(name)).skip(align(name.length + 1, 4) - name.length).raw(desc).skip(align(desc.length, 4) - desc.length);
  }
  return out.bytes;
}

/** The kernel's order: the leader's status, the process, its signal, vector and files, then registers; then each other thread. */
async function notesOf(set: OpenSet, task: Task, machine: Machine): Promise<Note[]> {
  const note = (type: number, desc: Uint8Array): Note => ({ type, name: 'CORE', desc });
  const args = await argumentsOf(set, task);
  const notes = [
    note(NT.PRSTATUS, status(task, task.pid, task.core, machine)), note(NT.PRPSINFO, processInfo(task, machine, args ?? [])),
    note(NT.SIGINFO, task.core.thread_core?.signals_p?.signals[0]?.siginfo.slice(0, 128) ?? new Uint8Array(128)),
    note(NT.AUXV, vector(task, machine)), note(NT.FILE, files(set, task, machine)), ...machine.notes(task.core),
  ];
  for (const [tid, core] of task.threads) {
    if (tid !== task.pid && machine.registers(core) !== undefined) notes.push(note(NT.PRSTATUS, status(task, tid, core, machine)), ...machine.notes(core));
  }
  return notes;
}

/** struct elf_prstatus */
function status(task: Task, tid: number, core: core_entry, machine: Machine): Uint8Array {
  const registers = machine.registers(core)!;
  const { wide } = machine;
  const at = wide ? 112 : 72;
  const struct = new Struct(align(at + registers.length + 4, wide ? 8 : 4), machine.little, wide);
  const stopped = task.core.tc?.task_state === TaskState.STOPPED ? task.core.tc.stop_signo ?? 19 : 0;
  const mask = core.thread_core?.blk_sigset ?? core.tc?.blk_sigset ?? 0n;
  struct.u32(stopped).u32(0).u32(0).u16(stopped).skip(2).word(0n).word(mask).u32(tid).u32(task.item.ppid).u32(task.item.pgid).u32(task.item.sid);
  return struct.to(at).raw(registers).u32(1).bytes;
}

/** struct elf_prpsinfo */
function processInfo(task: Task, machine: Machine, args: readonly string[]): Uint8Array {
  const { wide } = machine;
  const creds = task.core.thread_core?.creds;
  const { tc } = task.core;
  const stopped = tc?.task_state === TaskState.STOPPED;
  const struct = new Struct(wide ? 136 : 124, machine.little, wide);
  struct.u8(stopped ? 3 : 0).u8((stopped ? 'T' : 'R').charCodeAt(0)).u8(0).u8(task.core.thread_core?.sched_nice ?? 0).skip(wide ? 4 : 0).word(BigInt(tc?.flags ?? 0));
  if (wide) struct.u32(creds?.uid ?? 0).u32(creds?.gid ?? 0);
  else struct.u16(creds?.uid ?? 0).u16(creds?.gid ?? 0);
  struct.u32(task.pid).u32(task.item.ppid).u32(task.item.pgid).u32(task.item.sid);
  const name = struct.at;
  struct.raw(bytesOf(tc?.comm ?? '').subarray(0, 15)).to(name + 16);
  return struct.raw(bytesOf(args.join(' ')).subarray(0, 79)).bytes;
}

function vector(task: Task, machine: Machine): Uint8Array {
  const values = task.mm!.mm_saved_auxv;
  const ended = values.length >= 2 && values[values.length - 2] === 0n;
  const all = ended ? values : [...values, 0n, 0n];
  const struct = new Struct(all.length * (machine.wide ? 8 : 4), machine.little, machine.wide);
  for (const value of all) struct.word(value);
  return struct.bytes;
}

/** Count, page size, then start, end and offset in pages of each mapped file, then their names. */
function files(set: OpenSet, task: Task, machine: Machine): Uint8Array {
  const space = set.memory(task.pid);
  const mapped = space.mappings.filter((mapping) => mapping.kind === 'file' && mapping.name !== '');
  const names = mapped.map((mapping) => bytesOf(mapping.name));
  const word = machine.wide ? 8 : 4;
  const struct = new Struct((2 + 3 * mapped.length) * word + names.reduce((sum, name) => sum + name.length + 1, 0), machine.little, machine.wide);
  struct.word(BigInt(mapped.length)).word(space.pageSize);
  for (const { start, end, pgoff } of mapped) struct.word(start).word(end).word(pgoff / space.pageSize);
  for (const name of names) struct.raw(name).skip(1);
  return struct.bytes;
}
