// SPDX-License-Identifier: BSD-3-Clause
/* Walking from directory to directory, so that nobody can swap one meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"
#include "internal.h"

/* The sticky bit, which the umask leaves, says who made it. */
#define MADE_MODE (S_ISVTX | 0755)

#define ENTER (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

void fusd_descriptor_path(int fd, char path[FUSD_DESCRIPTOR_PATH_SIZE])
{
	snprintf(path, FUSD_DESCRIPTOR_PATH_SIZE, "/proc/self/fd/%d", fd);
}

void fusd_place_path(const struct fusd_place *place, char path[FUSD_PLACE_SIZE])
{
	if (place->directory == AT_FDCWD)
		snprintf(path, FUSD_PLACE_SIZE, "%s", place->name);
	else
		snprintf(path, FUSD_PLACE_SIZE, "/proc/self/fd/%d/%s",
			 place->directory, place->name);
}

void fusd_place_close(struct fusd_place *place)
{
	if (place->directory >= 0)
		close(place->directory);
}

/* A directory that was made just now and still is what it was. */
static void open_to_all(int fd)
{
	char path[FUSD_DESCRIPTOR_PATH_SIZE];
	struct stat status;

	if (fstat(fd, &status) < 0 || status.st_uid != geteuid() ||
	    !(status.st_mode & S_ISVTX))
		return;
	fusd_descriptor_path(fd, path);
	chmod(path, MADE_MODE);
}

static int make_directory(int parent, const char *name, const char *path)
{
	if (mkdirat(parent, name, MADE_MODE) == 0)
		return 1;
	if (errno == EEXIST)
		return 0;
	if (errno == ENOENT)
		return -EAGAIN;
	return fusd_fail(errno, "cannot make directory %s: %s" FUSD_ROOT_HINT,
			 path, strerror(errno));
}

int fusd_directory_make(const char *path)
{
	int fd;

	if (mkdir(path, MADE_MODE) < 0)
		return errno == EEXIST ? 0 : -errno;
	fd = open(path, ENTER);
	if (fd < 0)
		return -errno;
	open_to_all(fd);
	close(fd);
	return 0;
}

static int refuse_directory(int parent, const char *name, const char *path,
			    int error)
{
	struct stat status;
	char *real = NULL;

	if (error == ENOENT)
		return -EAGAIN; /* Another driver has removed it. */
	if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(status.st_mode))
		real = realpath(path, NULL);
	if (real)
		error = -fusd_fail(ELOOP,
				   "%s is a symbolic link to %s: choose "
				   "another name, or set FUSD_DEV_ROOT to "
				   "where it leads",
				   path, real);
	else
		fusd_fail(error, "cannot use %s for devices: %s" FUSD_ROOT_HINT,
			  path, strerror(error));
	free(real);
	return -error;
}

static int check_owner(int fd, const char *path, uid_t owner)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (status.st_uid == geteuid() || status.st_uid == 0 ||
	    status.st_uid == owner)
		return 0;
	return fusd_fail(EACCES,
			 "the directory %s belongs to another user, %u: choose "
			 "another name" FUSD_ROOT_HINT,
			 path, (unsigned int)status.st_uid);
}

static int enter_directory(int parent, const char *name, const char *path,
			   bool is_made)
{
	int fd = openat(parent, name, ENTER);
	int made = 0;

	if (fd < 0 && errno == ENOENT && is_made) {
		made = make_directory(parent, name, path);
		if (made < 0)
			return made;
		fd = openat(parent, name, ENTER);
	}
	if (fd < 0)
		return refuse_directory(parent, name, path, errno);
	if (made)
		open_to_all(fd);
	return fd;
}

int fusd_place_open(struct fusd_place *place, const char *root,
		    const char *path, bool is_made)
{
	const char *name = path + strlen(root) + 1;
	struct stat status;
	int error = 0;
	int next;

	place->directory = open(*root ? root : "/", ENTER);
	if (place->directory < 0 && errno == ENOENT)
		return -EAGAIN;
	if (place->directory < 0 || fstat(place->directory, &status) < 0)
		return fusd_fail(errno, "cannot use %s for devices: %s", root,
				 strerror(errno));
	for (const char *slash; !error && (slash = strchr(name, '/'));
	     name = slash + 1) {
		char part[NAME_MAX + 1], whole[PATH_MAX];

		snprintf(part, sizeof(part), "%.*s", (int)(slash - name), name);
		snprintf(whole, sizeof(whole), "%.*s", (int)(slash - path),
			 path);
		next = enter_directory(place->directory, part, whole, is_made);
		error = next < 0 ? next :
				   check_owner(next, whole, status.st_uid);
		if (next >= 0) {
			close(place->directory);
			place->directory = next;
		}
	}
	place->name = name;
	if (error)
		fusd_place_close(place);
	return error;
}

/* One directory; false if it stays. */
static bool remove_made(const char *root, const char *path, bool is_any)
{
	struct fusd_place place;
	int error = fusd_place_open(&place, root, path, false);
	struct stat status;
	bool is_removed;

	if (error) {
		/* A driver that has no descriptors left may still end. */
		if (error != -EMFILE && error != -ENFILE)
			return false;
		place = (struct fusd_place){ AT_FDCWD, path };
	}
	is_removed = fstatat(place.directory, place.name, &status,
			     AT_SYMLINK_NOFOLLOW) == 0 &&
		     S_ISDIR(status.st_mode) &&
		     (is_any || (status.st_mode & 07777) == MADE_MODE) &&
		     unlinkat(place.directory, place.name, AT_REMOVEDIR) == 0;
	fusd_place_close(&place);
	return is_removed;
}

void fusd_directories_remove(const char *root, const char *path, bool is_any)
{
	size_t root_length = strlen(root);
	char part[PATH_MAX];
	char *slash;

	snprintf(part, sizeof(part), "%s", path);
	while ((slash = strrchr(part, '/')) &&
	       (size_t)(slash - part) > root_length) {
		*slash = 0;
		if (!remove_made(root, part, is_any))
			return;
	}
}
