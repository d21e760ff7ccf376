/** What the bits of a processor's capabilities are called: Linux's names (<asm/cpufeatures.h>, /proc/cpuinfo), `-` where there is none. By word of the image. */

const WORDS: readonly string[] = [
  'fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe',
  '- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb rdtscp - lm 3dnowext 3dnow',
  '',
  '- - - - - - - - - - - - - - - - rep_good - - - nopl - - - - cpuid',
  'pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm - pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave osxsave avx f16c rdrand hypervisor',
  '',
  'lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt - lwp fma4 tce - nodeid_msr - tbm topoext perfctr_core perfctr_nb - bpext ptsc perfctr_llc mwaitx',
  '', '',
  'fsgsbase tsc_adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - mpx rdt_a avx512f avx512dq rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl',
  'xsaveopt xsavec xgetbv1 xsaves',
  'prefetchwt1 avx512vbmi umip pku ospke waitpkg avx512_vbmi2 shstk gfni vaes vpclmulqdq avx512_vnni avx512_bitalg tme avx512_vpopcntdq - la57 - - - - - rdpid - bus_lock_detect cldemote - movdiri movdir64b enqcmd',
  'cqm_occup_llc cqm_mbm_total cqm_mbm_local',
  'clzero irperf xsaveerptr - rdpru - - - - wbnoinvd - - amd_ibpb - amd_ibrs amd_stibp',
  'dtherm ida arat - pln - pts hwp hwp_notify hwp_act_window hwp_epp hwp_pkg_req - hdc',
  'npt lbrv svm_lock nrip_save tsc_scale vmcb_clean flushbyasid decodeassists - - pausefilter - pfthreshold avic - v_vmsave_vmload vgif',
  '- cqm_llc',
  'overflow_recov succor - smca',
  '- - avx512_4vnniw avx512_4fmaps fsrm - - - avx512_vp2intersect - md_clear - - - serialize - tsxldtrk - pconfig arch_lbr ibt - amx_bf16 avx512_fp16 amx_tile amx_int8 spec_ctrl intel_stibp flush_l1d arch_capabilities - ssbd',
];
const NAMES = WORDS.map((names) => names.split(' '));

export function capabilityName([word, bit]: readonly [word: number, bit: number]): string {
  const name = NAMES[word]?.[bit] ?? '';
  return name === '' || name === '-' ? `bit ${bit} of word ${word}` : name;
}

/**
 * What a program finds when it executes something: without one of these it meets SIGILL or other results. Those that criu compares, and
 * the instruction sets of user mode that it leaves out (the last three lines).
 */
const EXECUTED = `
  fpu tsc cx8 sep cmov clflush mmx fxsr sse sse2 syscall mmxext rdtscp 3dnowext 3dnow rep_good nopl pni pclmulqdq monitor ssse3 cx16 sse4_1 sse4_2
  movbe popcnt aes xsave osxsave avx f16c rdrand abm sse4a misalignsse 3dnowprefetch xop fma4 tbm fsgsbase bmi1 hle avx2 bmi2 erms rtm mpx
  avx512f avx512dq rdseed adx clflushopt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl xsaveopt xsavec xgetbv1 avx512vbmi avx512_vbmi2 gfni
  vaes vpclmulqdq avx512_vnni avx512_bitalg tme avx512_vpopcntdq rdpid clzero avx512_4vnniw avx512_4fmaps
  fma lahf_lm avx512ifma clwb pku ospke prefetchwt1 waitpkg cldemote movdiri movdir64b rdpru avx512_vp2intersect serialize
  tsxldtrk amx_bf16 avx512_fp16 amx_tile amx_int8`.trim().split(/\s+/);

/** By word: the bits of EXECUTED. */
export const INSTRUCTIONS: readonly ReadonlySet<number>[] = NAMES.map((names) => new Set(names.flatMap((name, bit) => (EXECUTED.includes(name) ? [bit] : []))));
