/**
 * Options of sockets that the image format has no field for. They are kept (in our own image) when they are not what a fresh socket of the
 * same kind has here. Each family has a table of those it knows.
 */
import { create } from '../../image/wire.ts';
import { sf_sockopt_entry } from '../../image/schema/index.ts';
import { SO, SOCK, SOL_SOCKET } from '../../kernel/sockets.ts';
import type { Program, RanBlock, ResultRef } from '../../program/program.ts';
import { answerOf, askOption, type Question, type SocketFacts } from './facts.ts';

export type WhatSocket = Pick<SocketFacts, 'family' | 'type' | 'protocol'>;

export interface OptionTableRow {
  readonly level: number;
  readonly names: readonly number[];
  /** Bytes; 4 unless said. */
  readonly size?: number;
  readonly has?: (what: WhatSocket) => boolean;
  /** The kernel itself changes it on a connection. */
  readonly unconnected?: boolean;
}

/** Those of every family. */
export const GENERAL_OPTIONS: readonly OptionTableRow[] = [
  { level: SOL_SOCKET, names: [SO.RXQ_OVFL, SO.SELECT_ERR_QUEUE, SO.BUSY_POLL, SO.PREFER_BUSY_POLL, SO.BUSY_POLL_BUDGET, SO.RCVMARK, SO.RCVPRIORITY, SO.TIMESTAMP_NEW, SO.TIMESTAMPNS_NEW] },
  { level: SOL_SOCKET, names: [SO.MAX_PACING_RATE, SO.TIMESTAMPING, SO.TIMESTAMPING_NEW], size: 8 },
];

/** Those of sockets that are not the internet's. (A locked filter comes last: it cannot be set any more.) */
export const LOCAL_OPTIONS: readonly OptionTableRow[] = [...GENERAL_OPTIONS, { level: SOL_SOCKET, names: [SO.LOCK_FILTER] }];

/** What a fresh socket has. `made` is negative when there was none to be had. */
interface Usual { readonly made: ResultRef; readonly asked: readonly Asked[] }
interface Asked { readonly level: number; readonly name: number; readonly question: Question }

/** Asks about many sockets in one program; what a fresh one has is asked once for each kind. */
export class OwnOptions {
  readonly #usual = new Map<string, Usual>();

  constructor(readonly program: Program, readonly table: readonly OptionTableRow[]) {}

  /** Asks a fresh one, before many are asked in one go. */
  prepare(what: WhatSocket): void { this.#usualOf(what); }

  /** @param connected a TCP connection */
  ask(held: ResultRef, what: WhatSocket, connected = false): (ran: RanBlock) => sf_sockopt_entry[] {
    const usual = this.#usualOf(what);
    const asked = this.#ask(held, what, connected);
    return (ran) => asked.flatMap(({ level, name, question }) => {
      const value = answerOf(ran, question);
      const fresh = usual.asked.find((one) => one.level === level && one.name === name);
      const same = fresh === undefined ? undefined : answerOf(ran, fresh.question);
      // what a fresh one does not know it cannot be told (an MPTCP connection to a TCP peer answers as TCP)
      const unknown = fresh !== undefined && same === undefined && ran.result(usual.made) >= 0n;
      return value === undefined || unknown || (same !== undefined && Buffer.compare(value, same) === 0) ? [] : [create(sf_sockopt_entry, { level, name, value: Uint8Array.from(value) })];
    });
  }

  #ask(held: ResultRef, what: WhatSocket, connected: boolean): Asked[] {
    return this.table.filter(({ has, unconnected }) => (has?.(what) ?? true) && !(unconnected === true && connected))
      .flatMap(({ level, names, size }) => names.map((name) => ({ level, name, question: askOption(this.program, held, level, name, size) })));
  }

  #usualOf(what: WhatSocket): Usual {
    const key = `${what.family}/${what.type}/${what.protocol}`;
    let usual = this.#usual.get(key);
    if (usual === undefined) {
      // not everybody may make each kind: then everything is kept
      const fresh = this.program.call('socket', [what.family, what.type | SOCK.CLOEXEC, what.protocol], { expect: 'any' });
      this.#usual.set(key, usual = { made: fresh, asked: this.#ask(fresh, what, false) });
      this.program.call('close', [fresh], { expect: 'any', keep: false });
    }
    return usual;
  }
}

const tables = new WeakMap<Program, Map<readonly OptionTableRow[], OwnOptions>>();

/** The one of a program for a table. */
export function ownOptions(program: Program, table: readonly OptionTableRow[]): OwnOptions {
  let known = tables.get(program);
  if (known === undefined) tables.set(program, known = new Map());
  let own = known.get(table);
  if (own === undefined) known.set(table, own = new OwnOptions(program, table));
  return own;
}
