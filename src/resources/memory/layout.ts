/** The fields of an address space: code, data, heap, stack, arguments, environment, auxiliary vector, exe link (PR_SET_MM_MAP). */
import type { mm_entry } from '../../image/schema/index.ts';
import type { Task } from '../../image/tree.ts';
import { O } from '../../kernel/files.ts';
import { PR, PR_SET_MM_MAP, PRCTL_MM_MAP_SIZE } from '../../kernel/process.ts';
import type { Program } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import { describePath, openForMapping, regOf } from '../regular/restore.ts';
import { remapOf } from '../ghost/restore.ts';

/** sizeof(mm->saved_auxv) on x86-64: AT_VECTOR_SIZE words (2 * (22 + 3 + 1)) of 8 bytes. */
const AUXV_LIMIT = 416;
const NO_FD = 0xffff_ffff;
/** Where the auxv pointer, its size and the exe descriptor lie in struct prctl_mm_map. */
const AUXV_AT = 88, AUXV_SIZE_AT = 96, EXE_AT = 100;

/**
 * Sets the fields. Must come when no mapping of the executable the process had until now is left.
 * @param inheritedExe the exe link is already the right one
 */
export function addLayout(p: Program, context: RestoreContext, task: Task, inheritedExe: boolean): void {
  const mm = task.mm!;
  const map = p.data(encodeMap(mm));
  const auxv = mm.mm_saved_auxv.slice(0, AUXV_LIMIT / 8);
  p.resource('exe link and memory layout');
  p.store(map.at(AUXV_AT), p.data(new Uint8Array(BigUint64Array.from(auxv).buffer)), 8);
  p.store(map.at(AUXV_SIZE_AT), auxv.length * 8, 4);
  const exe = inheritedExe ? undefined : openForMapping(context, mm.exe_file_id, O.RDONLY);
  const remedy = {
    EBUSY: 'The executable the process had before is still mapped',
    EPERM: 'Setting the exe link needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN: run the restore as root',
    EACCES: 'The executable must be a regular file that may be executed',
    EINVAL: 'The image has addresses that this kernel does not allow (a lower vm.mmap_min_addr, a smaller address space, or more heap than the data limit)',
  };
  if (exe === undefined) {
    p.call('prctl', [PR.SET_MM, PR_SET_MM_MAP, map, PRCTL_MM_MAP_SIZE, 0], { keep: false, remedy });
    return;
  }
  const reg = regOf(context.tree, mm.exe_file_id)!;
  p.resource(`exe link (${describePath(reg, remapOf(context.tree, reg.id) !== undefined)})`);
  const fd = p.call('pidfd_getfd', [context.pidfd, exe.arg, 0]);
  p.store(map.at(EXE_AT), fd, 4);
  p.call('prctl', [PR.SET_MM, PR_SET_MM_MAP, map, PRCTL_MM_MAP_SIZE, 0], { keep: false, remedy });
  p.call('close', [fd], { keep: false });
}

/** `struct prctl_mm_map` of <linux/prctl.h>, without auxv and exe. */
function encodeMap(mm: mm_entry): Buffer {
  const bytes = Buffer.alloc(PRCTL_MM_MAP_SIZE);
  [
    mm.mm_start_code, mm.mm_end_code, mm.mm_start_data, mm.mm_end_data, mm.mm_start_brk, mm.mm_brk, mm.mm_start_stack,
    mm.mm_arg_start, mm.mm_arg_end, mm.mm_env_start, mm.mm_env_end,
  ].forEach((word, i) => bytes.writeBigUInt64LE(word, 8 * i));
  bytes.writeUInt32LE(NO_FD, EXE_AT);
  return bytes;
}
