/** `open` of paths, in Node: a folder, an archive's file, or `archive:folder` when an archive has several sets. */
import { stat } from 'node:fs/promises';
import '../../core/node.ts';
import { DirectoryStore, fileError, FileSource } from '../../image/node/store.ts';
import { open, openStore, type OpenOptions, type OpenSet, type OpenTarget } from '../open.ts';

/** @throws StillframeError when there is nothing at the path, or no image set in it */
export async function openPath(path: string, options: OpenOptions = {}): Promise<OpenSet> {
  let info;
  try {
    info = await stat(path);
  } catch (cause) {
    for (let colon = path.indexOf(':'); colon > 0 && options.set === undefined; colon = path.indexOf(':', colon + 1)) {
      if (await isFile(path.slice(0, colon))) return openPath(path.slice(0, colon), { ...options, set: path.slice(colon + 1) });
    }
    throw fileError('open image set', path, cause);
  }
  const name = options.name ?? path;
  if (info.isDirectory()) return openStore(await DirectoryStore.at(path, name));
  return open(new FileSource(name, path, info.size), options);
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then((info) => info.isFile(), () => false);
}

/** As the universal `open`, and of paths. */
export function openAny(target: OpenTarget | string, options: OpenOptions = {}): Promise<OpenSet> {
  return typeof target === 'string' ? openPath(target, options) : open(target, options);
}
