// SPDX-License-Identifier: BSD-3-Clause
/*
 * A driver may die at any moment, by SIGKILL too, and its mounts would stay.
 * The watcher, one small shell per process, waits for the end of a connection
 * that only the driver holds open, and then removes what the driver left. The
 * watcher is a shell, not a forked copy, so that it shares no memory and no
 * descriptor with a driver that may be large, multi-threaded and short of both.
 * What it could not clear, the next driver of that name does: node.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "death_watcher.h"
#include "internal.h"
#include "mount.h"
#include "shell.h"

/*
 * Read by the shell as its standard input. $2: the mounts' source, $3: the
 * directory that all nodes are below. The shell that was spawned ends at once;
 * its child is init's and never a zombie of the driver. umount is for root,
 * fusermount3 for everyone else. Only nodes are removed, and directories that
 * have the sticky bit of those made by fusd_place_open(). A line from the
 * driver says that no device is left.
 */
static const char script[] =
	"trap '' INT TERM HUP QUIT\n"
	"{ read -r end && exit\n"
	"while read -r id parent device inner point options rest; do\n"
	"  case \"$rest \" in *\"- fuse.fusd $2 \"*) ;; *) continue ;; esac\n"
	/* It is read with octal escapes. */
	FUSD_SHELL_UNESCAPE_POINT
	"  case $point in \"$3\"/*) ;; *) continue ;; esac\n"
	"  umount -l -- \"$point\" || fusermount3 -u -z -q -- \"$point\"\n"
	"  [ -S \"$point\" ] || [ ! -s \"$point\" ] && rm -f -- \"$point\" ||\n"
	"    continue\n"
	"  while point=${point%/*}; [ \"$point\" != \"$3\" ]; do\n"
	"    [ -k \"$point\" ] || break\n"
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

static int start_watcher(const char *root)
{
	struct watcher *watcher = malloc(sizeof(*watcher) + strlen(root) + 1);
	char id[FUSD_MOUNT_ID_SIZE];
	int ends[2];
	int error;

	if (!watcher)
		return -ENOMEM;
	error = fusd_shell_connect(ends);
	if (error)
		goto free_watcher;
	fusd_mount_id(id);
	error = fusd_shell_start(script, ends[0], "fusd-watcher", id, root);
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

static struct watcher *find_watcher(const char *root)
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
	watcher = find_watcher(root);
	if (!watcher) {
		dismiss_idle();
		error = start_watcher(root);
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
	watcher = find_watcher(root);
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
