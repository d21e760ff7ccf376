/** struct mq_attr of <linux/mqueue.h>: longs flags, maxmsg, msgsize, curmsgs, four reserved. */
export const MQ_ATTR_SIZE = 64;
export const MQ_ATTR = { MAX: 8, SIZE: 16, WAITING: 24 } as const;
