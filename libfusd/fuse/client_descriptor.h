/* SPDX-License-Identifier: BSD-3-Clause */
/* A client's descriptor of an open file. */
#ifndef FUSD_CLIENT_DESCRIPTOR_H
#define FUSD_CLIENT_DESCRIPTOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A device's node: the number of it, or of the file system that it is. */
struct fusd_node_number {
	dev_t device_number;
	bool is_character_device;
};

/* A descriptor of a client's thread, and what it shows. */
struct fusd_descriptor {
	pid_t thread; /* 0: none is known */
	int fd;
	int mount;	     /* the id of the mount it was opened by */
	unsigned long flags; /* the access mode tells it from others */
	uint64_t position;
};

/* A device's: proc(5)'s file of the descriptor looked at last stays open. */
struct fusd_descriptor_file {
	pthread_mutex_t lock;
	pid_t thread; /* 0: none is open */
	int client_fd;
	int file;
};

/*
 * Looks at the descriptor for which a client's thread waits in ioctl(2), or in
 * one of poll(2)'s siblings. found is what was found of the open file before,
 * with the flags it had. False, and found as it was, if the client may not be
 * looked at, or has several that it may be and that are not alike. Asks no
 * driver, and waits for nobody.
 */
bool fusd_client_descriptor(pid_t thread, bool in_ioctl,
			    const struct fusd_node_number *node,
			    struct fusd_descriptor_file *kept,
			    struct fusd_descriptor *found);

/*
 * Whether the read in which a client's thread waits began before
 * offset, where the kernel has come to. False if that cannot be seen.
 */
bool fusd_client_goes_on(pid_t thread, uint64_t offset,
			 const struct fusd_node_number *node,
			 unsigned long flags);

void fusd_descriptor_file_close(struct fusd_descriptor_file *kept);

#endif /* FUSD_CLIENT_DESCRIPTOR_H */
