/*
 * Control groups. Each argument, in order (what is the process's own comes before it has a thread and a child, if it is first), is `self:FILE`, `thread:FILE` or `child:FILE`, which enters a group by writing to its file, or `ns`: a cgroup namespace
 * is made where the process is then. Afterwards everybody must be where he was, as he himself sees it.
 */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

static volatile struct { int turn[3], done, go; } *at; /* index of the argument that each is to handle, plus one */
static char **arguments;
static const char *const who[3] = { "self", "thread", "child" };

static void enter(const char *file)
{
	int fd = must(open(file, O_WRONLY | O_CLOEXEC));
	must(write(fd, "0", 1));
	close(fd);
}

static void own(const char *argument)
{
	if (!strcmp(argument, "ns"))
		must(unshare(CLONE_NEWCGROUP));
	else
		enter(argument + 5);
}

static void look(char *text, size_t size)
{
	int fd = must(open("/proc/thread-self/cgroup", O_RDONLY | O_CLOEXEC));
	ssize_t n = must(read(fd, text, size - 1));
	text[n] = 0;
	close(fd);
	/* without the numbers of hierarchies: one that is not mounted may be made anew, with another */
	char *to = text;
	for (char *line = text; *line;) {
		char *from = line + strspn(line, "0123456789"), *end = strchrnul(from, '\n');
		line = *end ? end + 1 : end;
		memmove(to, from, line - from), to += line - from;
	}
	*to = 0;
}

static void follow(int me)
{
	static __thread char before[8192], after[8192];

	while (!at->go) {
		int turn = at->turn[me];
		if (turn) {
			enter(strchr(arguments[turn], ':') + 1);
			at->turn[me] = 0, at->done++;
		}
		sleep_ms(1);
	}
	look(before, sizeof(before));
	at->done++;
	wait_for_go();
	look(after, sizeof(after));
	check(!strcmp(before, after), "groups", "%s: was in\n%s and is in\n%s", who[me], before, after);
}

static void *thread(void *argument)
{
	follow(1);
	return argument;
}

int main(int argc, char **argv)
{
	pthread_t other;
	int status;

	arguments = argv;
	at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int first = 1;
	for (; first < argc && (!strcmp(argv[first], "ns") || !strncmp(argv[first], "self:", 5)); first++)
		own(argv[first]);
	pid_t child = must(fork());
	if (child == 0) {
		follow(2);
		_exit(7);
	}
	if (pthread_create(&other, NULL, thread, NULL))
		must(-1);
	for (int i = first; i < argc; i++) {
		int handled = at->done;
		if (!strchr("tc", argv[i][0]))
			own(argv[i]);
		else
			for (at->turn[argv[i][0] == 't' ? 1 : 2] = i; at->done == handled;)
				sleep_ms(1);
	}
	int before = at->done;
	at->go = 1;
	while (at->done < before + 2)
		sleep_ms(1);
	say("ready");
	follow(0);
	pthread_join(other, NULL);
	check(waitpid(child, &status, 0) == child && status == 7 << 8, "child", "%#x", status);
	return done();
}
