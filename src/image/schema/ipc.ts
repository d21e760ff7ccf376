/** System V IPC of a namespace: settings, shared memory, semaphores, message queues. */
import { message, opt, rep, req, type Message } from './define.ts';

export const ipc_desc_entry = message('ipc_desc_entry', {
  key: req.uint32(1),
  uid: req.uint32(2),
  gid: req.uint32(3),
  cuid: req.uint32(4),
  cgid: req.uint32(5),
  mode: req.uint32(6),
  id: req.uint32(7),
});
export type ipc_desc_entry = Message<typeof ipc_desc_entry>;

export const ipc_var_entry = message('ipc_var_entry', {
  sem_ctls: rep.uint32(1),
  msg_ctlmax: req.uint32(2),
  msg_ctlmnb: req.uint32(3),
  msg_ctlmni: req.uint32(4),
  auto_msgmni: req.uint32(5),
  shm_ctlmax: req.uint64(6),
  shm_ctlall: req.uint64(7),
  shm_ctlmni: req.uint32(8),
  shm_rmid_forced: req.uint32(9),
  mq_queues_max: req.uint32(10),
  mq_msg_max: req.uint32(11),
  mq_msgsize_max: req.uint32(12),
  mq_msg_default: opt.uint32(13),
  mq_msgsize_default: opt.uint32(14),
  msg_next_id: opt.uint32(15),
  sem_next_id: opt.uint32(16),
  shm_next_id: opt.uint32(17),
});
export type ipc_var_entry = Message<typeof ipc_var_entry>;

export const ipc_shm_entry = message('ipc_shm_entry', {
  desc: req.msg(1, () => ipc_desc_entry),
  size: req.uint64(2),
  in_pagemaps: opt.bool(3),
  hugetlb_flag: opt.uint32(4),
});
export type ipc_shm_entry = Message<typeof ipc_shm_entry>;

export const ipc_sem_entry = message('ipc_sem_entry', { desc: req.msg(1, () => ipc_desc_entry), nsems: req.uint32(2) });
export type ipc_sem_entry = Message<typeof ipc_sem_entry>;

export const ipc_msg = message('ipc_msg', { mtype: req.uint64(1), msize: req.uint32(2) });
export type ipc_msg = Message<typeof ipc_msg>;

export const ipc_msg_entry = message('ipc_msg_entry', {
  desc: req.msg(1, () => ipc_desc_entry),
  qbytes: req.uint32(2),
  qnum: req.uint32(3),
});
export type ipc_msg_entry = Message<typeof ipc_msg_entry>;
