/** Windows of TCP connections: what the kernel would refuse to set is brought within what it takes. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { payload } from '../../src/image/payload.ts';
import { inet_sk_entry, tcp_stream_entry } from '../../src/image/schema/index.ts';
import { create } from '../../src/image/wire.ts';
import { TCP_STATE } from '../../src/kernel/inet.ts';
import { windowsOf } from '../../src/resources/inet/stream-restore.ts';

const windows = suite('TCP windows');

function connection(state: number, stream: Partial<tcp_stream_entry>): Parameters<typeof windowsOf>[0] {
  const entry = create(tcp_stream_entry, {
    inq_len: 0, inq_seq: 1000, outq_len: 0, outq_seq: 5000, unsq_len: 0, opt_mask: 0, snd_wscale: 0, mss_clamp: 1460,
    snd_wl1: 990, snd_wnd: 300, max_window: 400, rcv_wnd: 200, rcv_wup: 950, ...stream,
  });
  return { entry: { state } as inet_sk_entry, stream: { entry, inq: payload(new Uint8Array(0)), outq: payload(new Uint8Array(0)) } };
}

windows('as they were', () => { assert.equal(windowsOf(connection(TCP_STATE.ESTABLISHED, {})), [990, 300, 400, 200, 950]); });
windows('before the end of the stream is received again', () => { assert.equal(windowsOf(connection(TCP_STATE.CLOSE_WAIT, {})), [990, 300, 400, 201, 949]); });
windows('a window taken back below the packet that changed it last', () => {
  assert.equal(windowsOf(connection(TCP_STATE.ESTABLISHED, { rcv_wnd: 0, rcv_wup: 1000, snd_wl1: 1100 })), [1000, 300, 400, 0, 1000]);
});
windows('where numbers wrap around', () => {
  assert.equal(windowsOf(connection(TCP_STATE.ESTABLISHED, { inq_seq: 10, rcv_wup: 0xffff_fff0, snd_wl1: 5 })), [5, 300, 400, 200, 0xffff_fff0]);
  assert.equal(windowsOf(connection(TCP_STATE.ESTABLISHED, { inq_seq: 0xffff_fff0, rcv_wup: 0xffff_fff0, rcv_wnd: 8, snd_wl1: 2 })), [0xffff_fff8, 300, 400, 8, 0xffff_fff0]);
});
windows('an altered image', () => {
  assert.equal(windowsOf(connection(TCP_STATE.ESTABLISHED, { max_window: 1, rcv_wup: 1001 })), [990, 300, 300, 200, 1000]);
});
windows('a dump that could not tell', () => { assert.is(windowsOf(connection(TCP_STATE.ESTABLISHED, { snd_wl1: undefined })), undefined); });
windows.run();
