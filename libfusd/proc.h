/* SPDX-License-Identifier: BSD-3-Clause */
/* What proc(5) says of threads, descriptors, mounts and devices. */
#ifndef FUSD_PROC_H
#define FUSD_PROC_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * When a thread began, in clock ticks, which tells it from a later one with the
 * same id; 0 if it is dead, or not to be seen.
 */
unsigned long long fusd_proc_thread_start(pid_t thread);

/* Whether a thread is seen to be on its way out. */
bool fusd_proc_is_exiting(pid_t thread);

/* Whether a thread of this process, but the calling one, has or wants a CPU. */
bool fusd_proc_is_running(void);

/* The system call in which a thread waits. */
struct fusd_proc_call {
	long number;
	unsigned long arguments[4];
};

/* False if the thread waits in none, or may not be looked at. */
bool fusd_proc_find_call(pid_t thread, struct fusd_proc_call *call);

/* A process's descriptors, named by their numbers; NULL as opendir(3). */
DIR *fusd_proc_open_descriptors(pid_t thread);

/* The path of what a thread's descriptor is open on. */
#define FUSD_PROC_PATH_SIZE 64
void fusd_proc_descriptor_path(pid_t thread, int fd,
			       char path[FUSD_PROC_PATH_SIZE]);

/* What a descriptor shows of its open file. */
struct fusd_proc_information {
	uint64_t position;
	unsigned long flags; /* without O_CLOEXEC, which is the descriptor's */
	int mount;	     /* the id of the mount it was opened by */
};

/* A file to be read again and again, as it is now each time; -1 and errno. */
int fusd_proc_open_information(pid_t thread, int fd);
bool fusd_proc_read_information(int file,
				struct fusd_proc_information *information);

/* One mount; the strings last while it is visited. */
struct fusd_proc_mount {
	const char *root; /* of the file system, what is mounted */
	const char *point;
	const char *type;
	const char *source;
};

/* Visits all mounts, the topmost of a path last. 0 or -errno. */
int fusd_proc_for_each_mount(void (*visit)(const struct fusd_proc_mount *mount,
					   void *data),
			     void *data);

/* A descriptor for which poll(2) tells of mounts that come and go, or -1. */
int fusd_proc_open_mounts(void);

/* Whether this kernel can load modules. */
bool fusd_proc_takes_modules(void);

/* The major number of the character devices of this name; 0: none is known. */
unsigned int fusd_proc_find_major(const char *name);

#endif /* FUSD_PROC_H */
