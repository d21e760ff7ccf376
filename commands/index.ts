/** Every command by its id, for oclif's explicit discovery. A new command is one file and one line here. */
import Check from './check.ts';
import Dump from './dump.ts';
import ImageCheck from './image/check.ts';
import ImageDecode from './image/decode.ts';
import ImageEncode from './image/encode.ts';
import ImageEnv from './image/env.ts';
import ImageFds from './image/fds.ts';
import ImageFind from './image/find.ts';
import ImageHexdump from './image/hexdump.ts';
import ImageMem from './image/mem.ts';
import ImageMounts from './image/mounts.ts';
import ImagePs from './image/ps.ts';
import ImageShow from './image/show.ts';
import ImageSockets from './image/sockets.ts';
import ImageStats from './image/stats.ts';
import ImageStrings from './image/strings.ts';
import Restore from './restore.ts';
import Version from './version.ts';

export const COMMANDS = {
  check: Check,
  dump: Dump,
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
  restore: Restore,
  version: Version,
};
