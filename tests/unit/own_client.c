// SPDX-License-Identifier: BSD-3-Clause
/* A process that is driver and client at once. */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <time.h>

#include "check.h"
#include "internal.h"
#include "own_request.h"

static atomic_bool is_let_go; /* an interpreter's lock would be */
static atomic_bool is_of_open;
static atomic_bool is_to_die;
static atomic_int spawned, closed;

typedef int spawn_function(pid_t *, const char *,
			   const posix_spawn_file_actions_t *,
			   const posix_spawnattr_t *, char *const[],
			   char *const[]);

/* In the place of the C library's. */
int posix_spawn(pid_t *pid, const char *path,
		const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attributes, char *const arguments[],
		char *const environment[])
{
	spawn_function *spawn =
		(spawn_function *)dlsym(RTLD_NEXT, "posix_spawn");

	if (is_to_die)
		raise(SIGKILL);
	if (is_of_open) {
		CHECK(is_let_go);
		spawned++;
	}
	return spawn(pid, path, actions, attributes, arguments, environment);
}

static void *let_go(void)
{
	CHECK(!is_let_go);
	is_let_go = true;
	return &is_let_go;
}

static void take_again(void *state)
{
	CHECK(state == &is_let_go);
	is_let_go = false;
}

static int open_callback(struct fusd_file_info *file)
{
	(void)file;
	CHECK(!is_let_go);
	return 0;
}

static int close_callback(struct fusd_file_info *file)
{
	(void)file;
	closed++;
	return 0;
}

static void *open_own(void *unused)
{
	close(open_device());
	return unused;
}

static void a_driver_lets_its_lock_go_while_the_shell_starts(void)
{
	pthread_t client;
	int fd;

	if (strcmp(getenv("FUSD_TRANSPORT"), "fuse") != 0)
		return;
	fd = fusd_simple_register("device", 0600, NULL, .open = open_callback,
				  .close = close_callback);
	CHECK(fd >= 0);
	fusd_set_wait_hooks(let_go, take_again);
	is_of_open = true;
	for (int i = 0; i < 2; i++) {
		pthread_create(&client, NULL, open_own, NULL);
		/* One dispatch may handle both, the open and the close. */
		while (closed == i)
			dispatch_one(fd);
		pthread_join(client, NULL);
	}
	CHECK(spawned == 1);
	CHECK(fusd_unregister(fd) == 0);
	CHECK(!is_let_go);
}

static void be_killed_while_the_shell_starts(void)
{
	pthread_t client;
	int fd = fusd_simple_register("device", 0600, NULL,
				      .open = open_callback,
				      .close = close_callback);

	CHECK(fd >= 0);
	is_let_go = is_to_die = true;
	pthread_create(&client, NULL, open_own, NULL);
	dispatch_one(fd);
}

/* The deadlines are the test's: who does not die is not waited for. */
static void a_process_ends_that_is_killed_while_the_shell_starts(void)
{
	char path[4096];
	pid_t both;
	int status, waited = 0;

	if (strcmp(getenv("FUSD_TRANSPORT"), "fuse") != 0)
		return;
	both = fork();
	if (both == 0)
		be_killed_while_the_shell_starts();
	while (waitpid(both, &status, WNOHANG) == 0 && waited < DEADLINE_MS)
		waited += poll(NULL, 0, 10) + 10;
	snprintf(path, sizeof(path), "%s/device", getenv("FUSD_DEV_ROOT"));
	if (waited >= DEADLINE_MS)
		umount2(path, MNT_FORCE);
	CHECK(waited < DEADLINE_MS);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	/* The watcher removes it. */
	while (access(path, F_OK) == 0 || errno != ENOENT) {
		CHECK(waited < DEADLINE_MS);
		waited += poll(NULL, 0, 10) + 10;
	}
}

static pthread_mutex_t interpreter = PTHREAD_MUTEX_INITIALIZER;

static void take_and_release(void)
{
	pthread_mutex_lock(&interpreter);
	pthread_mutex_unlock(&interpreter);
}

/* As a long calculation of a module in C, longer than a wait may be. */
static void *keep_busy(void *is_kept)
{
	const time_t end = time(NULL) + 7;

	pthread_mutex_lock(&interpreter);
	*(atomic_bool *)is_kept = true;
	while (time(NULL) < end)
		;
	pthread_mutex_unlock(&interpreter);
	return NULL;
}

static void a_lock_of_who_is_busy_is_waited_for(void)
{
	atomic_bool is_kept = false;
	pthread_t client, keeper;
	int fd;

	fd = fusd_simple_register("device", 0600, NULL, .open = open_callback,
				  .close = close_callback);
	CHECK(fd >= 0);
	fusd_set_lock_probe(take_and_release);
	for (int i = 0; i < 2; i++) {
		if (i > 0) {
			pthread_create(&keeper, NULL, keep_busy, &is_kept);
			while (!is_kept)
				poll(NULL, 0, 1);
		}
		pthread_create(&client, NULL, open_own, NULL);
		take_and_release();
		while (closed == i)
			dispatch_one(fd);
		/* It checks that its open succeeded. */
		pthread_join(client, NULL);
	}
	pthread_join(keeper, NULL);
	CHECK(fusd_unregister(fd) == 0);
}

int main(void)
{
	static const struct test tests[] = {
#define TEST(name) { #name, name }
		TEST(a_driver_lets_its_lock_go_while_the_shell_starts),
		TEST(a_process_ends_that_is_killed_while_the_shell_starts),
		TEST(a_lock_of_who_is_busy_is_waited_for),
		{ NULL, NULL },
	};

	return run_tests(tests);
}
