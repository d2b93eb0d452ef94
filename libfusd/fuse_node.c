// SPDX-License-Identifier: BSD-3-Clause
/* Making and removing the file that a FUSE device is mounted over. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuse_node.h"

extern char **environ;

/*
 * An empty file of just this mode is one we made: it holds nothing, so taking
 * over one that was left behind loses nothing. Its owner must be able to open
 * it for writing, or fusermount3 refuses to mount over it.
 */
#define NODE_MODE 0200

#define ROOT_HINT "; FUSD_DEV_ROOT may name another directory for devices"

/* How long a dead driver's watcher gets to clean up before we do it. */
#define WATCHER_TIME_MS 2000

/* Tells the program from the one that the process ran before an execve(2). */
static unsigned long long program_start(void)
{
	static atomic_ullong start;
	unsigned long long unset = 0;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	atomic_compare_exchange_strong(&start, &unset,
				       (unsigned long long)now.tv_sec *
						       1000000000 +
					       (unsigned long long)now.tv_nsec);
	return start;
}

void fusd_mount_id(char id[FUSD_MOUNT_ID_SIZE])
{
	snprintf(id, FUSD_MOUNT_ID_SIZE, "fusd:%d:%llu:%llu", (int)getpid(),
		 fusd_thread_start(getpid()), program_start());
}

/* Octal escapes of proc(5)'s mountinfo, undone in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			*to = (char)((from[1] - '0') << 6 |
				     (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = 0;
}

/*
 * Finds the topmost mount at path. 0: none. 1: one of FUSD, its id is in id.
 * 2: something else. -errno if that cannot be found out.
 */
static int find_mount(const char *path, char id[FUSD_MOUNT_ID_SIZE])
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	int found = 0;

	if (!mounts)
		return -errno;
	while (getline(&line, &size, mounts) > 0) {
		char *point = NULL;
		const char *type;

		if (sscanf(line, "%*s %*s %*s %*s %ms", &point) == 1) {
			unescape(point);
			type = strstr(line, " - ");
			if (!strcmp(point, path) && type)
				found = sscanf(type, " - fuse.fusd %63s", id) ==
							1 ?
						1 :
						2;
		}
		free(point);
	}
	free(line);
	fclose(mounts);
	return found;
}

static void unmount(const char *path)
{
	const char *arguments[] = { "fusermount3", "-u", "-z", "-q",
				    "--",	   path, NULL };
	pid_t pid;

	if (!umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) || errno != EPERM)
		return;
	if (!posix_spawnp(&pid, "fusermount3", NULL, NULL,
			  (char *const *)arguments, environ))
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
}

/* Tells the process that made the mount of this id, alive or not, in *owner. */
static bool is_owner_alive(const char *id, int *owner)
{
	char own[FUSD_MOUNT_ID_SIZE];
	unsigned long long start = 0;

	*owner = 0;
	sscanf(id, "fusd:%d:%llu", owner, &start);
	fusd_mount_id(own);
	/* Of this process: then of the program that it ran before. */
	if (*owner == getpid() && strcmp(id, own) != 0)
		return false;
	return start != 0 && fusd_thread_start(*owner) == start;
}

/* Waits until the mount of a dead driver is gone. */
static void wait_for_watcher(const char *path, const char *id)
{
	struct pollfd mounts = { .events = POLLPRI };
	char found[FUSD_MOUNT_ID_SIZE];
	struct timespec start, now;
	long waited = 0;

	/* proc(5): mountinfo polls when a mount comes or goes. */
	mounts.fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (mounts.fd >= 0 && waited < WATCHER_TIME_MS &&
	       find_mount(path, found) == 1 && !strcmp(found, id)) {
		poll(&mounts, 1, (int)(WATCHER_TIME_MS - waited));
		clock_gettime(CLOCK_MONOTONIC, &now);
		waited = (now.tv_sec - start.tv_sec) * 1000 +
			 (now.tv_nsec - start.tv_nsec) / 1000000;
	}
	if (mounts.fd >= 0)
		close(mounts.fd);
}

