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

/** Whether a sequence number comes after another: they wrap around. */
export const after = (a: number, b: number): boolean => ((b - a) | 0) < 0;
