/*
 * reap COMMAND...: runs a command and adopts every orphan below it, as init would (in a container init may not).
 * When the command has ended, whatever it left behind is named on standard error and killed; then it exits 99,
 * else as the command did. The test runner starts each test file through it: no test may leave a process behind.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t command;

static void pass_on(int signal)
{
	kill(command, signal);
}

static int parent_of(int pid, char *line, size_t size, int *zombie)
{
	char path[64], state = 0;
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *f = fopen(path, "r");
	if (!f)
		return -1;
	size_t n = fread(line, 1, size - 1, f);
	fclose(f);
	line[n] = 0;
	char *end = strrchr(line, ')');
	if (!end || sscanf(end + 1, " %c %d", &state, &parent) != 2)
		return -1;
	end[1] = 0;
	*zombie = state == 'Z' || state == 'X';
	return parent;
}

/* Names and kills the children that are left; returns how many are alive. */
static int sweep(int report)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char line[512];
	int alive = 0, zombie = 0, self = getpid();

	while (proc && (entry = readdir(proc))) {
		int pid = atoi(entry->d_name);
		if (pid <= 0 || parent_of(pid, line, sizeof(line), &zombie) != self || zombie)
			continue;
		alive++;
		if (report)
			fprintf(stderr, "left behind: %s\n", line);
		kill(pid, SIGKILL);
	}
	if (proc)
		closedir(proc);
	return alive;
}

int main(int argc, char **argv)
{
	int status, exit_code = 127, left = 0;

	if (argc < 2)
		return fprintf(stderr, "usage: reap COMMAND...\n"), 2;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		return perror("reap: subreaper"), 2;
	command = fork();
	if (command == 0) {
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	signal(SIGTERM, pass_on);
	signal(SIGINT, pass_on);
	for (;;) {
		pid_t pid = waitpid(-1, &status, 0);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			break;
		if (pid == command) {
			exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			break;
		}
	}
	/* a killed tree dies a little later than the kill: only what lives on after a moment was left behind */
	for (int i = 0; i < 20; i++) {
		while (waitpid(-1, &status, WNOHANG) > 0)
			;
		if (waitpid(-1, &status, WNOHANG) < 0)
			return exit_code;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	for (int i = 0; i < 100; i++) {
		left += sweep(i == 0);
		while (waitpid(-1, &status, WNOHANG) > 0)
			;
		if (waitpid(-1, &status, WNOHANG) < 0)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	return left ? 99 : exit_code;
}
