/** Host features that namespaces, mounts and cgroups need. */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { ERRNO } from '../kernel/errno.ts';
import { MM, NS, PR } from '../kernel/probes.ts';
import type { Feature } from './feature.ts';
import { missing, type Host } from './host.ts';
import type { Program } from '../program/program.ts';

/** From here on the helper has a mount namespace of its own, and an empty tmpfs at /tmp. */
function ownMounts(p: Program): void {
  p.call('unshare', [NS.CLONE_NEWNS]);
  p.call('mount', [0, p.cstring('/'), 0, NS.MS_PRIVATE_REC, 0], { resource: '/' });
  p.call('mount', [p.cstring('stillframe'), p.cstring('/tmp'), p.cstring('tmpfs'), 0, 0], { resource: '/tmp' });
}

const mkdir = (p: Program, path: string): void => { p.call('mkdirat', [-100, p.cstring(path), 0o700]); };

export const NAMESPACE_FEATURES: readonly Feature[] = [
  {
    name: 'userns', level: 'extra', needed: 'trees in a user namespace', from: 'CONFIG_USER_NS=y',
    probe(host) {
      accessSync('/proc/self/ns/user', constants.F_OK);
      host.run((p) => { p.call('prctl', [PR.SET_MM, PR.SET_MM_MAP_SIZE, p.reserve(8), 0, 0]); });
    },
  },
  { name: 'cgroupns', level: 'extra', needed: 'trees in a cgroup namespace', from: 'Linux 4.6 with CONFIG_CGROUPS=y', probe() { accessSync('/proc/self/ns/cgroup', constants.F_OK); } },
  { name: 'timens', level: 'extra', needed: 'clocks that go on where they stopped', from: 'Linux 5.6 with CONFIG_TIME_NS=y', probe() { accessSync('/proc/self/timens_offsets', constants.F_OK); } },
  {
    name: 'ns_pid', level: 'extra', needed: 'trees in a pid namespace', from: 'Linux 4.1 with CONFIG_PID_NS=y',
    probe() { if (!/^NSpid:/m.test(readFileSync('/proc/self/status', 'latin1'))) throw missing('/proc/self/status has no NSpid'); },
  },
  {
    name: 'move_mount_set_group', level: 'extra', needed: 'mounts that share with each other', from: 'Linux 5.15',
    probe(host) {
      host.run((p) => {
        ownMounts(p);
        mkdir(p, '/tmp/sub');
        p.call('mount', [p.cstring('/tmp/sub'), p.cstring('/tmp/sub'), 0, NS.MS_BIND, 0]);
        p.call('mount', [0, p.cstring('/tmp'), 0, NS.MS_SHARED, 0]);
        p.call('move_mount', [-100, p.cstring('/tmp'), -100, p.cstring('/tmp/sub'), NS.MOVE_MOUNT_SET_GROUP]);
      });
    },
  },
  {
    name: 'overlayfs_maps', level: 'extra', needed: 'mappings of files on overlayfs (containers)', from: 'Linux 6.8',
    probe(host) {
      let fd;
      const ran = host.run((p) => {
        ownMounts(p);
        for (const dir of ['/tmp/l', '/tmp/u', '/tmp/w', '/tmp/m']) mkdir(p, dir);
        p.call('mount', [p.cstring('stillframe'), p.cstring('/tmp/m'), p.cstring('overlay'), 0, p.cstring('lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w')]);
        fd = p.call('openat', [-100, p.cstring('/tmp/m/file'), 0o102 /* O_RDWR | O_CREAT */, 0o600]);
        p.call('mmap', [0x10000000, 4096, MM.PROT_RW, MM.MAP_SHARED | MM.MAP_FIXED, fd, 0]);
      });
      const { dev, ino } = statSync(`/proc/${host.pid}/fd/${ran.result(fd!)}`, { bigint: true });
      const line = /^10000000-\S+ \S+ \S+ ([0-9a-f]+):([0-9a-f]+) (\d+)/m.exec(readFileSync(`/proc/${host.pid}/maps`, 'latin1'));
      if (line === null) throw missing('the mapping does not show in /proc/PID/maps');
      const [, major = '', minor = '', inode = ''] = line;
      const seen = { major: dev >> 8n & 0xfffn, minor: (dev & 0xffn) | (dev >> 12n & 0xfff00n) };
      if (BigInt(`0x${major}`) !== seen.major || BigInt(`0x${minor}`) !== seen.minor || BigInt(inode) !== ino) {
        throw missing(`/proc/PID/maps says ${major}:${minor} ${inode}, the file is ${seen.major.toString(16)}:${seen.minor.toString(16)} ${ino}`);
      }
    },
  },
  {
    name: 'autofs', level: 'experimental', needed: 'autofs mounts', from: 'Linux 4.10 with CONFIG_AUTOFS_FS',
    probe(host) {
      const group = processGroup(host);
      host.run((p) => {
        ownMounts(p);
        mkdir(p, '/tmp/a');
        const pair = p.reserve(8);
        p.call('pipe2', [pair, 0]);
        p.call('dup3', [p.load(pair.at(4), 4), 77, 0]);
        p.call('mount', [p.cstring('stillframe'), p.cstring('/tmp/a'), p.cstring('autofs'), 0, p.cstring(`fd=77,pgrp=${group},minproto=5,maxproto=5,direct`)], {
          remedy: { ENODEV: 'modprobe autofs4' },
        });
      });
      if (!/ - autofs .*pipe_ino=/.test(readFileSync(`/proc/${host.pid}/mountinfo`, 'latin1'))) throw missing('mountinfo does not tell the pipe of an autofs mount');
    },
  },
  {
    name: 'external_net_ns', level: 'named', needed: 'restoring into a network namespace that exists', from: 'a later Stillframe',
    probe() { throw missing('Stillframe does not restore namespaces yet'); },
  },
  {
    name: 'ns_last_pid', level: 'named', needed: 'restoring pids on kernels without clone3_set_tid', from: 'CONFIG_CHECKPOINT_RESTORE=y', instead: 'clone3_set_tid',
    probe() {
      if (!existsSync('/proc/sys/kernel/ns_last_pid')) throw missing('/proc/sys/kernel/ns_last_pid is not there');
      accessSync('/proc/sys/kernel/ns_last_pid', constants.W_OK);
    },
  },
];

function processGroup(host: Host): bigint {
  let group;
  const ran = host.run((p) => { group = p.call('getpgid', [0]); });
  const result = ran.result(group!);
  if (result < 0n) throw missing(`getpgid: errno ${ERRNO.EPERM}`);
  return result;
}
