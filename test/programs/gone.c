/*
 * Files and directories whose directories were removed as well, and a working directory below /proc of a process that has ended.
 */
#include "check.h"
#include <sys/stat.h>
#include <sys/wait.h>

int main(void)
{
	struct stat before, after;
	char path[64], link[256] = { 0 };

	must(mkdir("outer", 0750)), must(mkdir("outer/middle", 0710)), must(mkdir("outer/middle/inner", 0701));
	int inner = must(open("outer/middle/inner", O_RDONLY | O_DIRECTORY)), file = must(open("outer/middle/file", O_RDWR | O_CREAT, 0640));
	must(write(file, "contents", 8)), must(fstat(inner, &before));
	must(rmdir("outer/middle/inner")), must(unlink("outer/middle/file")), must(rmdir("outer/middle")), must(rmdir("outer"));
	int home = must(open(".", O_RDONLY | O_DIRECTORY));
	pid_t child = must(fork());
	if (child == 0)
		pause();
	snprintf(path, sizeof path, "/proc/%d", child);
	must(chdir(path)), must(kill(child, SIGKILL)), must(waitpid(child, NULL, 0));
	say("ready");
	while (faccessat(home, "go", F_OK, 0))
		sleep_ms(5);
	check(fstat(inner, &after) == 0 && after.st_mode == before.st_mode && after.st_nlink == 0, "removed directory", "mode %o, %lu links", after.st_mode, (long)after.st_nlink);
	char text[9] = { 0 };
	check(pread(file, text, 8, 0) == 8 && !strcmp(text, "contents"), "file in a removed directory", "'%s'", text);
	check(faccessat(home, "outer", F_OK, 0) == -1 && errno == ENOENT, "its directories are not there", "%s", strerror(errno));
	must(readlink("/proc/self/cwd", link, sizeof link - 1));
	check(!strncmp(link, path, strlen(path)) && access("status", F_OK) == -1, "directory of a process that is gone", "'%s'", link);
	check(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "no child is left", "there is one");
	sigset_t pending;
	sigpending(&pending);
	check(!sigismember(&pending, SIGCHLD), "no signal of one", "SIGCHLD waits");
	return done();
}
