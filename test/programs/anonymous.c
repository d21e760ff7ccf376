/*
 * Descriptors of anonymous inodes: eventfd (plain, semaphore, full), timerfd (every clock, periodic, to a point of time, expired and not
 * read), signalfd, epoll (nested, a file twice, members closed, reused and dup'ed, edge-triggered, one-shot, of another task's making).
 * With an argument it leaves out what CRIU 4.2 does not keep: semaphores, periodic timers that stand still, members without a number.
 */
#include "check.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

static int count(const char *path, const char *what)
{
	char text[16384];
	int n = 0;

	slurp(path, text, sizeof(text));
	for (char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static char *fdinfo(int fd, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	slurp(path, text, size);
	return text;
}

static int timer(int clock, int flags, double in, double every)
{
	struct itimerspec spec = { { (time_t)every, (long)((every - (time_t)every) * 1e9) }, { (time_t)in, (long)((in - (time_t)in) * 1e9) } };
	int fd = must(timerfd_create(clock, TFD_NONBLOCK));

	if (flags & TFD_TIMER_ABSTIME) {
		struct timespec t;
		clock_gettime(clock, &t);
		spec.it_value.tv_sec += t.tv_sec;
		spec.it_value.tv_nsec += t.tv_nsec;
		if (spec.it_value.tv_nsec >= 1000000000)
			spec.it_value.tv_nsec -= 1000000000, spec.it_value.tv_sec++;
	}
	must(timerfd_settime(fd, flags, &spec, NULL));
	return fd;
}

static double left(int fd)
{
	struct itimerspec spec;

	must(timerfd_gettime(fd, &spec));
	return spec.it_value.tv_sec + spec.it_value.tv_nsec / 1e9;
}

static uint64_t ticks(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, 8) == 8 ? n : 0;
}

static uint64_t has(int ep, int fd_of_event)
{
	struct epoll_event events[16];
	int n = epoll_wait(ep, events, 16, 0);

	for (int i = 0; i < n; i++)
		if (events[i].data.u64 == (uint64_t)fd_of_event)
			return events[i].events;
	return 0;
}

static void add(int ep, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };

	must(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
}

int main(int argc, char **argv)
{
	int all = argc < 2;
	(void)argv;
	uint64_t value;
	char text[4096];
	int status;

	/* eventfd */
	int plain = must(eventfd(5, EFD_NONBLOCK)), semaphore = must(eventfd(3, (all ? EFD_SEMAPHORE : 0) | EFD_CLOEXEC | EFD_NONBLOCK));
	int full = must(eventfd(0, EFD_NONBLOCK)), zero = must(eventfd(0, EFD_NONBLOCK));
	value = all ? 0xfffffffffffffffeull : 0xfffffffe;
	must(write(full, &value, 8));

	/* timerfd */
	int late = timer(CLOCK_MONOTONIC, 0, 1000.25, 0), boot = timer(CLOCK_BOOTTIME, 0, 2000, 7.5);
	int point = timer(CLOCK_REALTIME, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, 3000.75, 0);
	int gone = timer(CLOCK_MONOTONIC, 0, 0.001, 0), beats = timer(CLOCK_MONOTONIC, 0, all ? 0.001 : 100, all ? 0.01 : 50), idle = must(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	int ahead = timer(CLOCK_MONOTONIC, TFD_TIMER_ABSTIME, 500, 0);

	/* signalfd: pending before, and after */
	sigset_t set;
	sigemptyset(&set), sigaddset(&set, SIGUSR1), sigaddset(&set, SIGRTMIN + 3);
	must(sigprocmask(SIG_BLOCK, &set, NULL));
	int sfd = must(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
	must(kill(getpid(), SIGUSR1));

	/* epoll */
	int outer = must(epoll_create1(EPOLL_CLOEXEC)), inner = must(epoll_create1(0)), odd = must(epoll_create1(0));
	add(outer, plain, EPOLLIN, plain);
	add(outer, inner, EPOLLIN, inner);
	add(inner, zero, EPOLLIN | EPOLLET, 0x123456789abcdefull);
	add(outer, sfd, EPOLLIN, sfd);
	add(outer, gone, EPOLLIN, gone);
	add(outer, late, EPOLLIN | EPOLLONESHOT, late);
	int twice = must(dup(plain));
	add(outer, twice, EPOLLOUT, 1000 + twice);
	/* closed: the file lives on as `kept`; its number is another file now */
	int kept = must(eventfd(1, EFD_NONBLOCK)), number = must(fcntl(kept, F_DUPFD, 70));
	if (all)
		add(odd, number, EPOLLIN, 7001);
	close(number);
	int other = must(eventfd(0, EFD_NONBLOCK));
	must(dup2(other, number));
	add(odd, number, EPOLLIN, 7002);
	/* and one whose number is free */
	int spare = must(fcntl(kept, F_DUPFD, 90));
	if (all)
		add(odd, spare, EPOLLOUT, 7003);
	close(spare);
	int empty = must(epoll_create1(0));

	/* shared with a child, which made a member only it has */
	int both = must(epoll_create1(0)), answer[2], ask[2];
	must(pipe(answer)), must(pipe(ask));
	pid_t child = must(fork());
	if (child == 0) {
		close(ask[1]);
		int mine = must(eventfd(0, EFD_NONBLOCK));
		char byte;
		if (all)
			add(both, mine, EPOLLIN, 4711);
		must(write(answer[1], "r", 1));
		while (read(ask[0], &byte, 1) == 1) {
			value = 1;
			must(write(byte == 's' ? semaphore : mine, &value, 8));
			must(write(answer[1], "d", 1));
		}
		_exit(0);
	}
	close(ask[0]);
	must(read(answer[0], text, 1));
	sleep_ms(30);
	double lateBefore = left(late), pointBefore = left(point), aheadBefore = left(ahead), at = now();
	char sfdBefore[4096];
	fdinfo(sfd, sfdBefore, sizeof(sfdBefore));

	ready_and_wait();

	struct epoll_event event;
	double gap = now() - at;
	check(read(plain, &value, 8) == 8 && value == 5, "eventfd's counter", "%llu", (unsigned long long)value);
	if (all) {
		check(read(semaphore, &value, 8) == 8 && value == 1, "semaphore counts by one", "%llu", (unsigned long long)value);
		check(read(semaphore, &value, 8) == 8 && read(semaphore, &value, 8) == 8 && read(semaphore, &value, 8) == -1, "semaphore's value", "not 3");
	}
	must(write(ask[1], "s", 1)), must(read(answer[0], text, 1));
	check(read(semaphore, &value, 8) == 8, "eventfd shared with the child", "nothing arrived");
	check(read(full, &value, 8) == 8 && value == (all ? 0xfffffffffffffffeull : 0xfffffffe), "full eventfd", "%llx", (unsigned long long)value);
	check(read(zero, &value, 8) == -1 && errno == EAGAIN, "empty eventfd", "it is not");
	check(fcntl(semaphore, F_GETFD) == FD_CLOEXEC && fcntl(plain, F_GETFD) == 0, "close-on-exec", "lost");
	check(fcntl(plain, F_GETFL) == (O_RDWR | O_NONBLOCK), "status flags", "%#x", fcntl(plain, F_GETFL));

	check(left(late) <= lateBefore && left(late) > lateBefore - gap - 1, "time left", "%f of %f after %f", left(late), lateBefore, gap);
	check(left(boot) > 1990 && left(boot) < 2000, "boot clock", "%f", left(boot));
	check(left(point) <= pointBefore && left(point) > pointBefore - gap - 1, "point of time", "%f of %f after %f", left(point), pointBefore, gap);
	check(strstr(fdinfo(point, text, sizeof(text)), "settime flags: 03"), "flags of a point of time", "%s", text);
	check(strstr(fdinfo(point, text, sizeof(text)), "clockid: 0"), "clock", "%s", text);
	check(left(ahead) <= aheadBefore && left(ahead) > aheadBefore - gap - 1, "point of monotonic time", "%f of %f", left(ahead), aheadBefore);
	check(ticks(gone) == 1 && ticks(gone) == 0, "expired timer", "%llu", (unsigned long long)ticks(gone));
	if (all) {
		value = ticks(beats);
		check(value >= 3, "expired periodic timer", "%llu", (unsigned long long)value);
		sleep_ms(25);
		check(ticks(beats) >= 1, "periodic timer goes on", "it does not");
	}
	check(left(idle) == 0 && ticks(idle) == 0, "timer never set", "it runs");

	check(!strcmp(strstr(fdinfo(sfd, text, sizeof(text)), "sigmask"), strstr(sfdBefore, "sigmask")), "signalfd's mask", "%s, was %s", text, sfdBefore);
	check(has(outer, sfd) == EPOLLIN, "signalfd in an epoll, pending", "%#llx", (unsigned long long)has(outer, sfd));
	struct signalfd_siginfo info;
	check(read(sfd, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGUSR1, "signal pending in a signalfd", "%d", info.ssi_signo);
	check(has(outer, sfd) == 0, "signalfd in an epoll, nothing", "%#llx", (unsigned long long)has(outer, sfd));
	must(kill(getpid(), SIGRTMIN + 3));
	check(has(outer, sfd) == EPOLLIN, "signalfd in an epoll, later", "%#llx", (unsigned long long)has(outer, sfd));

	check(has(outer, plain) == 0, "empty member", "%#llx", (unsigned long long)has(outer, plain));
	check(has(outer, 1000 + twice) == EPOLLOUT, "the same file twice", "%#llx", (unsigned long long)has(outer, 1000 + twice));
	value = 1;
	must(write(zero, &value, 8));
	check(has(outer, inner) == EPOLLIN, "nested epoll", "%#llx", (unsigned long long)has(outer, inner));
	check(epoll_wait(inner, &event, 1, 0) == 1 && event.data.u64 == 0x123456789abcdefull, "member's data", "%llx", (unsigned long long)event.data.u64);
	check(epoll_wait(inner, &event, 1, 0) == 0, "edge-triggered", "twice");
	if (all) {
		check(has(odd, 7001) == EPOLLIN, "member whose number is another file", "%#llx", (unsigned long long)has(odd, 7001));
		check(has(odd, 7002) == 0, "the file that has its number", "%#llx", (unsigned long long)has(odd, 7002));
		check(has(odd, 7003) == EPOLLOUT, "member whose number is free", "%#llx", (unsigned long long)has(odd, 7003));
	}
	value = 1;
	must(write(other, &value, 8));
	check(has(odd, 7002) == EPOLLIN, "reused number", "%#llx", (unsigned long long)has(odd, 7002));
	must(epoll_ctl(odd, EPOLL_CTL_DEL, number, NULL));
	check(has(odd, 7002) == 0 && (!all || has(odd, 7001) == EPOLLIN), "removing by number", "the wrong one went");
	snprintf(text, sizeof(text), "/proc/self/fdinfo/%d", odd);
	if (all)
		check(count(text, "tfd:       90") == 1 && count(text, "tfd:       70") == 1, "members' numbers", "%s", fdinfo(odd, text, sizeof(text)));
	check(fcntl(90, F_GETFD) == -1 && errno == EBADF, "a free number stays free", "it is open");
	snprintf(text, sizeof(text), "/proc/self/fdinfo/%d", empty);
	check(count(text, "tfd:") == 0, "empty epoll", "has members");
	check(epoll_wait(both, &event, 1, 0) == 0, "member of the child's, quiet", "it is ready");
	must(write(ask[1], "m", 1)), must(read(answer[0], text, 1));
	if (all)
		check(epoll_wait(both, &event, 1, 0) == 1 && event.data.u64 == 4711, "member that only the child has", "%llu", (unsigned long long)event.data.u64);
	check(fcntl(outer, F_GETFD) == FD_CLOEXEC && fcntl(inner, F_GETFD) == 0, "close-on-exec of epolls", "lost");
	close(ask[1]);
	check(waitpid(child, &status, 0) == child && status == 0, "child's end", "%#x", status);
	return done();
}
