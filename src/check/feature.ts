/** What a host check is. The lists are in the files beside this one. */
import type { Host } from './host.ts';

export interface Feature {
  /** criu's name where it has one: `criu check --feature NAME`. */
  readonly name: string;
  /** `required`: nothing works without. `extra`: some trees need it. `experimental`: as criu's. `named`: only asked for by name. */
  readonly level: 'required' | 'extra' | 'experimental' | 'named';
  /** What it is needed for, after "needed for". */
  readonly needed: string;
  /** Where it comes from: kernel version or option, a package. */
  readonly from: string;
  /** Another feature that serves as well: this one is then not missed. */
  readonly instead?: string;
  /** Tries it. Returns what is worth knowing about it; throws when it is not there. */
  probe(host: Host): string | void;
}
