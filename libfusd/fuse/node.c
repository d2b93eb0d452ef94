// SPDX-License-Identifier: BSD-3-Clause
/*
 * Making and removing the node that a FUSE device is mounted over. It is a
 * socket that nobody listens to, which cannot be opened, so that a path is the
 * device or nothing; or, for fusermount3, an empty file that only its owner may
 * write, and that only until it is mounted over.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "directory.h"
#include "mount.h"
#include "node.h"
#include "proc.h"

/* Nobody else's socket has just this mode: the sticky bit means nothing there.
 */
#define SOCKET_MODE S_ISVTX

/*
 * The mode of an empty file to mount over, which nobody else's has. Taking over
 * one that was left behind loses nothing. Covered, it has none of the bits.
 */
#define FILE_MODE 0200

/* How often another driver may come or go meanwhile. */
#define MAX_ROUNDS 100

/* How long a dead driver's watcher gets to clean up before we do it. */
#define WATCHER_TIME_MS 5000

/* Tells the process that made the mount of this id, alive or not, in *owner. */
static bool is_owner_alive(const char *id, int *owner)
{
	char own[FUSD_MOUNT_ID_SIZE];
	unsigned long long start = 0;

	*owner = 0;
	sscanf(id, "fusd:%d:%llu", owner, &start);
	fusd_mount_id(own);
	/* Another id of this process is one of a program that it ran before. */
	if (*owner == getpid() && strcmp(id, own) != 0)
		return false;
	return start != 0 && fusd_proc_thread_start(*owner) == start;
}

/* Waits until the mount of a dead driver is gone. */
static void wait_for_watcher(const char *path, const char *id)
{
	struct pollfd mounts = { .events = POLLPRI };
	char found[FUSD_MOUNT_ID_SIZE];
	int64_t start = fusd_now_ms();
	int64_t waited = 0;

	/* proc(5): mountinfo polls when a mount comes or goes. */
	mounts.fd = fusd_proc_open_mounts();
	while (mounts.fd >= 0 && waited < WATCHER_TIME_MS &&
	       fusd_mount_find(path, found) == 1 && !strcmp(found, id)) {
		poll(&mounts, 1, (int)(WATCHER_TIME_MS - waited));
		waited = fusd_now_ms() - start;
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
static int clear_mount(const struct fusd_place *place, const char *path)
{
	char id[FUSD_MOUNT_ID_SIZE], after[FUSD_MOUNT_ID_SIZE];
	char real[FUSD_PLACE_SIZE];
	int found = fusd_mount_find(path, id);
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
		/* A dead driver's watcher may have just cleared it away. */
		if (fusd_mount_find(path, after) != 1 || strcmp(after, id))
			return -EAGAIN;
		return fusd_fail(EEXIST,
				 "%s is served by another driver, process %d",
				 path, owner);
	}
	wait_for_watcher(path, id);
	if (fusd_mount_find(path, after) == 1 && !strcmp(after, id)) {
		fusd_place_path(place, real);
		fusd_unmount(real, path);
	}
	return 0;
}

/* What is asked of no driver, which may be this process. */
static bool look_at_name(int directory, const char *name, int flags,
			 struct statx *found)
{
	return statx(directory, name,
		     flags | AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC,
		     STATX_BASIC_STATS, found) == 0;
}

static bool is_node(const struct fusd_node *node, const struct statx *found)
{
	return makedev(found->stx_dev_major, found->stx_dev_minor) ==
		       node->file_device &&
	       found->stx_ino == node->file_inode;
}

/* Whether the place still has the node, and nothing covers it. */
static bool is_named(const struct fusd_node *node,
		     const struct fusd_place *place)
{
	struct statx found;

	return look_at_name(place->directory, place->name, 0, &found) &&
	       is_node(node, &found);
}

static bool note_node(struct fusd_node *node, int fd)
{
	struct statx found;

	if (!look_at_name(fd, "", AT_EMPTY_PATH, &found))
		return false;
	node->file_device = makedev(found.stx_dev_major, found.stx_dev_minor);
	node->file_inode = found.stx_ino;
	return true;
}

static bool is_socket(const struct statx *found)
{
	return S_ISSOCK(found->stx_mode) &&
	       (found->stx_mode & 07777) == SOCKET_MODE &&
	       found->stx_uid == geteuid();
}

static bool is_file(const struct statx *found)
{
	mode_t mode = found->stx_mode & 07777;

	return S_ISREG(found->stx_mode) && found->stx_size == 0 &&
	       found->stx_nlink == 1 && (mode == FILE_MODE || mode == 0) &&
	       (found->stx_uid == geteuid() || geteuid() == 0);
}

/* A file that was looked at; a driver that is about to mount has it locked. */
static int lock_file(int fd)
{
	char path[FUSD_DESCRIPTOR_PATH_SIZE];
	int file;

	fusd_descriptor_path(fd, path);
	chmod(path, FILE_MODE);
	file = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0)
		return file;
	if (file >= 0)
		close(file);
	return -EAGAIN;
}