/* Asks whoever serves path, whatever the kernel remembers of its attributes. */
static bool is_disconnected(const char *path)
{
	struct statx status;

	return statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC, STATX_MODE, &status) <
		       0 &&
	       errno == ENOTCONN;
}

/*
 * Clears a dead driver's mount away. -EEXIST if it is not dead, -EAGAIN if the
 * mount changed meanwhile.
 */
static int clear_mount(const char *path)
{
	char id[FUSD_MOUNT_ID_SIZE], after[FUSD_MOUNT_ID_SIZE];
	int found = find_mount(path, id);
	int owner;

	if (found <= 0)
		return 0;
	if (found == 2)
		return fusd_fail(EEXIST,
				 "%s is a mount point of another kind: choose "
				 "another name",
				 path);
	/*
	 * A driver that forked after it registered lives on under another
	 * process id: then the connection answers, or is in use.
	 */
	if (is_owner_alive(id, &owner) || !is_disconnected(path)) {
		/* Or a dead driver's watcher has just cleared it away. */
		if (find_mount(path, after) != 1 || strcmp(after, id))
			return -EAGAIN;
		return fusd_fail(EEXIST,
				 "%s is served by another driver, process %d",
				 path, owner);
	}
	wait_for_watcher(path, id);
	if (find_mount(path, after) == 1 && !strcmp(after, id))
		unmount(path);
	return 0;
}

/* A mount is known by the path that the kernel has for it. */
static int check_real(const char *directory)
{
	char *real = realpath(directory, NULL);
	int error = 0;

	if (!real && errno == ENOENT)
		error = -EAGAIN; /* Another driver has removed it. */
	else if (!real)
		error = fusd_fail(errno, "cannot use %s for devices: %s",
				  directory, strerror(errno));
	else if (strcmp(real, directory))
		error = fusd_fail(
			ELOOP,
			"%s is a symbolic link to %s: choose another "
			"name, or set FUSD_DEV_ROOT to where it leads",
			directory, real);
	free(real);
	return error;
}

static int make_directories(const char *root, const char *path)
{
	size_t length = strlen(root) + 1;
	char part[PATH_MAX] = "";

	for (;;) {
		length += strcspn(path + length, "/");
		if (!path[length])
			return *part ? check_real(part) : 0;
		snprintf(part, sizeof(part), "%.*s", (int)length, path);
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return fusd_fail(errno,
					 "cannot make directory %s: "
					 "%s" ROOT_HINT,
					 part, strerror(errno));
		length++;
	}
}

void fusd_node_remove_directories(const char *root, const char *path)
{
	size_t root_length = strlen(root);
	char part[PATH_MAX];
	char *slash;

	snprintf(part, sizeof(part), "%s", path);
	while ((slash = strrchr(part, '/')) &&
	       (size_t)(slash - part) > root_length) {
		*slash = 0;
		if (rmdir(part) < 0)
			return;
	}
}

/* Takes a file that was left behind; -EAGAIN if it is gone meanwhile. */
static int open_leftover(const char *path)
{
	struct stat status;
	int fd = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? -EAGAIN : -EEXIST;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	    (status.st_mode & 07777) == NODE_MODE && status.st_size == 0)
		return fd;
	close(fd);
	return -EEXIST;
}

static bool is_regular(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static int open_node(const char *path)
{
	int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		     NODE_MODE);
	int error;

	if (fd >= 0) {
		/* Whatever the umask is. */
		fchmod(fd, NODE_MODE);
		return fd;
	}
	if (errno == ENOENT)
		return -EAGAIN;
	if (errno != EEXIST)
		return fusd_fail(errno, "cannot make %s: %s" ROOT_HINT, path,
				 strerror(errno));
	error = clear_mount(path);
	if (error)
		return error;
	fd = open_leftover(path);
	if (fd == -EEXIST)
		fusd_fail(
			EEXIST,
			"%s is there already and is no device of ours: choose "
			"another name%s",
			path, is_regular(path) ? " or remove it" : "");
	return fd;
}

