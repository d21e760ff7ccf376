/*
 * Unix sockets inside the tree: pairs of each type with data and descriptors in flight, a listening socket with a connection that waits,
 * accepted connections with their names, datagram sockets connected both ways and one way, abstract, relative and deleted names, shutdowns,
 * closed peers, options.
 */
#include "check.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

/* check() with a name that is not a literal */
#define verify(condition, what, why, ...) ((condition) ? say("ok %s", what) : say("FAIL %s: " why, what, ##__VA_ARGS__))

static socklen_t named(struct sockaddr_un *a, const char *name)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	strcpy(a->sun_path + (name[0] == '@'), name + (name[0] == '@'));
	return offsetof(struct sockaddr_un, sun_path) + strlen(name) + (name[0] != '@');
}

static int bound(int type, const char *name)
{
	struct sockaddr_un a;
	int s = must(socket(AF_UNIX, type, 0));

	must(bind(s, (void *)&a, named(&a, name)));
	return s;
}

static int joined(int s, const char *name)
{
	struct sockaddr_un a;

	must(connect(s, (void *)&a, named(&a, name)));
	return s;
}

/* name of a socket or of its peer; "" when it has none */
static const char *name_of(int s, int peer)
{
	static char text[120];
	struct sockaddr_un a;
	socklen_t size = sizeof(a);

	memset(&a, 0, sizeof(a));
	if ((peer ? getpeername : getsockname)(s, (void *)&a, &size))
		return strcpy(text, strerror(errno));
	if (size <= offsetof(struct sockaddr_un, sun_path))
		return strcpy(text, "");
	snprintf(text, sizeof(text), "%s%s", a.sun_path[0] ? "" : "@", a.sun_path + !a.sun_path[0]);
	return text;
}

static void send_fds(int s, const char *text, const int *fds, int n)
{
	char control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	must(sendmsg(s, &m, 0));
}

/* reads one message; its descriptors go to fds. Returns how many came. */
static int receive(int s, char *text, size_t size, int *fds, struct ucred *who)
{
	char control[512];
	struct iovec iov = { text, size - 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(s, &m, MSG_DONTWAIT);
	int count = 0;

	text[n > 0 ? n : 0] = 0;
	if (n < 0)
		return snprintf(text, size, "%s", strerror(errno)), -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_type == SCM_RIGHTS && fds) {
			count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(fds, CMSG_DATA(c), count * sizeof(int));
		}
		if (c->cmsg_type == SCM_CREDENTIALS && who)
			memcpy(who, CMSG_DATA(c), sizeof(*who));
	}
	return count;
}

static int option(int s, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	getsockopt(s, SOL_SOCKET, name, &value, &size);
	return value;
}

static void expect(int s, const char *want, const char *what)
{
	char got[256];

	receive(s, got, sizeof(got), NULL, NULL);
	verify(!strcmp(got, want), what, "got '%s', not '%s'", got, want);
}

static void both_ways(int a, int b, const char *what)
{
	char got[64] = { 0 };

	verify(send(a, "ping", 4, MSG_NOSIGNAL) == 4 && recv(b, got, sizeof(got), MSG_DONTWAIT) == 4 && send(b, "pong!", 5, MSG_NOSIGNAL) == 5
		      && recv(a, got, sizeof(got), MSG_DONTWAIT) == 5 && !strcmp(got, "pong!"), what, "%s, '%s'", strerror(errno), got);
}

static struct ucred peer_of(int s)
{
	struct ucred who = { 0 };
	socklen_t size = sizeof(who);

	must(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &who, &size));
	return who;
}

