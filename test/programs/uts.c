/* A UTS namespace of its own: host and domain name are its own afterwards, in a child too, and can be changed. */
#include "check.h"
#include <sched.h>
#include <sys/utsname.h>
#include <sys/wait.h>

static void look(const char *who, const char *node)
{
	struct utsname names;

	must(uname(&names));
	check(!strcmp(names.nodename, node), "host name", "%s: %s", who, names.nodename);
	check(!strcmp(names.domainname, "a.domain"), "domain name", "%s: %s", who, names.domainname);
}

int main(void)
{
	int status;

	must(unshare(CLONE_NEWUTS));
	must(sethostname("its-own-host", 12)), must(setdomainname("a.domain", 8));
	pid_t child = must(fork());
	if (child == 0) {
		wait_for_go();
		while (access("changed", F_OK))
			sleep_ms(1);
		look("child", "changed");
		_exit(7);
	}
	ready_and_wait();
	look("process", "its-own-host");
	must(sethostname("changed", 7));
	must(close(must(open("changed", O_CREAT | O_WRONLY, 0600))));
	check(waitpid(child, &status, 0) == child && status == 7 << 8, "child", "%#x", status);
	return done();
}
