// SPDX-License-Identifier: BSD-3-Clause
/*
 * The mounts of devices. A process with the right to mount does so itself, over
 * a descriptor, which no one can swap for something else. All others need
 * fusermount3, which takes a path, and a regular file that its user may write.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "directory.h"
#include "mount.h"
#include "internal.h"
#include "proc.h"
#include "program.h"

/* What fusermount3 says at most; libfuse's own environment variable. */
#define WORDS_SIZE 256
#define CONNECTION_VARIABLE "_FUSE_COMMFD"

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
		 fusd_proc_thread_start(getpid()), program_start());
}

/* What is at a path. */
struct mount_search {
	const char *path;
	char *id;  /* the last one's, FUSD_MOUNT_ID_SIZE bytes */
	int found; /* as fusd_mount_find() returns */
	int count;
};

static void note_mount(const struct fusd_proc_mount *mount, void *data)
{
	struct mount_search *search = data;

	if (strcmp(mount->point, search->path))
		return;
	search->count++;
	search->found = strcmp(mount->type, "fuse.fusd") ? 2 : 1;
	if (search->found == 1)
		snprintf(search->id, FUSD_MOUNT_ID_SIZE, "%s", mount->source);
}

/* Looks through all mounts. */
static struct mount_search search_mounts(const char *path,
					 char id[FUSD_MOUNT_ID_SIZE])
{
	struct mount_search search = { .path = path, .id = id };
	int error = fusd_proc_for_each_mount(note_mount, &search);

	if (error)
		search.found = error;
	return search;
}

int fusd_mount_find(const char *path, char id[FUSD_MOUNT_ID_SIZE])
{
	return search_mounts(path, id).found;
}

bool fusd_mount_is_alone(const char *path, const char *id)
{
	char found[FUSD_MOUNT_ID_SIZE];
	struct mount_search search = search_mounts(path, found);

	return search.found == 1 && search.count == 1 && !strcmp(found, id);
}

bool fusd_may_mount(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3,
						   0 };
	struct __user_cap_data_struct data[2];

	return syscall(SYS_capget, &header, data) == 0 &&
	       data[0].effective & 1U << CAP_SYS_ADMIN;
}