/* Another user's sockets: whom they name as their peer. */
static void other_user(void)
{
	int two[2];

	must(setresgid(1234, 1234, 1234)), must(setresuid(1234, 1234, 1234));
	int server = bound(SOCK_STREAM, "@stillframe test user");
	must(listen(server, 3)), must(socketpair(AF_UNIX, SOCK_STREAM, 0, two));
	int before = joined(must(socket(AF_UNIX, SOCK_STREAM, 0)), "@stillframe test user");
	wait_for_go();
	int after = joined(must(socket(AF_UNIX, SOCK_STREAM, 0)), "@stillframe test user");
	struct ucred who = peer_of(after);
	check(who.pid == getpid() && who.uid == 1234 && who.gid == 1234, "who listens", "pid %d, uid %u, gid %u", who.pid, who.uid, who.gid);
	who = peer_of(two[0]);
	check(who.uid == 1234 && who.gid == 1234, "user of a pair", "uid %u, gid %u", who.uid, who.gid);
	who = peer_of(before);
	check(who.uid == 1234 && who.gid == 1234, "user who listens", "uid %u, gid %u", who.uid, who.gid);
	who = peer_of(must(accept(server, NULL, NULL)));
	check(who.uid == 1234 && who.gid == 1234, "user who waited to be accepted", "uid %u, gid %u", who.uid, who.gid);
	_exit(0);
}

static const int types[3] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
static const char *const type_names[3] = { "stream", "datagram", "seqpacket" };

