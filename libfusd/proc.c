// SPDX-License-Identifier: BSD-3-Clause
/* Reading proc(5): the one place that knows how its files look. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc.h"

#define MOUNTS "/proc/self/mountinfo"

/* The kernel shows no call of a thread that has not gone to sleep in it yet. */
#define MAX_LOOKS 100

/* The kernel's PF_EXITING, among the flags that proc(5) shows. */
#define EXITING 0x4

/* Reads a small file of a thread; false if there is none to be read. */
static bool read_file(pid_t thread, const char *name, char *text, size_t size)
{
	char path[FUSD_PROC_PATH_SIZE];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)thread, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	length = read(fd, text, size - 1);
	close(fd);
	if (length <= 0)
		return false;
	text[length] = 0;
	return true;
}

struct thread_stat {
	char state;
	unsigned int flags;
	unsigned long long start;
};

/* What a thread's stat says of it; false if there is no such thread. */
static bool read_stat(pid_t thread, struct thread_stat *stat)
{
	const char *field;
	char text[1024];

	if (!read_file(thread, "stat", text, sizeof(text)))
		return false;
	/* The name of the program, in parentheses, may contain anything. */
	field = strrchr(text, ')');
	return field && sscanf(field + 1,
			       " %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u "
			       "%*u %*d %*d %*d %*d %*d %*d %llu",
			       &stat->state, &stat->flags, &stat->start) == 3;
}

unsigned long long fusd_proc_thread_start(pid_t thread)
{
	struct thread_stat stat;

	if (!read_stat(thread, &stat))
		return 0;
	return stat.state == 'Z' || stat.state == 'X' ? 0 : stat.start;
}

bool fusd_proc_is_exiting(pid_t thread)
{
	struct thread_stat stat;

	return read_stat(thread, &stat) && stat.flags & EXITING;
}

static bool is_thread_running(pid_t thread)
{
	struct thread_stat stat;

	return read_stat(thread, &stat) && stat.state == 'R';
}

bool fusd_proc_is_running(void)
{
	const pid_t own = (pid_t)syscall(SYS_gettid);
	DIR *threads = opendir("/proc/self/task");
	bool is_running = false;
	struct dirent *entry;

	if (!threads)
		return false;
	while (!is_running && (entry = readdir(threads))) {
		pid_t thread = (pid_t)atoi(entry->d_name);

		is_running = thread > 0 && thread != own &&
			     is_thread_running(thread);
	}
	closedir(threads);
	return is_running;
}

bool fusd_proc_find_call(pid_t thread, struct fusd_proc_call *call)
{
	unsigned long *arguments = call->arguments;
	char text[256];

	for (int look = 0; look < MAX_LOOKS; look++) {
		if (!read_file(thread, "syscall", text, sizeof(text)))
			return false;
		if (isdigit((unsigned char)text[0]))
			break;
		sched_yield();
	}
	return sscanf(text, "%ld %lx %lx %lx %lx", &call->number, &arguments[0],
		      &arguments[1], &arguments[2], &arguments[3]) == 5;
}

DIR *fusd_proc_open_descriptors(pid_t thread)
{
	char path[FUSD_PROC_PATH_SIZE];

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)thread);
	return opendir(path);
}

void fusd_proc_descriptor_path(pid_t thread, int fd,
			       char path[FUSD_PROC_PATH_SIZE])
{
	snprintf(path, FUSD_PROC_PATH_SIZE, "/proc/%d/fd/%d", (int)thread, fd);
}

int fusd_proc_open_information(pid_t thread, int fd)
{
	char path[FUSD_PROC_PATH_SIZE];

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)thread, fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

bool fusd_proc_read_information(int file,
				struct fusd_proc_information *information)
{
	long long position;
	char text[512];
	ssize_t length = pread(file, text, sizeof(text) - 1, 0);

	if (length <= 0)
		return false;
	text[length] = 0;
	if (sscanf(text, "pos: %lld flags: %lo mnt_id: %d", &position,
		   &information->flags, &information->mount) != 3)
		return false;
	information->flags &= ~(unsigned long)O_CLOEXEC;
	information->position = (uint64_t)position;
	return true;
}

/* Undoes octal escapes in place. */
static void unescape_octal(char *text)
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
 * "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [MORE ...] - TYPE SOURCE OPTIONS":
 * blanks in a field are escaped. Changes the line; false if it is none of
 * these.
 */
static bool parse_mount(char *line, struct fusd_proc_mount *mount)
{
	char *rest = line, *point, *type;

	for (int i = 0; i < 3; i++)
		strsep(&rest, " ");
	mount->root = strsep(&rest, " ");
	mount->point = point = strsep(&rest, " ");
	type = rest ? strstr(rest, " - ") : NULL;
	if (!type)
		return false;
	type += strlen(" - ");
	mount->type = strsep(&type, " ");
	mount->source = strsep(&type, " ");
	unescape_octal(point);
	return mount->source;
}

int fusd_proc_for_each_mount(void (*visit)(const struct fusd_proc_mount *mount,
					   void *data),
			     void *data)
{
	FILE *mounts = fopen(MOUNTS, "re");
	struct fusd_proc_mount mount;
	char *line = NULL;
	size_t size = 0;

	if (!mounts)
		return -errno;
	while (getline(&line, &size, mounts) > 0)
		if (parse_mount(line, &mount))
			visit(&mount, data);
	free(line);
	fclose(mounts);
	return 0;
}

int fusd_proc_open_mounts(void)
{
	return open(MOUNTS, O_RDONLY | O_CLOEXEC);
}

bool fusd_proc_takes_modules(void)
{
	return access("/proc/modules", F_OK) == 0;
}

unsigned int fusd_proc_find_major(const char *name)
{
	unsigned int number, found = 0;
	char line[128], one[64];
	FILE *file = fopen("/proc/devices", "re");

	if (!file)
		return 0;
	/* The block devices come last. */
	while (!found && fgets(line, sizeof(line), file) && line[0] != 'B')
		if (sscanf(line, "%u %63s", &number, one) == 2 &&
		    !strcmp(one, name))
			found = number;
	fclose(file);
	return found;
}
