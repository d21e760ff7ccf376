/** A mount that nobody else sees and that goes with its descriptor (fsopen(2), fsmount(2)), in steps. */
import type { Program, ResultRef, StepOptions } from './program.ts';

/** <linux/mount.h> */
const FSOPEN_CLOEXEC = 1, FSMOUNT_CLOEXEC = 1;
const FSCONFIG = { SET_FLAG: 0, SET_STRING: 1, CMD_CREATE: 6 } as const;

export interface MountOptions {
  readonly expect?: StepOptions['expect'];
  readonly remedy?: StepOptions['remedy'];
  /** Of fsopen alone, beside the others. */
  readonly openRemedy?: StepOptions['remedy'];
  /** Options of the file system: a name, or a name and its value. */
  readonly set?: readonly (readonly [string | Uint8Array, (string | Uint8Array)?])[];
}

/** @param type of the file system @returns a descriptor of its root directory */
export function addDetachedMount(p: Program, type: string, { expect, remedy = {}, openRemedy = {}, set = [] }: MountOptions = {}): ResultRef {
  const fs = p.call('fsopen', [p.cstring(type), FSOPEN_CLOEXEC], { expect, remedy: { ...remedy, ...openRemedy } });
  const configure = (command: number, name: string | Uint8Array | undefined, value: string | Uint8Array | undefined): void => {
    p.call('fsconfig', [fs, command, name === undefined ? 0 : p.cstring(name), value === undefined ? 0 : p.cstring(value), 0], { expect, keep: false, remedy });
  };
  for (const [name, value] of set) configure(value === undefined ? FSCONFIG.SET_FLAG : FSCONFIG.SET_STRING, name, value);
  configure(FSCONFIG.CMD_CREATE, undefined, undefined);
  const mount = p.call('fsmount', [fs, FSMOUNT_CLOEXEC, 0], { expect, remedy });
  p.call('close', [fs], { expect, keep: false });
  return mount;
}
