/*
 * credentials VARIANT: what a task may do and how it is scheduled, read back through the kernel after the restore.
 * root: root with its capability sets cut, groups, securebits, ambient set   user: another user, nothing but its rights
 * mixed: real, effective, saved and file system ids all different            limits: resource limits, priorities, marks of the task
 */
#include "check.h"
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <grp.h>

struct seen {
	uint32_t uid[4], gid[4], caps[6], ambient[2], bounding[2];
	int ngroups;
	gid_t groups[64];
	int securebits, keepcaps, no_new_privs, dumpable, death_signal, subreaper, thp, timer_slack, nice, policy, umask, tsc;
	int oom, personality, affinity_count, io;
	struct sched_param param;
	struct { uint64_t soft, hard; } limits[RLIM_NLIMITS];
};

static void look(struct seen *s)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	char text[64];
	cpu_set_t cpus;

	memset(s, 0, sizeof(*s));
	must(getresuid(&s->uid[0], &s->uid[1], &s->uid[2])), s->uid[3] = setfsuid(-1);
	must(getresgid(&s->gid[0], &s->gid[1], &s->gid[2])), s->gid[3] = setfsgid(-1);
	s->ngroups = must(getgroups(64, s->groups));
	must(syscall(SYS_capget, &header, s->caps));
	for (int cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
			s->ambient[cap / 32] |= 1u << cap % 32;
		if (prctl(PR_CAPBSET_READ, cap) == 1)
			s->bounding[cap / 32] |= 1u << cap % 32;
	}
	s->securebits = prctl(PR_GET_SECUREBITS), s->keepcaps = prctl(PR_GET_KEEPCAPS);
	s->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), s->dumpable = prctl(PR_GET_DUMPABLE);
	prctl(PR_GET_PDEATHSIG, &s->death_signal), prctl(PR_GET_CHILD_SUBREAPER, &s->subreaper), prctl(PR_GET_TSC, &s->tsc);
	s->thp = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), s->timer_slack = prctl(PR_GET_TIMERSLACK);
	s->nice = getpriority(PRIO_PROCESS, 0), s->policy = sched_getscheduler(0), sched_getparam(0, &s->param);
	s->umask = umask(0), umask(s->umask);
	slurp("/proc/self/oom_score_adj", text, sizeof(text)), s->oom = atoi(text);
	s->personality = personality(0xffffffff);
	sched_getaffinity(0, sizeof(cpus), &cpus), s->affinity_count = CPU_COUNT(&cpus);
	s->io = syscall(SYS_ioprio_get, 1, 0);
	for (int i = 0; i < (int)RLIM_NLIMITS; i++)
		must(syscall(SYS_prlimit64, 0, i, NULL, &s->limits[i]));
}

#define same(field) check(!memcmp(&before.field, &after.field, sizeof(before.field)), #field, "%#x %#x %#x %#x, was %#x %#x %#x %#x", \
	((int *)&after.field)[0], sizeof(after.field) > 4 ? ((int *)&after.field)[1] : 0, sizeof(after.field) > 8 ? ((int *)&after.field)[2] : 0, \
	sizeof(after.field) > 12 ? ((int *)&after.field)[3] : 0, ((int *)&before.field)[0], sizeof(after.field) > 4 ? ((int *)&before.field)[1] : 0, \
	sizeof(after.field) > 8 ? ((int *)&before.field)[2] : 0, sizeof(after.field) > 12 ? ((int *)&before.field)[3] : 0)

static void limit(int resource, uint64_t soft, uint64_t hard)
{
	struct { uint64_t soft, hard; } now;

	/* raising a hard limit needs a right that root may lack */
	must(syscall(SYS_prlimit64, 0, resource, NULL, &now));
	hard = hard < now.hard ? hard : now.hard, soft = soft < hard ? soft : hard;
	must(syscall(SYS_prlimit64, 0, resource, &(struct { uint64_t soft, hard; }){ soft, hard }, NULL));
}

