/** Windows of a TCP connection, such that TCP repair takes them (tcp_repair_set_window of the kernel). */
import { after } from './states.ts';

/** struct tcp_repair_window */
export interface Windows { readonly snd_wl1: number; readonly snd_wnd: number; readonly max_window: number; readonly rcv_wnd: number; readonly rcv_wup: number }

/**
 * The kernel refuses (EINVAL) what a kernel's own connection can have all the same: a receiver without memory takes its whole window back
 * (ICSK_ACK_NOMEM, since Linux 6.6), also below the packet that last changed the sender's. Where that one was is brought down: it only keeps older
 * packets from changing the window. The rest is only so in altered images.
 * @param received the number behind the last byte received
 */
export function settable({ snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup }: Windows, received: number): Windows {
  const edge = (received + rcv_wnd) >>> 0;
  return { snd_wl1: after(snd_wl1, edge) ? edge : snd_wl1, snd_wnd, max_window: Math.max(max_window, snd_wnd), rcv_wnd, rcv_wup: after(rcv_wup, received) ? received : rcv_wup };
}
