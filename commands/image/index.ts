/** The commands of the image topic, by id. They run on any system: nothing here may load the helper or koffi. */
import type { Loaders } from '../index.ts';

export const IMAGE_LOADERS: Loaders = {
  'image:anonymise': () => import('./anonymise.ts'),
  'image:check': () => import('./check.ts'),
  'image:core': () => import('./core.ts'),
  'image:decode': () => import('./decode.ts'),
  'image:diff': () => import('./diff.ts'),
  'image:encode': () => import('./encode.ts'),
  'image:env': () => import('./env.ts'),
  'image:fds': () => import('./fds.ts'),
  'image:find': () => import('./find.ts'),
  'image:hexdump': () => import('./hexdump.ts'),
  'image:mem': () => import('./mem.ts'),
  'image:mounts': () => import('./mounts.ts'),
  'image:ps': () => import('./ps.ts'),
  'image:show': () => import('./show.ts'),
  'image:sockets': () => import('./sockets.ts'),
  'image:stats': () => import('./stats.ts'),
  'image:strings': () => import('./strings.ts'),
  'image:view': () => import('./view.ts'),
};
