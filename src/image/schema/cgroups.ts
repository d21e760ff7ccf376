/** Control groups: sets, controllers, directories, properties. */
import { message, opt, rep, req, type Desc, type Message } from './define.ts';

export const cgroup_perms = message('cgroup_perms', { mode: req.uint32(1), uid: req.uint32(2), gid: req.uint32(3) });
export type cgroup_perms = Message<typeof cgroup_perms>;

export const cgroup_prop_entry = message('cgroup_prop_entry', {
  name: req.string(1),
  value: req.string(2),
  perms: opt.msg(3, () => cgroup_perms),
});
export type cgroup_prop_entry = Message<typeof cgroup_prop_entry>;

/** Written out: it contains itself, so its type cannot be inferred. */
export interface cgroup_dir_entry {
  dir_name: string;
  children: cgroup_dir_entry[];
  properties: cgroup_prop_entry[];
  dir_perms?: cgroup_perms | undefined;
}
export const cgroup_dir_entry: Desc<cgroup_dir_entry> = message('cgroup_dir_entry', {
  dir_name: req.string(1),
  children: rep.msg(2, (): Desc<cgroup_dir_entry> => cgroup_dir_entry),
  properties: rep.msg(3, () => cgroup_prop_entry),
  dir_perms: opt.msg(4, () => cgroup_perms),
});

export const cg_controller_entry = message('cg_controller_entry', {
  cnames: rep.string(1),
  dirs: rep.msg(2, () => cgroup_dir_entry),
  is_threaded: opt.bool(3),
});
export type cg_controller_entry = Message<typeof cg_controller_entry>;

export const cg_member_entry = message('cg_member_entry', { name: req.string(1), path: req.string(2), cgns_prefix: opt.uint32(3) });
export type cg_member_entry = Message<typeof cg_member_entry>;

export const cg_set_entry = message('cg_set_entry', { id: req.uint32(1), ctls: rep.msg(2, () => cg_member_entry) });
export type cg_set_entry = Message<typeof cg_set_entry>;

export const cgroup_entry = message('cgroup_entry', {
  sets: rep.msg(1, () => cg_set_entry),
  controllers: rep.msg(2, () => cg_controller_entry),
});
export type cgroup_entry = Message<typeof cgroup_entry>;
