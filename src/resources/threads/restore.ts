/** What every thread has of its own: names, scheduling, robust list, rseq, clear_child_tid, signal stack and queue. */
import type { core_entry, user_desc_t } from '../../image/schema/index.ts';
import { bytesOf } from '../../image/text.ts';
import { PR } from '../../kernel/process.ts';
import { Program } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import { addScheduling } from '../scheduling/restore.ts';
import { checkSeccomp } from '../seccomp/restore.ts';
import { addAlternateStack, addQueue } from '../signals/restore.ts';

const COMM_MAX = 15;

/** The image's name of a thread, at most 15 bytes. */
export function commOf(core: core_entry): Uint8Array {
  return bytesOf(core.thread_core?.comm ?? core.tc?.comm ?? '').subarray(0, COMM_MAX);
}

/** All of a thread's own state except credentials, mask and registers. */
export function addThreadState(p: Program, context: RestoreContext, core: core_entry, tid: number, leader: boolean): void {
  const own = core.thread_core;
  p.resource('thread name').call('prctl', [PR.SET_NAME, p.cstring(commOf(core)), 0, 0, 0], { keep: false });
  if (own === undefined) return;
  addScheduling(p, own, context.ownThread(tid), context.host.nice);
  // a new thread has none
  if (own.futex_rla !== 0n) p.resource('robust futex list').call('set_robust_list', [own.futex_rla, own.futex_rla_len === 0 ? 24 : own.futex_rla_len], { keep: false });
  if (core.thread_info !== undefined) {
    p.resource('clear_child_tid').call('set_tid_address', [core.thread_info.clear_tid_addr], { keep: false });
    addThreadLocalStorage(p, core.thread_info.tls);
  }
  addAlternateStack(p, own.sas);
  const rseq = own.rseq_entry;
  if (rseq !== undefined && rseq.rseq_abi_pointer !== 0n) {
    p.resource('rseq').call('rseq', [rseq.rseq_abi_pointer, rseq.rseq_abi_size, 0, rseq.signature], { keep: false });
  }
  addQueue(p, own.signals_p, 'thread');
  if (leader) addQueue(p, core.tc?.signals_s, 'task');
}

/** GDT entries 12 to 14, which only 32-bit code uses: those that are set. */
function addThreadLocalStorage(p: Program, entries: readonly user_desc_t[]): void {
  for (const entry of entries) {
    if (entry.seg_not_present && entry.read_exec_only && entry.base_addr === 0 && entry.limit === 0) continue;
    const bytes = Buffer.alloc(16);
    bytes.writeUInt32LE(entry.entry_number, 0);
    bytes.writeUInt32LE(entry.base_addr, 4);
    bytes.writeUInt32LE(entry.limit, 8);
    const bits = [entry.seg_32bit, entry.contents_l, entry.contents_h, entry.read_exec_only, entry.limit_in_pages, entry.seg_not_present, entry.usable];
    bytes.writeUInt32LE(bits.reduce((word, bit, i) => word | (bit ? 1 << i : 0), 0), 12);
    p.resource(`TLS segment ${entry.entry_number}`).call('set_thread_area', [p.data(bytes)], { keep: false });
  }
}

export function checkThread(context: RestoreContext, core: core_entry, where: string): void {
  checkSeccomp(context, core, where);
}
