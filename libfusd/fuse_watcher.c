// SPDX-License-Identifier: BSD-3-Clause
/*
 * A driver may die at any moment, by SIGKILL too, and its mounts would stay.
 * So one small shell per process waits for the end of a connection that only
 * the driver holds open, and then removes what the driver left. It is a shell,
 * not a forked copy, so that it shares no memory and no descriptor with a
 * driver that may be large, multi-threaded and short of both.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuse_node.h"

extern char **environ;

#define DRIVER_IN_SHELL 3

/*
 * Read by the shell as its standard input. $2: the mounts' source, $3: the
 * directory that all nodes are below. The shell that was spawned ends at once;
 * its child is init's and never a zombie of the driver. umount is for root,
 * fusermount3 for everyone else. A line from the driver says that no device is
 * left.
 */
static const char script[] =
	"trap '' INT TERM HUP QUIT\n"
	"{ read -r end && exit\n"
	"while read -r id parent device inner point options rest; do\n"
	"  case \"$rest \" in *\"- fuse.fusd $2 \"*) ;; *) continue ;; esac\n"
	"  case $point in *\\\\*)\n"
	"    point=$(printf %s \"$point\" | sed 's/\\\\/&0/g')\n"
	"    point=$(printf %b \"$point\")\n"
	"  esac\n"
	"  case $point in \"$3\"/*) ;; *) continue ;; esac\n"
	"  umount -l -- \"$point\" || fusermount3 -u -z -q -- \"$point\"\n"
	"  rm -f -- \"$point\" || continue\n"
	"  while point=${point%/*}; [ \"$point\" != \"$3\" ]; do\n"
	"    rmdir -- \"$point\" || break\n"
	"  done\n"
	"done < /proc/self/mountinfo\n"
	"} <&3 >/dev/null 2>&1 &\n";

/*
 * One watcher a root. The last device leaves it for the next one, as starting
 * a shell takes longer than making a device, but not longer than until another
 * root needs one.
 */
struct watcher {
	struct watcher *next;
	pid_t driver; /* whose death it waits for: fork makes another */
	int devices;
	int connection; /* closed by the driver's death, or before the watcher
			 */
	char root[];
};

static pthread_mutex_t watchers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct watcher *watchers; /* watchers_lock */

static int spawn_shell(int script_end, int end, const char *root)
{
	char id[FUSD_MOUNT_ID_SIZE];
	const char *arguments[] = { "sh", "-s", "--", "fusd-watcher",
				    id,	  root, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid;
	int error;

	fusd_mount_id(id);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	/* Out of reach of the terminal's Ctrl-C, and holding nothing open. */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
	posix_spawn_file_actions_adddup2(&actions, script_end, 0);
	posix_spawn_file_actions_adddup2(&actions, end, DRIVER_IN_SHELL);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
#if __GLIBC_PREREQ(2, 34)
	posix_spawn_file_actions_addclosefrom_np(&actions, DRIVER_IN_SHELL + 1);
#endif
#if __GLIBC_PREREQ(2, 29)
	posix_spawn_file_actions_addchdir_np(&actions, "/");
#endif
	error = posix_spawn(&pid, "/bin/sh", &actions, &attributes,
			    (char *const *)arguments, environ);
	if (!error)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -error;
}

/* Connects two descriptors that are none of the standard or the shell's ones.
 */
static int open_connection(int ends[2])
{
	int low[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, low) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, DRIVER_IN_SHELL + 1);
		close(low[i]);
	}
	if (ends[0] >= 0 && ends[1] >= 0)
		return 0;
	close(ends[0]);
	close(ends[1]);
	return -EMFILE;
}

/* The script fits into the connection's buffer: writing it never blocks. */
static int spawn_watcher(int end, const char *root)
{
	const size_t size = sizeof(script) - 1;
	int ends[2];
	int error = open_connection(ends);

	if (error)
		return error;
	error = send(ends[1], script, size, MSG_NOSIGNAL) == (ssize_t)size ?
			0 :
			-EIO;
	close(ends[1]);
	if (!error)
		error = spawn_shell(ends[0], end, root);
	close(ends[0]);
	return error;
}

static void dismiss_idle(void)
{
	struct watcher **link = &watchers;
	struct watcher *watcher;

	while ((watcher = *link)) {
		if (watcher->driver != getpid() || watcher->devices > 0) {
			link = &watcher->next;
			continue;
		}
		*link = watcher->next;
		/* If somebody has killed the shell, that is all right, too. */
		send(watcher->connection, "\n", 1, MSG_NOSIGNAL);
		close(watcher->connection);
		free(watcher);
	}
}

static int start(const char *root)
{
	struct watcher *watcher = malloc(sizeof(*watcher) + strlen(root) + 1);
	int ends[2];
	int error;

	if (!watcher)
		return -ENOMEM;
	error = open_connection(ends);
	if (error)
		goto free_watcher;
	error = spawn_watcher(ends[0], root);
	close(ends[0]);
	if (error)
		goto close_connection;
	strcpy(watcher->root, root);
	watcher->driver = getpid();
	watcher->devices = 0;
	watcher->connection = ends[1];
	watcher->next = watchers;
	watchers = watcher;
	return 0;

close_connection:
	close(ends[1]);
free_watcher:
	free(watcher);
	return error;
}

static struct watcher *find(const char *root)
{
	struct watcher *watcher = watchers;

	while (watcher &&
	       (watcher->driver != getpid() || strcmp(watcher->root, root)))
		watcher = watcher->next;
	return watcher;
}

int fusd_watcher_start(const char *root)
{
	struct watcher *watcher;
	int error = 0;

	pthread_mutex_lock(&watchers_lock);
	watcher = find(root);
	if (!watcher) {
		dismiss_idle();
		error = start(root);
		watcher = watchers;
	}
	if (!error)
		watcher->devices++;
	pthread_mutex_unlock(&watchers_lock);
	return error;
}

void fusd_watcher_stop(const char *root)
{
	struct watcher *watcher;

	pthread_mutex_lock(&watchers_lock);
	watcher = find(root);
	/* None: the device is of the parent of this process. */
	if (watcher)
		watcher->devices--;
	pthread_mutex_unlock(&watchers_lock);
}

void fusd_watcher_forget(void)
{
	struct watcher *watcher;

	pthread_mutex_init(&watchers_lock, NULL);
	while ((watcher = watchers)) {
		watchers = watcher->next;
		close(watcher->connection);
		free(watcher);
	}
}
