/* Open files whose name was removed while another name lives on: plain, mapped, open twice, with the old name used by another file since. */
#include "check.h"
#include <sys/mman.h>
#include <sys/stat.h>

static int make(const char *name, const char *other, const char *text)
{
	int fd = must(open(name, O_CREAT | O_RDWR, 0600));

	must(write(fd, text, strlen(text)));
	must(link(name, other));
	return fd;
}

static int same(int fd, const char *name)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(name, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

int main(void)
{
	char got[64] = "", path[64], name[256] = "";
	struct stat st;

	int fd = make("name", "other", "contents"), twice = must(open("name", O_RDONLY));
	must(unlink("name"));
	int mapped = make("mapped", "mapped2", "in memory");
	char *memory = must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 0));
	must(unlink("mapped")), close(mapped);
	must(mkdir("dir", 0700));
	int moved = make("dir/file", "elsewhere", "no directory");
	must(unlink("dir/file")), must(rmdir("dir"));
	ready_and_wait();

	check(same(fd, "other") && same(twice, "other"), "the same file as its other name", "it is not");
	check(pread(fd, got, 63, 0) == 8 && !strcmp(got, "contents") && lseek(fd, 0, SEEK_CUR) == 8, "contents and position", "'%s'", got);
	check(access("name", F_OK) == -1, "the old name stays removed", "it is there");
	must(fstat(fd, &st));
	check(st.st_nlink >= 1, "links", "%d", (int)st.st_nlink);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must(readlink(path, name, 255));
	check(strstr(name, "/name (deleted)"), "known by its old name", "%s", name);
	must(pwrite(fd, "C", 1, 0));
	int other = must(open("other", O_RDONLY));
	check(read(other, got, 1) == 1 && got[0] == 'C', "a write is seen through the other name", "%c", got[0]);
	memory[0] = 'I';
	other = must(open("mapped2", O_RDONLY));
	memset(got, 0, sizeof(got));
	check(read(other, got, 9) == 9 && !strcmp(got, "In memory"), "mapped", "'%s'", got);
	check(same(moved, "elsewhere"), "its directory is gone", "it is not the same");
	return done();
}