/* With the argument "common": only what CRIU's images can tell, too. */
int main(int argc, char **argv)
{
	int common = argc > 1 && !strcmp(argv[1], "common");
	static char big[100000], back[100000];
	char text[256];
	int pair[3][2], half[3][2], lost[3][2], fds[16], carrier[2], pipes[2], inner[2], shut[2], creds[2], quiet[2];
	struct stat st;

	umask(022);
	for (int i = 0; i < 3; i++) {
		must(socketpair(AF_UNIX, types[i], 0, pair[i])), must(socketpair(AF_UNIX, types[i], 0, half[i])), must(socketpair(AF_UNIX, types[i], 0, lost[i]));
		must(send(pair[i][0], "one", 3, 0)), must(send(pair[i][0], "two", 3, 0)), must(send(pair[i][1], "back", 4, 0));
		must(send(half[i][0], "last", 4, 0)), must(shutdown(half[i][0], SHUT_WR));
		must(send(lost[i][0], "testament", 9, 0)), close(lost[i][0]);
	}
	if (!common)
		must(send(pair[1][0], "", 0, 0));
	must(send(pair[1][0], "after nothing", 13, 0));

	/* a stream larger than one buffer, partly read */
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, quiet));
	fill(big, sizeof(big), 3);
	must(write(quiet[0], big, sizeof(big)));
	must(read(quiet[1], back, 1000));

	/* in flight: a pipe's reading end that is open nowhere else, a socket that itself has something in flight, a file of ours */
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, carrier)), must(pipe(pipes)), must(socketpair(AF_UNIX, SOCK_DGRAM, 0, inner));
	must(write(pipes[1], "in a pipe", 9));
	int file = must(open("unix.file", O_RDWR | O_CREAT, 0600));
	must(write(file, "file", 4));
	send_fds(inner[0], "nested", (int[]){ file }, 1);
	must(send(carrier[0], "before ", 7, 0));
	send_fds(carrier[0], "with", (int[]){ pipes[0], inner[1], file }, 3);
	must(send(carrier[0], " behind", 7, 0));
	close(pipes[0]), close(inner[1]);

	/* listening, one accepted, one that waits */
	int listening = bound(SOCK_STREAM, "listen.sock");
	must(chmod("listen.sock", 0640)), must(listen(listening, 7));
	int client = joined(must(socket(AF_UNIX, SOCK_STREAM, 0)), "listen.sock");
	int accepted = must(accept(listening, NULL, NULL));
	must(send(client, "hello", 5, 0));
	int waiting = joined(must(socket(AF_UNIX, SOCK_STREAM, 0)), "listen.sock");
	int second = joined(bound(SOCK_STREAM, "@stillframe test client"), "listen.sock");

	/* accepted by somebody who does not listen any more, from an abstract name */
	int gone = bound(SOCK_SEQPACKET, "@stillframe test gone");
	must(listen(gone, 1));
	int stranger = joined(must(socket(AF_UNIX, SOCK_SEQPACKET, 0)), "@stillframe test gone");
	int orphan = must(accept(gone, NULL, NULL));
	close(gone);

	/* datagrams: server and client by relative names, a deleted name, both in flight */
	must(mkdir("dir", 0755));
	int server = bound(SOCK_DGRAM, "dir/server");
	int sender = joined(bound(SOCK_DGRAM, "./sender"), "dir/server");
	must(send(sender, "to the server", 13, 0));
	int deleted = bound(SOCK_DGRAM, "dir/deleted");
	int to_deleted = joined(must(socket(AF_UNIX, SOCK_DGRAM, 0)), "dir/deleted");
	must(send(to_deleted, "to nowhere", 10, 0));
	must(unlink("dir/deleted"));
	int abstract = bound(SOCK_DGRAM, "@stillframe test abstract");

	/* bound to one name, reached by others: linked and the first removed (supervisord), renamed, renamed and the old name taken by a file */
	char directory[100], absolute[120];
	int linked = -1, renamed = -1, taken = -1;
	if (!common) {
		linked = bound(SOCK_STREAM, "linked.tmp"), renamed = bound(SOCK_DGRAM, "renamed.tmp");
		snprintf(absolute, sizeof(absolute), "%s/taken", getcwd(directory, sizeof(directory)));
		taken = bound(SOCK_STREAM, absolute);
		must(link("linked.tmp", "linked.sock")), must(link("linked.tmp", "linked.too")), must(unlink("linked.tmp"));
		must(rename("renamed.tmp", "renamed.sock")), must(rename("taken", "taken.sock"));
		must(listen(linked, 1)), must(listen(taken, 1)), close(must(open("taken", O_CREAT | O_EXCL, 0600)));
	}

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, shut));
	must(shutdown(shut[0], SHUT_RDWR));

	/* credentials in a queue */
	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, creds));
	must(setsockopt(creds[1], SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, sizeof(int)));
	if (!common)
		must(send(creds[0], "it was me", 9, 0));

	must(setsockopt(abstract, SOL_SOCKET, SO_SNDBUF, &(int){ 9000 }, sizeof(int)));
	must(setsockopt(abstract, SOL_SOCKET, SO_RCVBUF, &(int){ 20000 }, sizeof(int)));
	must(setsockopt(abstract, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)));
	must(setsockopt(abstract, SOL_SOCKET, SO_PRIORITY, &(int){ 3 }, sizeof(int)));
	must(setsockopt(abstract, SOL_SOCKET, SO_PEEK_OFF, &(int){ 2 }, sizeof(int)));
	must(setsockopt(abstract, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 3, 250000 }, sizeof(struct timeval)));
	int sndbuf = option(abstract, SO_SNDBUF), rcvbuf = option(abstract, SO_RCVBUF);
	struct timeval timeout = { 0, 0 };
	must(getsockopt(abstract, SOL_SOCKET, SO_RCVTIMEO, &timeout, &(socklen_t){ sizeof(timeout) }));
	must(fcntl(abstract, F_SETFL, O_NONBLOCK));

	pid_t other = common ? 0 : must(fork());
	if (other == 0 && !common)
		other_user();
	pid_t child = must(fork());
	if (child == 0) {
		char got[64];
		ssize_t n;

		close(pair[0][0]);
		while ((n = recv(pair[0][1], got, sizeof(got), 0)) > 0)
			if (send(pair[0][1], got, n, 0) != n)
				_exit(3);
		_exit(n == 0 ? 42 : 4);
	}
	sleep_ms(50);
	/* the child has echoed what was sent: "back" and then "onetwo" */
	ready_and_wait();

	must(send(pair[0][0], " and more", 9, 0));
	sleep_ms(100);
	memset(text, 0, sizeof(text));
	ssize_t n = recv(pair[0][0], text, sizeof(text), MSG_DONTWAIT);
	verify(n == 19 && !strcmp(text, "backonetwo and more"), "a stream between two tasks", "%zd: '%s'", n, text);
	for (int i = 1; i < 3; i++) {
		expect(pair[i][1], "one", type_names[i]), expect(pair[i][1], "two", type_names[i]);
		if (i == 1 && !common)
			expect(pair[i][1], "", "an empty datagram");
		if (i == 1)
			expect(pair[i][1], "after nothing", "behind an empty datagram");
		expect(pair[i][0], "back", type_names[i]);
		both_ways(pair[i][0], pair[i][1], type_names[i]);
	}
	for (int i = 0; i < 3; i++) {
		expect(half[i][1], "last", "half closed, its data");
		verify(send(half[i][0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "half closed", "it can be written to");
		if (i != 1)
			verify(recv(half[i][1], text, 1, MSG_DONTWAIT) == 0, "half closed, its end", "%s", strerror(errno));
		expect(lost[i][1], "testament", "of a closed peer");
		n = send(lost[i][1], "x", 1, MSG_NOSIGNAL);
		verify(n == -1 && (errno == (i == 1 ? ECONNREFUSED : EPIPE) || (common && i == 1)), "its peer is closed", "%zd, %s", n, strerror(errno));
	}
	for (size_t at = 1000; at < sizeof(big); at += n)
		if ((n = recv(quiet[1], back + at, sizeof(back) - at, MSG_DONTWAIT)) <= 0)
			break;
	verify(!memcmp(big, back, sizeof(big)), "a long stream", "it differs");

	n = receive(carrier[1], text, sizeof(text), fds, NULL);
	if (n == 0 && !strcmp(text, "before "))
		n = receive(carrier[1], text, sizeof(text), fds, NULL);
	verify(n == 3, "descriptors in flight", "%zd, with '%s'", n, text);
	if (n == 3) {
		verify(read(fds[0], text, sizeof(text)) == 9 && !memcmp(text, "in a pipe", 9), "a pipe in flight", "%.9s", text);
		must(write(pipes[1], "more", 4));
		verify(read(fds[0], text, sizeof(text)) == 4, "joined to the other end", "it is not");
		lseek(file, 2, SEEK_SET);
		verify(lseek(fds[2], 0, SEEK_CUR) == 2, "in flight and open: one description", "%ld", (long)lseek(fds[2], 0, SEEK_CUR));
		int deep[16];
		n = receive(fds[1], text, sizeof(text), deep, NULL);
		verify(n == 1 && !strcmp(text, "nested") && lseek(deep[0], 0, SEEK_CUR) == 2, "in flight in what is in flight", "%zd '%s'", n, text);
		both_ways(inner[0], fds[1], "a socket in flight");
		expect(carrier[1], " behind", "behind descriptors");
	}

	verify(!strcmp(name_of(listening, 0), "listen.sock") && option(listening, SO_ACCEPTCONN) == 1, "listening", "'%s'", name_of(listening, 0));
	verify(!stat("listen.sock", &st) && (st.st_mode & 07777) == 0640, "its file", "mode %o", st.st_mode);
	expect(accepted, "hello", "an accepted connection's data");
	both_ways(client, accepted, "an accepted connection");
	verify(common || (!strcmp(name_of(accepted, 0), "listen.sock") && !strcmp(name_of(client, 1), "listen.sock")), "names of an accepted connection", "'%s'", name_of(accepted, 0));
	int first = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
	verify(first >= 0, "one that waited to be accepted", "%s", strerror(errno));
	both_ways(waiting, first, "the first that waited");
	int next = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
	verify(next >= 0 && (common || !strcmp(name_of(next, 1), "@stillframe test client")), "the second that waited", "'%s'", name_of(next, 1));
	both_ways(second, next, "the second that waited");
	joined(must(socket(AF_UNIX, SOCK_STREAM, 0)), "listen.sock");
	ok("new connections");
	both_ways(stranger, orphan, "accepted before the listening one was closed");
	verify(common || (!strcmp(name_of(orphan, 0), "@stillframe test gone") && !strcmp(name_of(stranger, 1), "@stillframe test gone")), "its name", "'%s'", name_of(orphan, 0));

	expect(server, "to the server", "a datagram to a name");
	must(send(sender, "again", 5, 0));
	struct sockaddr_un from;
	socklen_t size = sizeof(from);
	n = recvfrom(server, text, sizeof(text), MSG_DONTWAIT, (void *)&from, &size);
	verify(n == 5 && !strcmp(from.sun_path, "./sender"), "a relative name", "%zd from '%s'", n, from.sun_path);
	joined(must(socket(AF_UNIX, SOCK_DGRAM, 0)), "dir/server");
	expect(deleted, "to nowhere", "a datagram to a deleted name");
	must(send(to_deleted, "still", 5, 0));
	expect(deleted, "still", "connected to a deleted name");
	verify(!strcmp(name_of(deleted, 0), "dir/deleted") && access("dir/deleted", F_OK), "a deleted name", "'%s', it is there", name_of(deleted, 0));
	if (!common) {
		int reached[] = { joined(must(socket(AF_UNIX, SOCK_STREAM, 0)), "linked.sock"), accept4(linked, NULL, NULL, SOCK_NONBLOCK) };
		both_ways(reached[0], reached[1], "linked to another name, the first removed");
		verify(!strcmp(name_of(linked, 0), "linked.tmp") && access("linked.tmp", F_OK), "its name", "'%s', it is there", name_of(linked, 0));
		verify(!stat("linked.too", &st) && st.st_nlink == 2, "its other name", "%u", (unsigned)st.st_nlink);
		int renamed_to = joined(must(socket(AF_UNIX, SOCK_DGRAM, 0)), "renamed.sock");
		must(send(renamed_to, "found", 5, 0));
		expect(renamed, "found", "renamed");
		int taken_to = joined(must(socket(AF_UNIX, SOCK_STREAM, 0)), "taken.sock");
		both_ways(taken_to, accept4(taken, NULL, NULL, SOCK_NONBLOCK), "renamed, its old name another file's");
		verify(!lstat("taken", &st) && S_ISREG(st.st_mode), "that file", "it is gone");
	}
	verify(send(shut[0], "x", 1, MSG_NOSIGNAL) == -1 && recv(shut[1], text, 1, MSG_DONTWAIT) == 0, "shut down both ways", "it is not");

	struct ucred who = { 0 };
	if (common)
		must(send(creds[0], "it was me", 9, 0));
	receive(creds[1], text, sizeof(text), NULL, &who);
	verify(who.pid == getpid() && who.uid == getuid() && !strcmp(text, "it was me"), "credentials in a queue", "pid %d, '%s'", who.pid, text);
	verify(option(creds[1], SO_PASSCRED) == 1 && option(creds[0], SO_PASSCRED) == 0, "SO_PASSCRED", "%d %d", option(creds[1], SO_PASSCRED), option(creds[0], SO_PASSCRED));

	verify(option(abstract, SO_SNDBUF) == sndbuf && option(abstract, SO_RCVBUF) == rcvbuf, "buffer sizes", "%d %d, were %d %d", option(abstract, SO_SNDBUF), option(abstract, SO_RCVBUF), sndbuf, rcvbuf);
	verify(option(abstract, SO_PRIORITY) == 3 && (common || (option(abstract, SO_PEEK_OFF) == 2 && option(abstract, SO_REUSEADDR) == 1)), "options", "%d %d %d", option(abstract, SO_PRIORITY), option(abstract, SO_PEEK_OFF), option(abstract, SO_REUSEADDR));
	verify(fcntl(abstract, F_GETFL) & O_NONBLOCK, "O_NONBLOCK", "it is not set");
	struct timeval wait = { 0, 0 };
	size = sizeof(wait);
	getsockopt(abstract, SOL_SOCKET, SO_RCVTIMEO, &wait, &size);
	verify(wait.tv_sec == timeout.tv_sec && wait.tv_usec == timeout.tv_usec, "receive timeout", "%ld.%06ld", (long)wait.tv_sec, (long)wait.tv_usec);
	verify(!strcmp(name_of(abstract, 0), "@stillframe test abstract"), "an abstract name", "'%s'", name_of(abstract, 0));

	int status;
	if (other > 0)
		verify(waitpid(other, &status, 0) == other && status == 0, "the other user's end", "%#x", status);
	shutdown(pair[0][0], SHUT_WR);
	verify(waitpid(child, &status, 0) == child && status == 42 << 8, "other task's end", "%#x", status);
	return done();
}
