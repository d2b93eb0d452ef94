// SPDX-License-Identifier: BSD-3-Clause
/*
 * A driver may die at any moment, by SIGKILL too, and its mounts would stay.
 * So one small shell per process waits for the end of a pipe that only the
 * driver holds open, and then removes what the driver left. It is a shell, not
 * a forked copy, so that it shares no memory and no descriptor with a driver
 * that may be large, multi-threaded and short of both.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuse_node.h"

extern char **environ;

#define PIPE_IN_SHELL 3

/*
 * Read by the shell as its standard input. $2: the mounts' source, $3: the
 * directory that all nodes are below. The shell that was spawned ends at once;
 * its child is init's and never a zombie of the driver. umount is for root,
 * fusermount3 for everyone else.
 */
static const char script[] =
	"trap '' INT TERM HUP QUIT\n"
	"{ read -r end\n"
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

/* One watcher a root; there is hardly ever a second. */
struct watcher {
	struct watcher *next;
	pid_t driver; /* whose death it waits for: fork makes another */
	int pipe;     /* closed by the driver's death, never before */
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
	posix_spawn_file_actions_adddup2(&actions, end, PIPE_IN_SHELL);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
#if __GLIBC_PREREQ(2, 34)
	posix_spawn_file_actions_addclosefrom_np(&actions, PIPE_IN_SHELL + 1);
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

/* A pipe that neither end of which is a standard descriptor or the shell's. */
static int open_pipe(int ends[2])
{
	int low[2];

	if (pipe2(low, O_CLOEXEC) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, PIPE_IN_SHELL + 1);
		close(low[i]);
	}
	if (ends[0] >= 0 && ends[1] >= 0)
		return 0;
	close(ends[0]);
	close(ends[1]);
	return -EMFILE;
}

/* The script fits into a pipe's buffer, so that writing it never blocks. */
static int spawn_watcher(int end, const char *root)
{
	const size_t size = sizeof(script) - 1;
	int ends[2];
	int error = open_pipe(ends);

	if (error)
		return error;
	error = write(ends[1], script, size) == (ssize_t)size ? 0 : -EIO;
	close(ends[1]);
	if (!error)
		error = spawn_shell(ends[0], end, root);
	close(ends[0]);
	return error;
}

static int start(const char *root)
{
	struct watcher *watcher = malloc(sizeof(*watcher) + strlen(root) + 1);
	int ends[2];
	int error;

	if (!watcher)
		return -ENOMEM;
	error = open_pipe(ends);
	if (error)
		goto free_watcher;
	error = spawn_watcher(ends[0], root);
	close(ends[0]);
	if (error)
		goto close_pipe;
	strcpy(watcher->root, root);
	watcher->driver = getpid();
	watcher->pipe = ends[1];
	watcher->next = watchers;
	watchers = watcher;
	return 0;

close_pipe:
	close(ends[1]);
free_watcher:
	free(watcher);
	return error;
}

int fusd_watcher_start(const char *root)
{
	struct watcher *watcher;
	int error = 0;

	pthread_mutex_lock(&watchers_lock);
	for (watcher = watchers; watcher; watcher = watcher->next)
		if (watcher->driver == getpid() && !strcmp(watcher->root, root))
			break;
	if (!watcher)
		error = start(root);
	pthread_mutex_unlock(&watchers_lock);
	return error;
}