int main(int argc, char **argv)
{
	static struct seen before, after;
	const char *variant = argc > 1 ? argv[1] : "root";
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (!strcmp(variant, "root")) {
		must(setgroups(4, (gid_t[]){ 0, 5, 1000, 70000 }));
		must(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT)), must(prctl(PR_CAPBSET_DROP, CAP_SYSLOG));
		must(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_NOROOT | SECBIT_KEEP_CAPS));
		must(syscall(SYS_capget, &header, data));
		data[0].permitted &= ~(1u << CAP_SYS_BOOT | 1u << CAP_AUDIT_WRITE);
		data[0].effective = data[0].permitted & ~(1u << CAP_CHOWN);
		data[0].inheritable = 1u << CAP_NET_RAW | 1u << CAP_KILL;
		must(syscall(SYS_capset, &header, data));
		must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	} else if (!strcmp(variant, "mixed")) {
		must(setgroups(2, (gid_t[]){ 44, 33 }));
		must(prctl(PR_SET_KEEPCAPS, 1));
		must(setresgid(1001, 1002, 1003)), must(setresuid(2001, 2002, 2003));
		data[0] = (struct __user_cap_data_struct){ 1u << CAP_SETUID | 1u << CAP_NET_ADMIN, 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_NET_ADMIN | 1u << CAP_KILL, 1u << CAP_KILL };
		data[1] = (struct __user_cap_data_struct){ 0, 0, 0 };
		must(syscall(SYS_capset, &header, data));
		setfsuid(2003), setfsgid(1001);
		must(prctl(PR_SET_DUMPABLE, 1));
	} else if (!strcmp(variant, "limits")) {
		limit(RLIMIT_CORE, 0, 0), limit(RLIMIT_NOFILE, 200, 500), limit(RLIMIT_STACK, 3 << 20, 64 << 20), limit(RLIMIT_FSIZE, 1 << 30, 1u << 31);
		limit(RLIMIT_CPU, 1000, 2000), limit(RLIMIT_DATA, 1ul << 40, 1ul << 41), limit(RLIMIT_SIGPENDING, 100, 200), limit(RLIMIT_MSGQUEUE, 1000, 2000);
		limit(RLIMIT_MEMLOCK, 1 << 16, 1 << 16), limit(RLIMIT_NICE, 5, 10), limit(RLIMIT_RTPRIO, 1, 2), limit(RLIMIT_AS, 1ul << 42, 1ul << 43);
		must(prctl(PR_SET_CHILD_SUBREAPER, 1)), must(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
		must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		must(setpriority(PRIO_PROCESS, 0, 7));
		must(sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ 0 }));
		umask(0137);
		int fd = must(open("/proc/self/oom_score_adj", O_WRONLY));
		must(write(fd, "345", 3)), close(fd);
	} else if (!strcmp(variant, "own")) {
		/* what CRIU's images have no place for */
		cpu_set_t one;
		CPU_ZERO(&one);
		CPU_SET(0, &one);
		must(sched_setaffinity(0, sizeof(one), &one));
		must(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6));
		must(prctl(PR_SET_TIMERSLACK, 123456));
	} else if (!strcmp(variant, "realtime")) {
		must(sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &(struct sched_param){ 3 }));
	}
	look(&before);
	ready_and_wait();
	look(&after);
	same(uid), same(gid), same(ngroups), same(groups), same(caps), same(ambient), same(bounding), same(securebits), same(keepcaps);
	same(no_new_privs), same(dumpable), same(death_signal), same(subreaper), same(thp), same(nice), same(policy), same(param), same(umask);
	same(tsc), same(oom), same(personality), same(timer_slack), same(affinity_count), same(io);
	for (int i = 0; i < (int)RLIM_NLIMITS; i++)
		check(!memcmp(&before.limits[i], &after.limits[i], 16), "resource limit", "%d: %lu %lu, was %lu %lu", i, after.limits[i].soft, after.limits[i].hard,
		      before.limits[i].soft, before.limits[i].hard);
	return done();
}
