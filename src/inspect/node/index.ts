/** `stillframe/image` in Node: the core is loaded, and `open` also takes paths. */
import '../../core/node.ts';

export * from '../index.ts';
export { openAny as open } from './open.ts';
export { DirectoryStore, FileSource } from '../../image/node/store.ts';
export { checkHost } from './host.ts';