/* Asks no driver, which may be this one, for what may cover the file. */
static bool is_named(const struct fusd_node *node, const char *path)
{
	struct statx named;

	return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC,
		     STATX_INO, &named) == 0 &&
	       makedev(named.stx_dev_major, named.stx_dev_minor) ==
		       node->file_device &&
	       named.stx_ino == node->file_inode;
}

/* Whether path still names the file behind fd, and nothing covers it. */
static bool is_current(int fd, const char *path, struct fusd_node *node)
{
	char id[FUSD_MOUNT_ID_SIZE];
	struct stat ours;

	if (find_mount(path, id) > 0 || fstat(fd, &ours) < 0)
		return false;
	node->file_device = ours.st_dev;
	node->file_inode = ours.st_ino;
	return is_named(node, path);
}

int fusd_node_create(const char *root, const char *path, struct fusd_node *node)
{
	/* Each round lost means that another driver came or went. */
	for (int round = 0; round < 100; round++) {
		int error = make_directories(root, path);
		int fd = error ? error : open_node(path);

		if (fd == -EAGAIN)
			continue;
		if (fd < 0)
			return fd;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 &&
		    is_current(fd, path, node))
			return fd;
		close(fd);
	}
	return fusd_fail(EEXIST, "%s is being taken by other drivers", path);
}

/*
 * Who takes a device away from outside makes room for another driver's, or for
 * a file. A mount that cannot be looked for is most likely ours.
 */
static bool is_taken(const char *path, const struct fusd_node *node)
{
	char id[FUSD_MOUNT_ID_SIZE];
	int found = find_mount(path, id);

	return found == 2 || (found == 1 && strcmp(id, node->mount_id) != 0);
}

void fusd_node_remove(const char *root, const char *path,
		      const struct fusd_node *node)
{
	sigset_t all, before;

	if (is_taken(path, node))
		return;
	/* A signal that ends the driver in between would leave the file. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	unmount(path);
	/* EBUSY if another driver has mounted over it by now. */
	if (is_named(node, path) && unlink(path) == 0)
		fusd_node_remove_directories(root, path);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static int make_private(const char *directory)
{
	struct stat status;

	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return fusd_fail(errno,
				 "cannot make directory %s: %s" ROOT_HINT,
				 directory, strerror(errno));
	if (lstat(directory, &status) < 0 || !S_ISDIR(status.st_mode) ||
	    status.st_uid != geteuid())
		return fusd_fail(EACCES,
				 "%s is not this user's: set FUSD_DEV_ROOT to "
				 "a directory for devices",
				 directory);
	return 0;
}

/* The directory for devices of a user who may not write to /dev. */
static int user_root(char *root, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char *end;
	int error;

	if (runtime && *runtime == '/')
		snprintf(root, size, "%s/fusd", runtime);
	else
		snprintf(root, size, "/tmp/fusd-%u", (unsigned int)geteuid());
	error = make_private(root);
	if (error)
		return error;
	end = root + strlen(root);
	snprintf(end, size - (size_t)(end - root), "/dev");
	return make_private(root);
}

int fusd_node_root(char *root, size_t size)
{
	const char *wanted = getenv("FUSD_DEV_ROOT");
	char chosen[PATH_MAX];
	char *real;
	int error;

	if (wanted && *wanted) {
		snprintf(chosen, sizeof(chosen), "%s", wanted);
		if (mkdir(chosen, 0755) < 0 && errno != EEXIST)
			return fusd_fail(errno,
					 "cannot make FUSD_DEV_ROOT %s: %s",
					 wanted, strerror(errno));
	} else if (access("/dev", W_OK) == 0) {
		strcpy(chosen, "/dev");
	} else {
		error = user_root(chosen, sizeof(chosen));
		if (error)
			return error;
	}
	real = realpath(chosen, NULL);
	if (!real)
		return fusd_fail(errno, "cannot use %s for devices: %s", chosen,
				 strerror(errno));
	/* Paths are made of it, a slash, and a name. */
	snprintf(root, size, "%s", strcmp(real, "/") ? real : "");
	free(real);
	return 0;
}
