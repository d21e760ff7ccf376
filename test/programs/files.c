/*
 * Open files: positions, flags, close-on-exec, descriptors that are one description (dup, fork) and two that are not, numbers with gaps and
 * high ones, sparse files, a position past the end, a directory, devices, paths only, deleted files with and without a second descriptor.
 */
#include "check.h"
#include <dirent.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

static int same_description(int a, int b)
{
	return syscall(SYS_kcmp, getpid(), getpid(), 0, a, b) == 0;
}

static int descriptors(void)
{
	int count = 0;

	for (int i = 0; i < 1024; i++)
		count += fcntl(i, F_GETFD) != -1;
	return count;
}

int main(int argc, char **argv)
{
	char got[8192], expect[8192];
	int with_deleted = argc > 1 && !strcmp(argv[1], "deleted");
	int plain, append, again, dup_of, high, directory, null, zero, path, sparse, read_only, tmp = -1, gone = -1, gone_too = -1, nameless = -1, status;
	struct stat st;

	umask(022);
	plain = must(open("plain", O_RDWR | O_CREAT | O_CLOEXEC, 0640));
	fill(expect, sizeof(expect), 1);
	must(write(plain, expect, sizeof(expect)));
	must(lseek(plain, 4096, SEEK_SET));
	dup_of = must(dup(plain));
	again = must(open("plain", O_RDONLY | O_NONBLOCK));
	must(lseek(again, 100, SEEK_SET));
	append = must(open("append", O_WRONLY | O_CREAT | O_APPEND | O_SYNC, 0600));
	must(write(append, "one ", 4));
	high = must(fcntl(append, F_DUPFD_CLOEXEC, 900));
	sparse = must(open("sparse", O_RDWR | O_CREAT, 0600));
	must(ftruncate(sparse, 1l << 33)), must(pwrite(sparse, "far", 3, (1l << 33) - 3));
	must(lseek(sparse, (1l << 40) + 5, SEEK_SET));
	must(mkdir("directory", 0755)), must(close(must(open("directory/entry", O_CREAT | O_WRONLY, 0600))));
	directory = must(open("directory", O_RDONLY | O_DIRECTORY));
	path = must(open("directory/entry", O_PATH));
	null = must(open("/dev/null", O_RDWR)), zero = must(open("/dev/zero", O_RDONLY));
	read_only = must(open("/proc/self/exe", O_RDONLY));
	must(lseek(read_only, 1, SEEK_SET));
	must(chdir("directory")), must(chdir(".."));
	if (with_deleted) {
		gone = must(open("gone", O_RDWR | O_CREAT | O_NOFOLLOW, 0604));
		fill(got, sizeof(got), 2);
		must(write(gone, got, sizeof(got)));
		must(lseek(gone, 12, SEEK_SET));
		gone_too = must(open("gone", O_RDONLY));
		must(fchown(gone, 12, 34)), must(unlink("gone"));
		/* another file of the same name must stay as it is */
		int fd = must(open("gone", O_WRONLY | O_CREAT, 0600));
		must(write(fd, "new", 3)), close(fd);
		nameless = must(open(".", O_TMPFILE | O_RDWR | O_APPEND | O_NOFOLLOW, 0600));
		must(write(nameless, "no name", 7));
		tmp = must(open("deleted-and-mapped", O_RDWR | O_CREAT, 0600));
		must(write(tmp, got, sizeof(got)));
	}
	char *mapped = with_deleted ? must(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, tmp, 0)) : NULL;
	if (with_deleted)
		must(unlink("deleted-and-mapped")), must(close(tmp));

	pid_t child = must(fork());
	if (child == 0) {
		wait_for_go();
		sleep_ms(100);
		/* the position is the parent's too */
		_exit(lseek(plain, 0, SEEK_CUR) == 5000 && write(append, "child ", 6) == 6 ? 9 : 10);
	}
	int opened = descriptors();
	ready_and_wait();

	must(lseek(dup_of, 5000, SEEK_SET));
	check(waitpid(child, &status, 0) == child && status == 9 << 8, "one description in two tasks", "%#x", status);
	check(lseek(plain, 0, SEEK_CUR) == 5000 && same_description(plain, dup_of), "one description by dup", "position %ld", lseek(plain, 0, SEEK_CUR));
	check(lseek(again, 0, SEEK_CUR) == 100 && !same_description(plain, again), "two descriptions of a file", "position %ld", lseek(again, 0, SEEK_CUR));
	must(pread(plain, got, sizeof(got), 0));
	check(!memcmp(got, expect, sizeof(got)), "contents", "changed");
	check((fcntl(plain, F_GETFL) & ~O_LARGEFILE & ~0x8000) == O_RDWR, "flags of a plain file", "%#x", fcntl(plain, F_GETFL));
	check((fcntl(again, F_GETFL) & O_NONBLOCK) && (fcntl(again, F_GETFL) & O_ACCMODE) == O_RDONLY, "flags: non-blocking", "%#x", fcntl(again, F_GETFL));
	check((fcntl(append, F_GETFL) & (O_APPEND | O_SYNC)) == (O_APPEND | O_SYNC), "flags: append, sync", "%#x", fcntl(append, F_GETFL));
	check(fcntl(plain, F_GETFD) == FD_CLOEXEC && fcntl(dup_of, F_GETFD) == 0 && fcntl(high, F_GETFD) == FD_CLOEXEC, "close-on-exec", "%d %d %d",
	      fcntl(plain, F_GETFD), fcntl(dup_of, F_GETFD), fcntl(high, F_GETFD));
	check(high == 900 && same_description(high, append), "a high number", "%d", high);
	must(write(high, "two", 3));
	int fd = must(open("append", O_RDONLY));
	memset(got, 0, sizeof(got));
	must(read(fd, got, sizeof(got)));
	close(fd);
	check(!strcmp(got, "one child two"), "appending", "'%s'", got);
	check(lseek(sparse, 0, SEEK_CUR) == (1l << 40) + 5, "position past the end", "%ld", lseek(sparse, 0, SEEK_CUR));
	must(fstat(sparse, &st));
	check(st.st_size == 1l << 33 && st.st_blocks < 100, "sparse file", "%ld bytes, %ld blocks", st.st_size, st.st_blocks);
	fd = must(dup(directory));
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int found = 0;
	while (dir && (entry = readdir(dir)))
		found += !strcmp(entry->d_name, "entry");
	check(found == 1, "directory", "%d entries", found);
	check((fcntl(path, F_GETFL) & O_PATH) && read(path, got, 1) == -1 && errno == EBADF, "path only", "flags %#x", fcntl(path, F_GETFL));
	check(write(null, "x", 1) == 1 && read(null, got, 1) == 0, "/dev/null", "it is another");
	got[0] = 1;
	check(read(zero, got, 1) == 1 && got[0] == 0, "/dev/zero", "it is another");
	check(read(read_only, got, 3) == 3 && !memcmp(got, "ELF", 3), "own executable", "position lost");
	closedir(dir);
	check(descriptors() == opened, "no other descriptor", "%d are open, were %d", descriptors(), opened);

	if (with_deleted) {
		fill(expect, sizeof(expect), 2);
		must(fstat(gone, &st));
		check(st.st_nlink == 0 && st.st_size == 8192 && (st.st_mode & 0777) == 0604 && st.st_uid == 12 && st.st_gid == 34, "deleted file",
		      "links %ld size %ld mode %o owner %d:%d", (long)st.st_nlink, st.st_size, st.st_mode & 0777, st.st_uid, st.st_gid);
		check(lseek(gone, 0, SEEK_CUR) == 12 && pread(gone, got, sizeof(got), 0) == 8192 && !memcmp(got, expect, 8192), "deleted file's contents", "changed");
		check((fcntl(gone, F_GETFL) & O_NOFOLLOW) && !(fcntl(gone_too, F_GETFL) & O_NOFOLLOW), "flags of deleted files", "%#x %#x", fcntl(gone, F_GETFL), fcntl(gone_too, F_GETFL));
		must(pwrite(gone, "shared", 6, 0));
		check(pread(gone_too, got, 6, 0) == 6 && !memcmp(got, "shared", 6), "two descriptors of one deleted file", "they are two files");
		check(pread(nameless, got, 8, 0) == 7 && !memcmp(got, "no name", 7) && (fcntl(nameless, F_GETFL) & O_NOFOLLOW), "made without a name", "flags %#x", fcntl(nameless, F_GETFL));
		snprintf(got, sizeof(got), "/proc/self/fd/%d", nameless), unlink("named-later");
		check(linkat(AT_FDCWD, got, AT_FDCWD, "named-later", AT_SYMLINK_FOLLOW) == 0 && lseek(nameless, 0, SEEK_CUR) == 7, "it can get one", "%s", strerror(errno));
		fd = must(open("gone", O_RDONLY));
		check(read(fd, got, 10) == 3 && !memcmp(got, "new", 3), "the new file of that name", "changed");
		check(!memcmp(mapped, expect, 8192), "deleted and mapped", "changed");
		check(access("deleted-and-mapped", F_OK), "deleted stays deleted", "it is back");
	}
	return done();
}
