/** Security modules: AppArmor namespaces and policies. */
import { message, rep, req, type Desc, type Message } from './define.ts';

export const aa_policy = message('aa_policy', { name: req.string(1), blob: req.bytes(2) });
export type aa_policy = Message<typeof aa_policy>;

/** Written out: it contains itself, so its type cannot be inferred. */
export interface aa_namespace {
  name: string;
  policies: aa_policy[];
  namespaces: aa_namespace[];
}
export const aa_namespace: Desc<aa_namespace> = message('aa_namespace', {
  name: req.string(1),
  policies: rep.msg(2, () => aa_policy),
  namespaces: rep.msg(3, (): Desc<aa_namespace> => aa_namespace),
});

export const apparmor_entry = message('apparmor_entry', { namespaces: rep.msg(1, () => aa_namespace) });
export type apparmor_entry = Message<typeof apparmor_entry>;
