// SPDX-License-Identifier: BSD-3-Clause
/* Shells that outlive the driver, and do what it cannot any more. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"
#include "program.h"
#include "shell.h"

#define DRIVER_IN_SHELL 3

static int spawn_shell(int script_end, int end, const char *const arguments[])
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid;
	int error;

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
			    (char *const *)arguments,
			    fusd_program_environment());
	if (!error)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -error;
}

/* Connects two descriptors that are none of the standard or the shell's ones.
 */
int fusd_shell_connect(int ends[2])
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
int fusd_shell_start(const char *script, int end, const char *name,
		     const char *first, const char *second)
{
	const char *arguments[] = {
		"sh", "-s", "--", name, first, second, NULL
	};
	const size_t size = strlen(script);
	int ends[2];
	int error = fusd_shell_connect(ends);

	if (error)
		return error;
	error = send(ends[1], script, size, MSG_NOSIGNAL) == (ssize_t)size ?
			0 :
			-EIO;
	close(ends[1]);
	if (!error)
		error = spawn_shell(ends[0], end, arguments);
	close(ends[0]);
	return error;
}
