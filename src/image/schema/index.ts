/** Every message of the image format, by topic. */
export * from './tasks.ts';
export * from './cpu-x86.ts';
export * from './cpu-others.ts';
export * from './memory.ts';
export * from './files.ts';
export * from './fd-kinds.ts';
export * from './ttys.ts';
export * from './sockets.ts';
export * from './ipc.ts';
export * from './namespaces.ts';
export * from './network.ts';
export * from './cgroups.ts';
export * from './lsm.ts';
export * from './set.ts';
export * from './own.ts';
export { type Desc, type Init, type Message } from './define.ts';
