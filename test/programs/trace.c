/* trace PID: traces a task as a debugger does, prints ready, and holds it (running) until it is killed itself. */
#include "check.h"
#include <sys/ptrace.h>

int main(int argc, char **argv)
{
	must(argc == 2 ? 0 : -1);
	must(ptrace(PTRACE_SEIZE, atoi(argv[1]), 0, 0));
	say("ready");
	for (;;)
		pause();
}