/*
 * Takes what was left behind, of the wanted kind: a socket as an O_PATH
 * descriptor, a file locked. What is of the other kind is removed, with
 * -EAGAIN. -EEXIST for what is none of ours, which is only looked at: opening
 * a device, or a pipe, has effects.
 */
static int take_leftover(const struct fusd_place *place, const char *path,
			 bool is_socket_wanted)
{
	int fd = openat(place->directory, place->name,
			O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct statx found;
	int file;

	if (fd < 0 || !look_at_name(fd, "", AT_EMPTY_PATH, &found)) {
		if (fd >= 0)
			close(fd);
		return errno == ENOENT ? -EAGAIN :
					 fusd_fail(errno, "cannot use %s: %s",
						   path, strerror(errno));
	}
	if (is_socket(&found)) {
		if (is_socket_wanted)
			return fd;
		unlinkat(place->directory, place->name, 0);
		close(fd);
		return -EAGAIN;
	}
	if (is_file(&found)) {
		file = lock_file(fd);
		close(fd);
		if (!is_socket_wanted || file < 0)
			return file;
		unlinkat(place->directory, place->name, 0);
		close(file);
		return -EAGAIN;
	}
	close(fd);
	return fusd_fail(EEXIST,
			 "%s is there already and is no device of ours: choose "
			 "another name%s",
			 path, S_ISREG(found.stx_mode) ? " or remove it" : "");
}

static int fail_to_make(const char *path)
{
	if (errno == ENOENT)
		return -EAGAIN;
	return fusd_fail(errno, "cannot make %s: %s" FUSD_ROOT_HINT, path,
			 strerror(errno));
}

/* An O_PATH descriptor of the socket to mount over. */
static int take_socket(const struct fusd_place *place, const char *path)
{
	int error;

	if (mknodat(place->directory, place->name, S_IFSOCK | SOCKET_MODE, 0) <
	    0) {
		/* A file system that has no sockets. */
		if (errno == EPERM || errno == EOPNOTSUPP)
			return -EPERM;
		if (errno != EEXIST)
			return fail_to_make(path);
		error = clear_mount(place, path);
		if (error)
			return error;
	}
	return take_leftover(place, path, true);
}

/* A descriptor of the file to mount over, which nobody else takes meanwhile. */
static int take_file(const struct fusd_place *place, const char *path)
{
	int fd = openat(place->directory, place->name,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			FILE_MODE);
	int error;

	if (fd < 0) {
		if (errno != EEXIST)
			return fail_to_make(path);
		error = clear_mount(place, path);
		return error ? error : take_leftover(place, path, false);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		/* Whatever the umask is. */
		fchmod(fd, FILE_MODE);
		return fd;
	}
	close(fd);
	return -EAGAIN;
}

static void unlink_node(const struct fusd_place *place,
			const struct fusd_node *node)
{
	/* EBUSY if another driver has mounted over it by now. */
	if (is_named(node, place))
		unlinkat(place->directory, place->name, 0);
}

/*
 * Gives back the connection if the mount is where it should be. Another driver
 * may have mounted over the same node: the one below stays. Or somebody has
 * moved a directory.
 */
static int check_mount(const struct fusd_place *place, const char *path,
		       const struct fusd_node *node, int connection)
{
	char real[FUSD_PLACE_SIZE];

	if (connection < 0 || fusd_mount_is_alone(path, node->mount_id))
		return connection;
	fusd_place_path(place, real);
	fusd_unmount(real, path);
	close(connection);
	return -EAGAIN;
}

static int mount_over_socket(const struct fusd_place *place, const char *path,
			     struct fusd_node *node)
{
	int fd = take_socket(place, path);
	int result;

	if (fd < 0)
		return fd;
	result = note_node(node, fd) ? fusd_mount(fd, node->mount_id) : -errno;
	close(fd);
	result = check_mount(place, path, node, result);
	/* Another driver, or a watcher, has removed it. */
	if (result == -ENOENT)
		return -EAGAIN;
	if (result < 0 && result != -EAGAIN)
		unlink_node(place, node);
	if (result < 0 && result != -EAGAIN && result != -EPERM)
		fusd_fail(-result, "cannot mount over %s: %s", path,
			  strerror(-result));
	return result;
}

static int mount_over_file(const struct fusd_place *place, const char *path,
			   struct fusd_node *node)
{
	int file = take_file(place, path);
	int result = -EAGAIN;

	if (file < 0)
		return file;
	if (note_node(node, file) && is_named(node, place)) {
		result = fusd_mount_as_user(path, node->mount_id);
		result = check_mount(place, path, node, result);
		if (result < 0 && !is_named(node, place))
			result = -EAGAIN;
		else if (result < 0)
			unlink_node(place, node);
		else
			fchmod(file, 0); /* for the moment after the mount */
	}
	close(file);
	return result;
}

static int mount_node(const char *root, const char *path,
		      struct fusd_node *node)
{
	struct fusd_place place;
	int result = fusd_place_open(&place, root, path, true);

	if (result < 0)
		return result;
	result = -EPERM;
	if (fusd_may_mount())
		result = mount_over_socket(&place, path, node);
	/* A container may forbid what the capabilities allow. */
	if (result == -EPERM)
		result = mount_over_file(&place, path, node);
	fusd_place_close(&place);
	if (result < 0 && result != -EAGAIN)
		fusd_directories_remove(root, path, false);
	return result;
}

/* The paths that threads of this process are taking just now. */
struct taking {
	struct taking *next;
	const char *path;
};

static pthread_mutex_t taking_lock = PTHREAD_MUTEX_INITIALIZER;
static struct taking *all_taking; /* taking_lock */

static bool begin_taking(struct taking *taking, const char *path)
{
	bool is_free = true;

	pthread_mutex_lock(&taking_lock);
	for (struct taking *one = all_taking; one; one = one->next)
		is_free = is_free && strcmp(one->path, path);
	if (is_free) {
		*taking = (struct taking){ all_taking, path };
		all_taking = taking;
	}
	pthread_mutex_unlock(&taking_lock);
	return is_free;
}

static void end_taking(struct taking *taking)
{
	struct taking **link = &all_taking;

	pthread_mutex_lock(&taking_lock);
	while (*link && *link != taking)
		link = &(*link)->next;
	if (*link)
		*link = taking->next;
	pthread_mutex_unlock(&taking_lock);
}

void fusd_node_forget(void)
{
	pthread_mutex_init(&taking_lock, NULL);
	all_taking = NULL;
}

int fusd_node_mount(const char *root, const char *path, struct fusd_node *node)
{
	struct taking taking;
	int result = -EAGAIN;

	if (!begin_taking(&taking, path))
		return fusd_fail(EEXIST, "%s is a device of this process",
				 path);
	fusd_mount_id(node->mount_id);
	/* Each round lost means that another driver came or went. */
	for (int round = 0; round < MAX_ROUNDS && result == -EAGAIN; round++)
		result = mount_node(root, path, node);
	end_taking(&taking);
	if (result == -EAGAIN)
		return fusd_fail(EEXIST, "%s is being taken by other drivers",
				 path);
	return result;
}

/*
 * Whether something else is in the device's place: umount(8) makes room for
 * another driver's device, or a file. A mount that cannot be looked for is most
 * likely ours.
 */
static bool is_taken(const char *path, const struct fusd_node *node)
{
	char id[FUSD_MOUNT_ID_SIZE];
	int found = fusd_mount_find(path, id);

	return found == 2 || (found == 1 && strcmp(id, node->mount_id) != 0);
}

static void remove_node(const char *root, const char *path,
			const struct fusd_node *node)
{
	char real[FUSD_PLACE_SIZE];
	struct fusd_place place;
	int error = fusd_place_open(&place, root, path, false);
	bool is_gone;

	/* A driver that has no descriptors left may still end. */
	if (error == -EMFILE || error == -ENFILE)
		place = (struct fusd_place){ AT_FDCWD, path };
	else if (error)
		return;
	fusd_place_path(&place, real);
	fusd_unmount(real, path);
	/* EBUSY if another driver has mounted over it by now. */
	is_gone = is_named(node, &place) &&
		  unlinkat(place.directory, place.name, 0) == 0;
	fusd_place_close(&place);
	if (is_gone)
		fusd_directories_remove(root, path, false);
}

void fusd_node_remove(const char *root, const char *path,
		      const struct fusd_node *node)
{
	sigset_t all, before;

	if (is_taken(path, node))
		return;
	/* A signal that ends the driver in between would leave the node. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	remove_node(root, path, node);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static int make_private(const char *directory)
{
	struct stat status;

	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return fusd_fail(errno,
				 "cannot make directory %s: %s" FUSD_ROOT_HINT,
				 directory, strerror(errno));
	if (lstat(directory, &status) < 0 || !S_ISDIR(status.st_mode) ||
	    status.st_uid != geteuid())
		return fusd_fail(EACCES,
				 "%s is not this user's: set FUSD_DEV_ROOT to "
				 "a directory for devices",
				 directory);
	return 0;
}

/* The environment may name another user's directory, after sudo(8) say. */
static bool is_own_directory(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode) &&
	       status.st_uid == geteuid();
}

/* The directory for devices of a user who may not write to /dev. */
static int user_root(char *root, size_t size)
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
	char *end;
	int error;

	if (runtime && *runtime == '/' && is_own_directory(runtime))
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
	const char *wanted = secure_getenv("FUSD_DEV_ROOT");
	char chosen[PATH_MAX];
	char *real;
	int error;

	if (wanted && *wanted) {
		snprintf(chosen, sizeof(chosen), "%s", wanted);
		error = fusd_directory_make(chosen);
		if (error)
			return fusd_fail(-error,
					 "cannot make FUSD_DEV_ROOT %s: %s",
					 wanted, strerror(-error));
	} else if (faccessat(AT_FDCWD, "/dev", W_OK, AT_EACCESS) == 0) {
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
