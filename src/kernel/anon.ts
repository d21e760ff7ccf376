/**
 * Descriptors of anonymous inodes: <linux/timerfd.h>, <linux/eventpoll.h>, <linux/eventfd.h>, <linux/inotify.h>, <linux/fanotify.h>,
 * <linux/pidfd.h>, <linux/time.h>, <linux/kcmp.h>; all for x86-64.
 */
export const EFD_SEMAPHORE = 1;
/** What eventfd2's first argument can carry: the rest of a counter is written. */
export const EFD_INITIAL_MAX = 0xffff_ffffn;

export const CLOCK = { REALTIME: 0, MONOTONIC: 1, BOOTTIME: 7, REALTIME_ALARM: 8, BOOTTIME_ALARM: 9 } as const;
export const TFD_TIMER = { ABSTIME: 1, CANCEL_ON_SET: 2 } as const;
/** Sets how often a timer has expired and was not read. */
export const TFD_IOC_SET_TICKS = 0x40085400;

export const EPOLL_CTL_ADD = 1;
/** kcmp's type that compares a descriptor with a member of an epoll. */
export const KCMP_EPOLL_TFD = 7;

/** Sets the number of the next watch. */
export const INOTIFY_IOC_SETNEXTWD = 0x40044900;
/** What inotify_add_watch takes of a watch's mask as fdinfo shows it: events, IN_EXCL_UNLINK, IN_ONESHOT. */
export const IN_WATCH_MASK = 0x84000fff;

export const FAN_MARK = { ADD: 1, MOUNT: 0x10, IGNORED_MASK: 0x20, IGNORE: 0x400 } as const;

/** O_EXCL: the pidfd is of a thread, not of a process. */
export const PIDFD_THREAD = 0o200;
