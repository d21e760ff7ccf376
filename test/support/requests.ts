/** What is done before requests to helpers, of all that this process makes. */
import { Wire } from '../../src/helper/wire.ts';

const send = Wire.prototype.begin;

/** @param action is told how many requests there were with the one that is to be sent now */
export function beforeRequests(action: (nth: number) => void): void {
  let requests = 0;
  Wire.prototype.begin = function (this: Wire, ...args: Parameters<Wire['begin']>): ReturnType<Wire['begin']> {
    action(++requests);
    return send.apply(this, args);
  };
}

/** Nothing more. */
export function sendAsUsual(): void { Wire.prototype.begin = send; }