int fusd_mount(int node, const char id[FUSD_MOUNT_ID_SIZE])
{
	char target[FUSD_DESCRIPTOR_PATH_SIZE];
	char options[160];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	int error;

	if (fd < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=%o,user_id=%u,group_id=%u,default_permissions,"
		 "allow_other",
		 fd, S_IFREG, (unsigned int)getuid(), (unsigned int)getgid());
	fusd_descriptor_path(node, target);
	if (mount(id, target, "fuse.fusd", MS_NOSUID | MS_NODEV, options) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

/* fuse.conf(5): others may use a user's mount only if root says so. */
static bool may_allow_others(void)
{
	char line[128], word[32];
	bool allowed = false;
	FILE *configuration;

	if (getuid() == 0)
		return true;
	configuration = fopen("/etc/fuse.conf", "re");
	if (!configuration)
		return false;
	while (!allowed && fgets(line, sizeof(line), configuration))
		allowed = sscanf(line, " %31s", word) == 1 &&
			  !strcmp(word, "user_allow_other");
	fclose(configuration);
	return allowed;
}

/* The program's environment, with the number of its end of the connection. */
static char **environment_with(char *variable)
{
	char **before = fusd_program_environment();
	size_t count = 0;
	char **after;

	while (before[count])
		count++;
	after = calloc(count + 2, sizeof(*after));
	if (!after)
		return NULL;
	after[0] = variable;
	for (size_t i = 0, to = 1; i < count; i++)
		if (strncmp(before[i], CONNECTION_VARIABLE "=",
			    strlen(CONNECTION_VARIABLE "=")))
			after[to++] = before[i];
	return after;
}

/* Runs fusermount3; what it says comes from words. 0 or -errno. */
static int spawn_fusermount(const char *const arguments[], int end, int words,
			    pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char program[FUSD_PLACE_SIZE];
	char variable[40];
	char **environment;
	int error = fusd_program_fusermount(program, sizeof(program));

	if (error)
		return error;
	/* Its number in the child: no other descriptor is in the way. */
	snprintf(variable, sizeof(variable), CONNECTION_VARIABLE "=%d", 3);
	environment = environment_with(variable);
	if (!environment)
		return -ENOMEM;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, words, 2);
	if (end >= 0)
		posix_spawn_file_actions_adddup2(&actions, end, 3);
	/* The Ctrl-C that ends the driver is not to end this half-way. */
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
	error = posix_spawn(pid, program, &actions, &attributes,
			    (char *const *)arguments, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	free(environment);
	return -error;
}

/* The descriptor that fusermount3 sends, or -1 when it ended without one. */
static int receive_descriptor(int end)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct cmsghdr *header;
	struct iovec part;
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t length;
	char byte;
	int fd = -1;

	part = (struct iovec){ &byte, 1 };
	do
		length = recvmsg(end, &message, MSG_CMSG_CLOEXEC);
	while (length < 0 && errno == EINTR);
	header = length > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

/* The first line of what was said, without the program's name. */
static void read_words(int end, char words[WORDS_SIZE])
{
	ssize_t length;

	/* A forked child of the driver may hold the pipe open. */
	fcntl(end, F_SETFL, O_NONBLOCK);
	length = read(end, words, WORDS_SIZE - 1);
	words[length > 0 ? length : 0] = 0;
	words[strcspn(words, "\n")] = 0;
	if (!strncmp(words, "fusermount3: ", 13))
		memmove(words, words + 13, strlen(words + 13) + 1);
}

/* Descriptors of their own, above those that the program is given. */
static int raise_above(int ends[2], int lowest)
{
	for (int i = 0; i < 2; i++) {
		int raised = fcntl(ends[i], F_DUPFD_CLOEXEC, lowest);

		if (raised < 0)
			return -errno;
		close(ends[i]);
		ends[i] = raised;
	}
	return 0;
}

/* Says why there is no mount, in fusermount3's words if it had some. */
static int refuse_mount(const char *path, const char *words, int error)
{
	struct passwd entry, *found = NULL;
	char names[1024];

	if (error == -ENOENT)
		return fusd_fail(EPERM,
				 "mounting over %s is not permitted: run as "
				 "root, install fuse3, or start the container "
				 "with --cap-add SYS_ADMIN --device /dev/fuse",
				 path);
	if (getpwuid_r(getuid(), &entry, names, sizeof(names), &found) == 0 &&
	    !found)
		return fusd_fail(EPERM,
				 "fusermount3 mounts nothing for user %u, who "
				 "has no entry in /etc/passwd: make one, or "
				 "run as root",
				 (unsigned int)getuid());
	return fusd_fail(-error, "fusermount3 does not mount over %s: %s", path,
			 *words ? words : strerror(-error));
}

int fusd_mount_as_user(const char *path, const char id[FUSD_MOUNT_ID_SIZE])
{
	char options[160], words[WORDS_SIZE] = "";
	const char *arguments[] = { "fusermount3", "-o", options,
				    "--",	   path, NULL };
	int ends[2] = { -1, -1 }, said[2] = { -1, -1 };
	int error = 0, fd = -1;
	pid_t pid;

	snprintf(options, sizeof(options),
		 "subtype=fusd,fsname=%s,default_permissions,nosuid,nodev%s",
		 id, may_allow_others() ? ",allow_other" : "");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ||
	    pipe2(said, O_CLOEXEC) < 0)
		error = -errno;
	if (!error)
		error = raise_above(ends, 4);
	if (!error)
		error = raise_above(said, 4);
	if (!error)
		error = spawn_fusermount(arguments, ends[1], said[1], &pid);
	for (int i = 0; i < 2; i++) {
		int *one = i ? &said[1] : &ends[1];

		if (*one >= 0)
			close(*one);
	}
	if (!error) {
		fd = receive_descriptor(ends[0]);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		read_words(said[0], words);
	}
	close(ends[0]);
	close(said[0]);
	if (fd >= 0)
		return fd;
	return refuse_mount(path, words, error ? error : -EPERM);
}

void fusd_unmount(const char *path, const char *real)
{
	const char *arguments[] = { "fusermount3", "-u", "-z", "-q",
				    "--",	   real, NULL };
	int nowhere;
	pid_t pid;

	if (!umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) || errno != EPERM)
		return;
	nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (nowhere < 0)
		return;
	if (!spawn_fusermount(arguments, -1, nowhere, &pid))
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	close(nowhere);
}
