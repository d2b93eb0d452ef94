/* SPDX-License-Identifier: BSD-3-Clause */
/* What the drivers share whose ioctls point into their client. */
#ifndef CLIENT_MEMORY_H
#define CLIENT_MEMORY_H

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <fusd.h>

/*
 * Makes *memory a copy of length bytes of the client, which go back to it with
 * FUSD_CLIENT_WRITE; NULL if length is 0. 0, or what the callback has to
 * return.
 */
static inline int client_memory(struct fusd_file_info *file,
				const void *address, size_t length, int access,
				void *memory)
{
	void *copy = NULL;

	if (length > 0)
		copy = fusd_client_memory(file, (uintptr_t)address, length,
					  access);
	*(void **)memory = copy;
	if (copy || length == 0)
		return 0;
	return errno == EAGAIN ? -FUSD_RETRY : -errno;
}

/* An answer for the client, of any type, where its argument points at. */
static inline int give(struct fusd_file_info *file, const void *argument,
		       const void *value, size_t size)
{
	void *memory;
	int error =
		client_memory(file, argument, size, FUSD_CLIENT_WRITE, &memory);

	if (!error)
		memcpy(memory, value, size);
	return error;
}

/* What the client's argument points at. */
static inline int take(struct fusd_file_info *file, const void *argument,
		       void *value, size_t size)
{
	void *memory;
	int error =
		client_memory(file, argument, size, FUSD_CLIENT_READ, &memory);

	if (!error)
		memcpy(value, memory, size);
	return error;
}

#endif /* CLIENT_MEMORY_H */
