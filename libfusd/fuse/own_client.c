// SPDX-License-Identifier: BSD-3-Clause
/*
 * A process that is driver and client at once must die when it is killed.
 *
 * FUSE lets a client go, killed or not, when its request was answered, or when
 * the connection ends. The connection ends when the driver's descriptor is
 * closed: not as long as one thread of the process, and with it the process's
 * table of descriptors, waits for the answer that no other thread will give. So
 * one thread, the canary, has a table of its own, with one end of a connection
 * to a shell. The canary dies when the process is killed, and the shell, if
 * then a thread is left, cuts the connections that it was told of.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"
#include "own_client.h"
#include "shell.h"

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2
#endif

/* A fork waits no longer for the shell to start. */
#define FORK_SECONDS 1

/*
 * $2: the driver. It says "+ CONNECTION" and "- CONNECTION"; at the end of that
 * it is dying, or becomes another program. Usually it is gone a second later.
 * umount(8) is for where no fusectl is mounted. A CONNECTION is fuse:MINOR or
 * char:MAJOR:MINOR.
 */
static const char script[] =
	"trap '' INT TERM HUP QUIT\n"
	"is_alive() {\n"
	"  for status in /proc/$1/task/[0-9]*/status; do\n"
	"    while read -r key value rest; do\n"
	"      case $key$value in\n"
	"      State:[ZX]) break ;;\n"
	"      State:*) return 0 ;;\n"
	"      esac\n"
	"    done < \"$status\"\n"
	"  done\n"
	"  return 1\n"
	"}\n"
	"unmount() {\n"
	"  while read -r id parent device inner point rest; do\n"
	"    [ \"$device\" = \"0:$1\" ] || continue\n"
	/* It is read with octal escapes. */
	FUSD_SHELL_UNESCAPE_POINT "    umount -f -- \"$point\"\n"
	"  done < /proc/self/mountinfo\n"
	"}\n"
	"{\n"
	"known=' '\n"
	"while read -r sign connection; do\n"
	"  case $sign in\n"
	"  +) known=\"$known$connection \" ;;\n"
	"  -) known=\"${known%% $connection *} ${known#* $connection }\" ;;\n"
	"  esac\n"
	"done\n"
	"is_alive $2 && sleep 1 && is_alive $2 || exit\n"
	"for connection in $known; do\n"
	"  number=${connection#*:}\n"
	"  case $connection in\n"
	"  fuse:*) echo 1 > /sys/fs/fuse/connections/$number/abort ||\n"
	"    unmount $number ;;\n"
	"  char:*) echo 1 > /sys/dev/char/$number/abort ;;\n"
	"  esac\n"
	"done\n"
	"} <&3 >/dev/null 2>&1 &\n";

struct line {
	struct line *next;
	char text[64];
};

enum canary_state {
	CANARY_NONE,
	CANARY_STARTS,
	CANARY_READY,
	CANARY_FAILED, /* then there is no guard */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t change;
	enum canary_state state;    /* lock */
	struct line *lines, **last; /* lock; the canary is to send them */
	int end;		    /* the canary's */
} guard = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.change = PTHREAD_COND_INITIALIZER,
	.last = &guard.lines,
};
static bool fork_has_lock; /* the forking thread's */

/* Leaves this thread with one descriptor, in a table of its own. */
static bool isolate_canary(unsigned int end)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, end + 1, ~0U, CLOSE_RANGE_UNSHARE) < 0)
		return false;
	return end == 0 || syscall(SYS_close_range, 0, end - 1, 0) == 0;
#else
	(void)end;
	return false;
#endif
}

/* Sends a line once there is one. Under the lock. */
static void send_line(void)
{
	struct line *line;

	while (!(line = guard.lines))
		pthread_cond_wait(&guard.change, &guard.lock);
	/* If somebody has killed the shell, that is all right, too. */
	send(guard.end, line->text, strlen(line->text), MSG_NOSIGNAL);
	guard.lines = line->next;
	if (!guard.lines)
		guard.last = &guard.lines;
	free(line);
	pthread_cond_broadcast(&guard.change);
}

/* Uses no descriptor of the process: it has none of them. */
static void *be_canary(void *unused)
{
	bool isolated = isolate_canary((unsigned int)guard.end);

	pthread_mutex_lock(&guard.lock);
	guard.state = isolated ? CANARY_READY : CANARY_FAILED;
	pthread_cond_broadcast(&guard.change);
	while (isolated)
		send_line();
	pthread_mutex_unlock(&guard.lock);
	return unused;
}

/* What a child had of the connection would keep the shell from its end. */
static void before_fork(void)
{
	struct timespec end;
	int error;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += FORK_SECONDS;
	error = pthread_mutex_timedlock(&guard.lock, &end);
	fork_has_lock = !error;
	while (!error && guard.state == CANARY_STARTS)
		error = pthread_cond_timedwait(&guard.change, &guard.lock,
					       &end);
}

static void after_fork_in_parent(void)
{
	if (fork_has_lock)
		pthread_mutex_unlock(&guard.lock);
}

/* A forked child has no canary, whoever held the lock. */
static void forget_canary(void)
{
	pthread_mutex_init(&guard.lock, NULL);
	pthread_cond_init(&guard.change, NULL);
	guard.state = CANARY_NONE;
	guard.lines = NULL;
	guard.last = &guard.lines;
}

static void watch_forks(void)
{
	pthread_atfork(before_fork, after_fork_in_parent, forget_canary);
}

/* Under the lock, which is released while the canary starts. */
static void start_canary(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char driver[16];
	int ends[2];

	pthread_once(&once, watch_forks);
	guard.state = CANARY_FAILED;
	if (fusd_shell_connect(ends))
		return;
	snprintf(driver, sizeof(driver), "%d", (int)getpid());
	guard.end = ends[1];
	if (!fusd_shell_start(script, ends[0], "fusd-guard", driver, "")) {
		guard.state = CANARY_STARTS;
		if (fusd_thread_begin(be_canary))
			guard.state = CANARY_FAILED;
	}
	while (guard.state == CANARY_STARTS)
		pthread_cond_wait(&guard.change, &guard.lock);
	/* From here on the canary's is the only one. */
	close(ends[0]);
	close(ends[1]);
}

/* Has the canary say it, and waits until it did. Under the lock. */
static void say_line(const char *sign, const char *connection)
{
	struct line *line = malloc(sizeof(*line));

	if (!line)
		return;
	line->next = NULL;
	snprintf(line->text, sizeof(line->text), "%s %s\n", sign, connection);
	*guard.last = line;
	guard.last = &line->next;
	pthread_cond_broadcast(&guard.change);
	while (guard.lines)
		pthread_cond_wait(&guard.change, &guard.lock);
}

void fusd_own_client_guard(const char *connection)
{
	void *state = fusd_wait_begin();

	pthread_mutex_lock(&guard.lock);
	if (guard.state == CANARY_NONE)
		start_canary();
	while (guard.state == CANARY_STARTS)
		pthread_cond_wait(&guard.change, &guard.lock);
	if (guard.state == CANARY_READY)
		say_line("+", connection);
	pthread_mutex_unlock(&guard.lock);
	fusd_wait_end(state);
}

void fusd_own_client_release(const char *connection)
{
	void *state = fusd_wait_begin();

	pthread_mutex_lock(&guard.lock);
	if (guard.state == CANARY_READY)
		say_line("-", connection);
	pthread_mutex_unlock(&guard.lock);
	fusd_wait_end(state);
}
