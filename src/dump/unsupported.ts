/** The words for kernel objects that no kind claims, by what /proc calls them: why they are refused and what a person can do. */

export interface Unsupported { readonly why: string; readonly remedy?: string }

const CLOSE = 'Let the program close it before the dump, or do without it';

/** By the name in `anon_inode:[NAME]`. */
const ANONYMOUS: Readonly<Record<string, Unsupported>> = {
  io_uring: {
    why: 'an io_uring cannot be dumped: nobody can ask the kernel what it was told to do',
    remedy: 'Start the program so that it does without: many have an option (UV_USE_IO_URING=0 for node and what else uses libuv), and after sysctl kernel.io_uring_disabled=2 all have to',
  },
  userfaultfd: { why: 'a userfaultfd cannot be dumped: the faults it was told of are its handler\'s to answer', remedy: CLOSE },
  perf_event: { why: 'a performance counter (perf_event_open) cannot be dumped: it counts in the hardware of this machine', remedy: CLOSE },
  'bpf-map': { why: 'BPF maps cannot be dumped yet', remedy: CLOSE },
  'bpf-prog': { why: 'BPF programs cannot be dumped: the kernel does not give back what it was loaded with', remedy: CLOSE },
  bpf_link: { why: 'BPF links cannot be dumped: they hook a program into this kernel', remedy: CLOSE },
  'seccomp notify': { why: 'the listener of a seccomp filter cannot be dumped: calls of others wait for its answer', remedy: CLOSE },
  'landlock-ruleset': { why: 'a Landlock ruleset cannot be dumped: the kernel does not tell its rules', remedy: CLOSE },
  'kvm-vm': { why: 'a virtual machine (KVM) cannot be dumped from outside', remedy: 'Save it with its own tools' },
  'kvm-vcpu': { why: 'a processor of a virtual machine (KVM) cannot be dumped from outside', remedy: 'Save the machine with its own tools' },
  fscontext: { why: 'a mount being made (fsopen) cannot be dumped', remedy: 'Dump when it is made' },
};

const NAMESPACES: ReadonlySet<string> = new Set(['net', 'ipc', 'uts', 'pid', 'mnt', 'user', 'cgroup', 'time']);

/** @param link what /proc/PID/fd/N points to, or a mapping's name */
export function nameByLink(link: string): Unsupported {
  const [kind] = /^[a-z_]+(?=:\[?)/u.exec(link) ?? [''];
  if (kind === 'anon_inode') {
    const name = link.slice('anon_inode:'.length).replace(/^\[|\]$/gu, '');
    return ANONYMOUS[name.startsWith('kvm-vcpu') ? 'kvm-vcpu' : name] ?? { why: `${name} descriptors are not supported yet`, remedy: CLOSE };
  }
  if (NAMESPACES.has(kind!)) return { why: 'descriptors of namespaces are not supported yet', remedy: CLOSE };
  if (link.startsWith('/dev/')) return { why: 'this device is not supported: what its driver keeps for the program cannot be read', remedy: CLOSE };
  return { why: 'this kind of file is not supported yet', remedy: CLOSE };
}
