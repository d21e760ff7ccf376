/** Memory: address spaces, mappings, page maps, memory files. */
import { message, opt, rep, req, type Message } from './define.ts';
import { fown_entry } from './files.ts';

export const aio_ring_entry = message('aio_ring_entry', { id: req.uint64(1), nr_req: req.uint32(2), ring_len: req.uint32(3) });
export type aio_ring_entry = Message<typeof aio_ring_entry>;

export const mm_entry = message('mm_entry', {
  mm_start_code: req.uint64(1, { hex: true }),
  mm_end_code: req.uint64(2, { hex: true }),
  mm_start_data: req.uint64(3, { hex: true }),
  mm_end_data: req.uint64(4, { hex: true }),
  mm_start_stack: req.uint64(5, { hex: true }),
  mm_start_brk: req.uint64(6, { hex: true }),
  mm_brk: req.uint64(7, { hex: true }),
  mm_arg_start: req.uint64(8, { hex: true }),
  mm_arg_end: req.uint64(9, { hex: true }),
  mm_env_start: req.uint64(10, { hex: true }),
  mm_env_end: req.uint64(11, { hex: true }),
  exe_file_id: req.uint32(12),
  mm_saved_auxv: rep.uint64(13),
  vmas: rep.msg(14, () => vma_entry),
  dumpable: opt.int32(15),
  aios: rep.msg(16, () => aio_ring_entry),
  thp_disabled: opt.bool(17),
});
export type mm_entry = Message<typeof mm_entry>;

export const vma_entry = message('vma_entry', {
  start: req.uint64(1, { hex: true }),
  end: req.uint64(2, { hex: true }),
  pgoff: req.uint64(3),
  shmid: req.uint64(4),
  prot: req.uint32(5, { flags: 'mmap.prot' }),
  flags: req.uint32(6, { flags: 'mmap.flags' }),
  status: req.uint32(7, { flags: 'mmap.status' }),
  fd: req.sint64(8),
  madv: opt.uint64(9, { hex: true }),
  fdflags: opt.uint32(10, { hex: true }),
});
export type vma_entry = Message<typeof vma_entry>;

export const pagemap_head = message('pagemap_head', { pages_id: req.uint32(1) });
export type pagemap_head = Message<typeof pagemap_head>;

export const pagemap_entry = message('pagemap_entry', {
  vaddr: req.uint64(1, { hex: true }),
  compat_nr_pages: req.uint32(2),
  in_parent: opt.bool(3),
  flags: opt.uint32(4, { flags: 'pmap.flags' }),
  nr_pages: opt.uint64(5),
});
export type pagemap_entry = Message<typeof pagemap_entry>;

export const memfd_file_entry = message('memfd_file_entry', {
  id: req.uint32(1),
  flags: req.uint32(2, { flags: 'rfile.flags' }),
  pos: req.uint64(3),
  fown: req.msg(4, () => fown_entry),
  inode_id: req.uint32(5),
});
export type memfd_file_entry = Message<typeof memfd_file_entry>;

export const memfd_inode_entry = message('memfd_inode_entry', {
  name: req.string(1),
  uid: req.uint32(2),
  gid: req.uint32(3),
  size: req.uint64(4),
  shmid: req.uint32(5),
  seals: req.uint32(6, { flags: 'seals.flags' }),
  inode_id: req.uint64(7),
  hugetlb_flag: opt.uint32(8),
  mode: opt.uint32(9),
});
export type memfd_inode_entry = Message<typeof memfd_inode_entry>;
