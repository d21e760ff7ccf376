/** Namespaces by the names /proc/PID/ns has for them: the field of task_kobj_ids_entry, and the clone flag that the image keeps. */
import { CLONE } from '../../kernel/process.ts';

export const NAMESPACE_KINDS = [
  { name: 'net', field: 'net_ns_id', flag: CLONE.NEWNET },
  { name: 'ipc', field: 'ipc_ns_id', flag: CLONE.NEWIPC },
  { name: 'uts', field: 'uts_ns_id', flag: CLONE.NEWUTS },
  { name: 'pid', field: 'pid_ns_id', flag: CLONE.NEWPID },
  { name: 'mnt', field: 'mnt_ns_id', flag: CLONE.NEWNS },
  { name: 'user', field: 'user_ns_id', flag: CLONE.NEWUSER },
  { name: 'cgroup', field: 'cgroup_ns_id', flag: CLONE.NEWCGROUP },
  { name: 'time', field: 'time_ns_id', flag: CLONE.NEWTIME },
] as const;
