/** Host features that dumping and restoring descriptors need. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { ERRNO } from '../kernel/errno.ts';
import { IOC, KCMP } from '../kernel/probes.ts';
import { Cond, Op } from '../program/program.ts';
import type { Feature } from './feature.ts';
import { missing, struct, type Host } from './host.ts';

/** What the kernel says about a descriptor that the helper holds. */
const fdinfo = (host: Host, fd: bigint): string => readFileSync(`/proc/${host.pid}/fdinfo/${fd}`, 'latin1');

function needField(info: string, field: RegExp): void {
  if (!field.test(info)) throw missing(`fdinfo has no line like ${String(field)}`);
}

export const FILE_FEATURES: readonly Feature[] = [
  {
    name: 'mnt_id', level: 'extra', needed: 'finding the mount a descriptor belongs to', from: 'Linux 3.15',
    probe(host) {
      let fd;
      const ran = host.run((p) => { fd = p.call('openat', [-100, p.cstring('/'), 0, 0]); });
      needField(fdinfo(host, ran.result(fd!)), /^mnt_id:/m);
    },
  },
  {
    name: 'fdinfo_lock', level: 'extra', needed: 'file locks', from: 'Linux 4.1',
    probe(host) {
      let fd;
      const ran = host.run((p) => {
        fd = p.call('openat', [-100, p.cstring('/proc/locks'), 0, 0]);
        p.call('flock', [fd, 1 /* LOCK_SH */]);
      });
      needField(fdinfo(host, ran.result(fd!)), /^lock:/m);
    },
  },
  {
    name: 'fdinfo_eventfd', level: 'extra', needed: 'event descriptors', from: 'Linux 3.8',
    probe(host) {
      let fd;
      const ran = host.run((p) => { fd = p.call('eventfd2', [13, 0]); });
      needField(fdinfo(host, ran.result(fd!)), /^eventfd-count:\s+d$/m);
    },
  },
  {
    name: 'fdinfo_epoll', level: 'extra', needed: 'epoll descriptors', from: 'Linux 3.8',
    probe(host) {
      let fd;
      const ran = host.run((p) => {
        fd = p.call('epoll_create1', [0]);
        p.call('epoll_ctl', [fd, 1, p.call('eventfd2', [0, 0]), p.data(struct([4, 1], [8, 77]))]);
      });
      needField(fdinfo(host, ran.result(fd!)), /^tfd:\s+\d+ events:\s+[0-9a-f]+ data:\s+4d\b/m);
    },
  },
  {
    name: 'fdinfo_inotify', level: 'extra', needed: 'inotify descriptors', from: 'Linux 3.8 with CONFIG_INOTIFY_USER=y',
    probe(host) {
      let fd;
      const ran = host.run((p) => {
        fd = p.call('inotify_init1', [0]);
        p.call('inotify_add_watch', [fd, p.cstring('/'), 0xfff]);
      });
      needField(fdinfo(host, ran.result(fd!)), /^inotify wd:1 ino:[0-9a-f]+ .*f_handle:/m);
    },
  },
  {
    name: 'inotify_next_wd', level: 'extra', needed: 'inotify watches with their numbers, quickly', from: 'Linux 4.16 with CONFIG_CHECKPOINT_RESTORE=y',
    probe(host) { host.run((p) => { p.call('ioctl', [p.call('inotify_init1', [0]), IOC.INOTIFY_IOC_SETNEXTWD, 0x10]); }); },
  },
  {
    name: 'kcmp_epoll', level: 'extra', needed: 'epoll members whose descriptor was closed or replaced', from: 'Linux 4.13',
    probe(host) {
      host.run((p) => {
        const epoll = p.call('epoll_create1', [0]);
        const member = p.call('eventfd2', [0, 0]);
        const pid = p.call('getpid');
        p.call('epoll_ctl', [epoll, 1, member, p.data(struct([4, 1], [8, 0]))]);
        const slot = p.data(Buffer.alloc(12));
        p.store(slot, epoll, 4);
        p.store(slot.at(4), member, 4);
        p.call('kcmp', [pid, pid, KCMP.EPOLL_TFD, member, slot], { expect: { equals: 0 } });
      });
    },
  },
  {
    name: 'timerfd', level: 'extra', needed: 'timer descriptors that have expired', from: 'Linux 3.17 with CONFIG_CHECKPOINT_RESTORE=y',
    probe(host) {
      // A bad address: the kernel that knows the request says EFAULT.
      host.run((p) => { p.call('ioctl', [p.call('timerfd_create', [1, 0]), IOC.TFD_IOC_SET_TICKS, 0], { expect: { equals: -ERRNO.EFAULT } }); });
    },
  },
  {
    name: 'tty', level: 'extra', needed: 'pseudo-terminals inside the tree', from: 'devpts mounted at /dev/pts',
    probe(host) {
      host.run((p) => {
        const master = p.call('openat', [-100, p.cstring('/dev/ptmx'), 2 | 0o400, 0]);
        const number = p.reserve(4);
        p.call('ioctl', [master, IOC.TIOCSPTLCK, p.data(struct([4, 1]))]);
        p.call('ioctl', [master, IOC.TIOCGPTN, number]);
        p.control(Op.EXPECT, [p.load(number, 4), Cond.GE, 0, ERRNO.EIO], { keep: false });
      });
    },
  },
  {
    name: 'tun', level: 'extra', needed: 'tun and tap devices', from: 'Linux 3.11 with CONFIG_TUN, and /dev/net/tun',
    probe(host) { host.run((p) => { p.call('ioctl', [p.call('openat', [-100, p.cstring('/dev/net/tun'), 2, 0]), IOC.TUNSETIFINDEX, p.data(struct([4, 13]))]); }); },
  },
  {
    name: 'tun_ns', level: 'named', needed: 'tun devices of another network namespace', from: 'Linux 4.20, and /dev/net/tun',
    probe(host) { host.run((p) => { p.call('ioctl', [p.call('openat', [-100, p.cstring('/dev/net/tun'), 0, 0]), IOC.SIOCGSKNS, 0]); }); },
  },
  {
    name: 'openat2', level: 'extra', needed: 'opening files without following links that changed', from: 'Linux 5.6',
    probe(host) { host.run((p) => { p.call('openat2', [-100, p.cstring('.'), p.reserve(24), 24]); }); },
  },
  {
    name: 'ipc_next_id', level: 'extra', needed: 'System V queues, semaphores and memory with their ids', from: 'Linux 3.9 with CONFIG_CHECKPOINT_RESTORE=y',
    probe() { for (const kind of ['msg', 'sem', 'shm']) accessSync(`/proc/sys/kernel/${kind}_next_id`, constants.R_OK | constants.W_OK); },
  },
];
