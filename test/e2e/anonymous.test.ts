/** eventfd, timerfd, signalfd and epoll, with members of every sort. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const anonymous = suite('anonymous descriptors');
anonymous('dump and restore', async () => { await roundTrip('anonymous'); });
anonymous('dump with -R, then restore', async () => { await roundTrip('anonymous', { leaveRunning: true }); });
anonymous('three times over', async () => { await roundTrip('anonymous', { times: 3 }); });
anonymous.run();
