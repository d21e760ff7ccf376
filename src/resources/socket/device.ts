/** Network devices by name, in steps (netdevice(7)). */
import { IFNAMSIZ, IFREQ_SIZE, SIOCGIFINDEX } from '../../kernel/inet.ts';
import type { Arg, DataRef, Program, StepOptions } from '../../program/program.ts';

/** struct ifreq with a name; zeros behind it. */
export function ifreq(name: string): Buffer {
  const request = Buffer.alloc(IFREQ_SIZE);
  request.write(name.slice(0, IFNAMSIZ - 1), 'latin1');
  return request;
}

/** Puts the number that a device has here into 4 bytes at `at`. @param fd any socket of its network namespace */
export function addDeviceIndex(p: Program, fd: Arg, at: DataRef, device: string, remedy: StepOptions['remedy'] = { ENODEV: `There is no network device ${device} here: make it first` }): void {
  const request = p.data(ifreq(device), 8);
  p.call('ioctl', [fd, SIOCGIFINDEX, request], { keep: false, remedy });
  p.store(at, p.load(request.at(IFNAMSIZ), 4), 4);
}
