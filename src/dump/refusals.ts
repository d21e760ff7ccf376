/** The list of everything that stands in the way of a dump. It is told as a whole, before anything is changed. */
import { RefusedError, type ErrorParts } from '../errors.ts';

export class Refusals {
  #reasons: ErrorParts[] = [];

  add(where: string, why: string, remedy?: string): void {
    if (!this.#reasons.some((r) => r.where === where && r.why === why)) this.#reasons.push({ doing: 'dump', where, why, remedy });
  }

  get reasons(): readonly ErrorParts[] { return this.#reasons; }

  get count(): number { return this.#reasons.length; }

  /** @throws RefusedError with all of them */
  throwIfAny(): void {
    if (this.#reasons.length > 0) throw new RefusedError('dump', this.#reasons);
  }
}
