/** Security labels of frozen threads. */
import type { FrozenTask } from '../../dump/frozen.ts';
import { tryReadProcText } from '../../proc/read.ts';
import { parseLabel, type Module } from './label.ts';

export interface Labels { readonly current: string | undefined; readonly sockcreate: string | undefined }

export class SecurityLabels {
  readonly #labels = new Map<number, Labels>();

  constructor(readonly module: Module | undefined) {}

  read({ pid, tids }: FrozenTask): void {
    if (this.module === undefined) return;
    for (const tid of tids) this.#labels.set(tid, { current: this.#label(pid, tid, 'current'), sockcreate: this.module === 'selinux' ? this.#label(pid, tid, 'sockcreate') : undefined });
  }

  of(tid: number): Labels | undefined { return this.#labels.get(tid); }

  #label(pid: number, tid: number, name: string): string | undefined {
    const text = tryReadProcText(`/proc/${pid}/task/${tid}/attr/${name}`);
    return text === undefined ? undefined : parseLabel(this.module!, text);
  }
}
