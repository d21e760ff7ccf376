/** The commands of the image topic, by id. They run on any system: nothing here may load the helper or koffi. */
import ImageCheck from './check.ts';
import ImageDecode from './decode.ts';
import ImageEncode from './encode.ts';
import ImageEnv from './env.ts';
import ImageFds from './fds.ts';
import ImageFind from './find.ts';
import ImageHexdump from './hexdump.ts';
import ImageMem from './mem.ts';
import ImageMounts from './mounts.ts';
import ImagePs from './ps.ts';
import ImageShow from './show.ts';
import ImageSockets from './sockets.ts';
import ImageStats from './stats.ts';
import ImageStrings from './strings.ts';

export const IMAGE_COMMANDS = {
  'image:check': ImageCheck,
  'image:decode': ImageDecode,
  'image:encode': ImageEncode,
  'image:env': ImageEnv,
  'image:fds': ImageFds,
  'image:find': ImageFind,
  'image:hexdump': ImageHexdump,
  'image:mem': ImageMem,
  'image:mounts': ImageMounts,
  'image:ps': ImagePs,
  'image:show': ImageShow,
  'image:sockets': ImageSockets,
  'image:stats': ImageStats,
  'image:strings': ImageStrings,
};
