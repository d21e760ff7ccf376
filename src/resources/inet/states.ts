/** What the states of TCP say about which side has ended the stream (FIN), RFC 9293 section 3.3.2; CLOSE: of a connection that was there. */
import { TCP_STATE } from '../../kernel/inet.ts';

const { FIN_WAIT1, FIN_WAIT2, CLOSING, LAST_ACK, CLOSE, CLOSE_WAIT } = TCP_STATE;
const oneOf = (states: readonly number[]) => (state: number): boolean => states.includes(state);

/** We have, and it has a number in the stream. */
export const hasSentFin = oneOf([FIN_WAIT1, FIN_WAIT2, CLOSING, LAST_ACK, CLOSE]);
/** We have before the peer did. */
export const sentFinFirst = oneOf([FIN_WAIT1, FIN_WAIT2, CLOSING]);
/** The peer has acknowledged ours. */
export const finAcknowledged = oneOf([FIN_WAIT2, CLOSE]);
/** The peer has. */
export const hasReceivedFin = oneOf([CLOSE_WAIT, LAST_ACK, CLOSE, CLOSING]);

/** What TCP_REPAIR_WINDOW has (struct tcp_repair_window), numbers of 32 bits that wrap. */
export interface Window { readonly snd_wl1: number; readonly snd_wnd: number; readonly max_window: number; readonly rcv_wnd: number; readonly rcv_wup: number }

/**
 * The window as the kernel takes it. `snd_wl1`, the number of the segment that told of the peer's window last, may be far ahead of what was received: of a
 * segment that there was no room for (seen on Linux 6.18: 700 KiB ahead with a full receive queue). The kernel gives out such a number, and refuses it with
 * EINVAL (tcp_repair_set_window). An earlier one makes no difference: it only tells old segments from new.
 * @param received number of the next byte
 */
export function acceptable(window: Window, received: number): Window {
  const last = (received + window.rcv_wnd) >>> 0;
  return { ...window, ...(((window.snd_wl1 - last) | 0) > 0 ? { snd_wl1: last } : {}) };
}
