/** What becomes of each field with text, bytes or addresses. A field that is not named here is replaced, so that a new one leaks nothing. */
import type { Desc } from '../image/schema/define.ts';
import type { Replacer } from './replace.ts';

type Rule = 'keep' | 'device' | 'path' | 'name' | 'command' | 'options' | 'socket' | 'hardware' | 'filler' | 'zero' | 'text';

const RULES: Readonly<Record<string, Rule>> = {
  // text that says what something is, not whose
  'net_device_entry.name': 'device', 'inet_sk_entry.ifname': 'device', 'sk_opts_entry.so_bound_dev': 'device', 'tunfile_entry.netdev': 'device', 'sf_inet_entry.device': 'device', 'sf_membership_entry.device': 'device', 'sf_packet_sock_entry.device': 'device', 'sf_packet_member_entry.device': 'device', 'cg_member_entry.name': 'keep',
  'cg_controller_entry.cnames': 'keep', 'cgroup_prop_entry.name': 'keep', 'mnt_entry.fsname': 'keep', 'plugins_entry.plugins': 'keep', 'stillframe_entry.writer': 'keep', 'stillframe_entry.needs': 'keep',
  'task_core_entry.comm': 'command', 'thread_core_entry.comm': 'command',
  'reg_file_entry.name': 'path', 'fh_entry.path': 'path', 'irmap_cache_entry.path': 'path', 'mnt_entry.root': 'path', 'mnt_entry.mountpoint': 'path', 'mnt_entry.source': 'path', 'mnt_entry.ext_key': 'path',
  'mnt_entry.options': 'options', 'cg_member_entry.path': 'path', 'cgroup_dir_entry.dir_name': 'path', 'ghost_file_entry.symlnk_target': 'path', 'unix_sk_entry.name_dir': 'path', 'memfd_inode_entry.name': 'path',
  'binfmt_misc_entry.interpreter': 'path', 'cgroup_prop_entry.value': 'text', 'sysctl_entry.sarg': 'text', 'sf_mqueue_entry.name': 'path', 'sf_file_entry.mqueue': 'path',
  // bytes
  'unix_sk_entry.name': 'socket', 'net_device_entry.address': 'hardware', 'siginfo_entry.siginfo': 'keep', 'seccomp_filter.filter': 'keep', 'sf_thread_entry.affinity': 'keep', 'sf_sockopt_entry.value': 'keep',
  // registers: only where a thread is stays
  'user_x86_fpregs_entry.st_space': 'zero', 'user_x86_fpregs_entry.xmm_space': 'zero', 'user_x86_fpregs_entry.padding': 'keep', 'user_x86_xsave_entry.ymmh_space': 'zero', 'user_x86_xsave_entry.opmask_reg': 'zero',
  'user_x86_xsave_entry.zmm_upper': 'zero', 'user_x86_xsave_entry.hi16_zmm': 'zero', 'user_aarch64_regs_entry.regs': 'zero', 'user_aarch64_fpsimd_context_entry.vregs': 'zero', 'user_arm_vfpstate_entry.vfp_regs': 'zero',
  'user_ppc64_fpstate_entry.fpregs': 'zero', 'user_ppc64_vrstate_entry.vrregs': 'zero', 'user_ppc64_vsxstate_entry.vsxregs': 'zero', 'user_s390_fpregs_entry.fprs': 'zero', 'user_s390_vxrs_low_entry.regs': 'zero',
  'user_s390_vxrs_high_entry.regs': 'zero', 'user_loongarch64_fpregs_entry.regs': 'zero', 'user_riscv64_d_ext_entry.f': 'zero',
};

/** General registers that stay of messages with one field each. */
const REGISTERS: Readonly<Record<string, ReadonlySet<string>>> = {
  user_x86_regs_entry: new Set(['ip', 'sp', 'orig_ax', 'flags', 'cs', 'ss', 'ds', 'es', 'fs', 'gs', 'fs_base', 'gs_base', 'mode']),
  user_arm_regs_entry: new Set(['sp', 'pc', 'cpsr', 'lr']),
  user_mips_regs_entry: new Set(['r29', 'cp0_epc', 'cp0_status', 'cp0_cause']),
  user_mips_fpregs_entry: new Set(['fpu_fcr31', 'fpu_id']),
  user_riscv64_regs_entry: new Set(['pc', 'sp', 'gp', 'tp']),
  pac_address_keys: new Set(['pac_enabled_key']), pac_generic_keys: new Set(),
};

/** Arrays of general registers with the stack pointer's place: the rest is zeroed. */
const STACK_AT: Readonly<Record<string, number>> = { 'user_ppc64_regs_entry.gpr': 1, 'user_s390_regs_entry.gprs': 15, 'user_loongarch64_gpregs_entry.regs': 3 };

/** A copy of a message with everything replaced, and without fields nobody knows. */
export function anonymiseMessage<M extends object>(desc: Desc<M>, message: M, replace: Replacer): M {
  const copy: Record<string, unknown> = {};
  const kept = REGISTERS[desc.name];
  for (const [name, field] of Object.entries(desc.fields)) {
    const value = (message as Readonly<Record<string, unknown>>)[name];
    if (value === undefined) continue;
    const key = `${desc.name}.${name}`;
    const many = Array.isArray(value);
    if (field.type === 'message') {
      const inner = field.message!();
      copy[name] = many ? (value as object[]).map((one) => anonymiseMessage(inner, one, replace)) : anonymiseMessage(inner, value as object, replace);
    } else if (field.show.ipadd === true && many) copy[name] = replace.address(value as number[]);
    else if (key in STACK_AT) copy[name] = (value as bigint[]).map((one, i) => (i === STACK_AT[key] ? one : 0n));
    else if (RULES[key] === 'zero') copy[name] = (value as (number | bigint)[]).map((one) => (typeof one === 'bigint' ? 0n : 0));
    else if (kept !== undefined && !kept.has(name)) copy[name] = typeof value === 'bigint' ? 0n : 0;
    else if (field.type === 'string') copy[name] = many ? (value as string[]).map((one) => textFor(RULES[key] ?? 'name', one, replace)) : textFor(RULES[key] ?? 'name', value as string, replace);
    else if (field.type === 'bytes') copy[name] = many ? (value as Uint8Array[]).map((one) => bytesFor(RULES[key] ?? 'filler', one, replace)) : bytesFor(RULES[key] ?? 'filler', value as Uint8Array, replace);
    else copy[name] = value;
  }
  return copy as M;
}

function textFor(rule: Rule, text: string, replace: Replacer): string {
  switch (rule) {
    case 'keep': return text;
    case 'device': return replace.device(text);
    case 'path': return replace.path(text);
    case 'command': return replace.command(text);
    case 'options': return replace.options(text);
    // settings: numbers and a few words stay
    case 'text': return text.split('\n').map((line) => line.split(' ').map((word) => (/^[\d.:\-+*]+$|^(max|default|cubic|reno|bbr|on|off|none)$/.test(word) ? word : replace.name(word))).join(' ')).join('\n');
    default: return replace.name(text);
  }
}

function bytesFor(rule: Rule, bytes: Uint8Array, replace: Replacer): Uint8Array {
  return rule === 'keep' ? bytes : rule === 'socket' ? replace.socketName(bytes) : rule === 'hardware' ? replace.hardware(bytes) : replace.filler(bytes);
}
