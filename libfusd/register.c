// SPDX-License-Identifier: BSD-3-Clause
/* Registering a device and taking it away. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"
#include "stalled.h"

/* A client that calls on and on must not keep unregister from ending. */
#define MESSAGES_AT_UNREGISTER 10000

/* How long the next in a line of clients may take to make a request. */
#define LINE_MILLISECONDS 50

/* Finds the name proper and checks it. */
static int check_name(const char **name)
{
	const char *part;
	size_t length;

	if (!*name)
		return fusd_fail(EINVAL, "a device needs a name");
	if (!strncmp(*name, DEFAULT_DEV_ROOT, strlen(DEFAULT_DEV_ROOT)))
		*name += strlen(DEFAULT_DEV_ROOT);
	length = strlen(*name);
	if (length > FUSD_MAX_NAME_LENGTH)
		return fusd_fail(EINVAL,
				 "a name of %zu bytes is too long, a device's "
				 "has at most %d: \"%.80s\"",
				 length, FUSD_MAX_NAME_LENGTH, *name);
	for (size_t i = 0; i < length; i++)
		if (iscntrl((unsigned char)(*name)[i]))
			return fusd_fail(EINVAL, "a device name has no "
						 "control characters");
	for (part = *name;; part += length + 1) {
		length = strcspn(part, "/");
		if (length == 0 ||
		    (length <= 2 && !strncmp(part, "..", length)))
			return fusd_fail(EINVAL,
					 "\"%s\" is no device name: no part of "
					 "it may be empty, \".\" or \"..\"",
					 *name);
		if (!part[length])
			return 0;
	}
}

/* The structures as they were at first, which FUSD 1.10's form still means. */
#define FIRST_OPERATIONS_SIZE \
	(offsetof(struct fusd_file_operations, mmap) + sizeof(void (*)(void)))
#define FIRST_OPTIONS_SIZE \
	(offsetof(struct fusd_options, devname) + sizeof(const char *))

/* No structure of this library will ever be larger. */
#define MAX_STRUCTURE_SIZE 4096

/*
 * Copies a structure of a program that was compiled with another version's
 * header, as openat2(2) does: what it does not know is 0, and what this library
 * does not know must be 0.
 */
static int copy_structure(void *to, size_t size, const void *from,
			  size_t from_size, size_t first_size, const char *what)
{
	const char *bytes = from;

	if (from_size < first_size)
		return fusd_fail(EINVAL,
				 "%s of %zu bytes: it never had fewer than %zu",
				 what, from_size, first_size);
	if (from_size > MAX_STRUCTURE_SIZE)
		return fusd_fail(E2BIG, "%s of %zu bytes cannot be", what,
				 from_size);
	for (size_t i = size; i < from_size; i++)
		if (bytes[i])
			return fusd_fail(E2BIG,
					 "%s has something that libfusd %s "
					 "does not know: a newer libfusd is "
					 "needed",
					 what, fusd_version());
	memset(to, 0, size);
	memcpy(to, from, from_size < size ? from_size : size);
	return 0;
}

_Static_assert(sizeof(struct fusd_options) ==
		       offsetof(struct fusd_options, spin_us) +
			       sizeof(unsigned int),
	       "a later member would take bytes that programs do not set");

static int copy_options(struct fusd_options *to,
			const struct fusd_options *options)
{
	int error;

	if (!options) {
		memset(to, 0, sizeof(*to));
		return 0;
	}
	error = copy_structure(to, sizeof(*to), options, options->size,
			       FIRST_OPTIONS_SIZE, "struct fusd_options");
	return error;
}

/* The most that Linux has. */
#define MAX_MAJOR 511
#define MAX_MINOR ((1u << 20) - 1)

static int check_number(const struct fusd_options *options)
{
	if (options->major <= MAX_MAJOR && options->minor <= MAX_MINOR)
		return 0;
	return fusd_fail(EINVAL,
			 "%u:%u is no device number: a major number is at most "
			 "%u, a minor number %u",
			 options->major, options->minor, MAX_MAJOR, MAX_MINOR);
}

/* Longer looks are no faster than waiting. */
#define MAX_SPIN_US 1000

static int check_speed(const struct fusd_options *options)
{
	if (options->max_transfer &&
	    (options->max_transfer < MAX_RW_SIZE ||
	     options->max_transfer > FUSD_MAX_TRANSFER))
		return fusd_fail(EINVAL,
				 "%u bytes are no max_transfer: it is %d to "
				 "%d",
				 options->max_transfer, MAX_RW_SIZE,
				 FUSD_MAX_TRANSFER);
	if (options->spin_us > MAX_SPIN_US)
		return fusd_fail(EINVAL,
				 "%u microseconds are no spin_us: it is at "
				 "most %d",
				 options->spin_us, MAX_SPIN_US);
	return 0;
}

static int register_device(const char *name, mode_t mode, void *device_info,
			   const struct fusd_file_operations *fops,
			   size_t fops_size, const struct fusd_options *given)
{
	struct fusd_file_operations operations;
	const struct fusd_transport *transport;
	struct fusd_options options;
	struct fusd_device *device;
	int error;

	error = check_name(&name);
	if (error)
		return error;
	if (!fops)
		return fusd_fail(EINVAL, "device \"%s\" has no callbacks",
				 name);
	error = copy_structure(&operations, sizeof(operations), fops, fops_size,
			       FIRST_OPERATIONS_SIZE,
			       "struct fusd_file_operations");
	if (!error)
		error = copy_options(&options, given);
	if (!error)
		error = check_number(&options);
	if (!error)
		error = check_speed(&options);
	if (error)
		return error;
	transport = fusd_transport_choose(options.transport);
	if (!transport)
		return -errno;

	device = fusd_device_new(name, transport);
	if (!device)
		return fusd_fail(ENOMEM, "no memory for device \"%s\"", name);
	device->mode = mode & 0777;
	device->device_info = device_info;
	device->ops = operations;
	device->max_client_memory = options.max_client_memory ?
					    options.max_client_memory :
					    FUSD_MAX_CLIENT_MEMORY;
	/* No sum with a length of a client's is to overflow. */
	if (device->max_client_memory > SSIZE_MAX / 2)
		device->max_client_memory = SSIZE_MAX / 2;
	device->max_transfer =
		options.max_transfer ? options.max_transfer : MAX_RW_SIZE;
	device->spin_us = options.spin_us;
	device->is_stream = options.stream;
	device->tells_waits = options.nonblock;
	device->owner = options.owner;
	device->group = options.group;
	error = fusd_ioctls_copy(device, options.ioctls, options.ioctl_count);
	if (!error && device->tells_waits && !device->ops.poll_diff)
		error = fusd_fail(EINVAL,
				  "device \"%s\" has no poll_diff to say what "
				  "would wait, which the option nonblock needs",
				  name);
	if (!error)
		error = fusd_shared_memory_take(device, options.shared_memory);
	if (!error)
		error = transport->open_device(device, &options);
	if (error) {
		fusd_device_put_reference(device);
		return error;
	}
	error = fusd_await_prepare(device);
	if (!error)
		error = fusd_registry_add(device);
	if (error) {
		fusd_fail(-error, "cannot watch device \"%s\": %s", name,
			  strerror(-error));
		transport->remove_node(device);
		fusd_device_leave(device);
		return error;
	}
	fusd_stalled_watch(device);
	return device->fd;
}

FUSD_PUBLIC int fusd_register_sized(const char *name, mode_t mode,
				    void *device_info,
				    const struct fusd_file_operations *fops,
				    size_t fops_size,
				    const struct fusd_options *options)
{
	int fd = register_device(name, mode, device_info, fops, fops_size,
				 options);

	if (fd >= 0)
		errno = 0;
	return fusd_result(fd);
}

FUSD_PUBLIC int fusd_register_simply(const char *name, const char *clazz,
				     const char *devname, mode_t mode,
				     void *device_info,
				     const struct fusd_file_operations *fops,
				     size_t fops_size)
{
	const struct fusd_options options = {
		.size = sizeof(options),
		.clazz = clazz,
		.devname = devname,
	};
	int fd = fusd_register_sized(name, mode, device_info, fops, fops_size,
				     &options);
	int error = errno;

	if (fd < 0 && !fusd_has_log())
		fprintf(stderr, "%s: %s\n", program_invocation_short_name,
			fusd_error());
	errno = error;
	return fd;
}

FUSD_PUBLIC int fusd_register(const char *name, mode_t mode, void *device_info,
			      struct fusd_file_operations *fops)
{
	return fusd_register_sized(name, mode, device_info, fops,
				   FIRST_OPERATIONS_SIZE, NULL);
}

/* What fusd_register() is under FUSD_KOR_API. */
FUSD_PUBLIC int fusd_register_kor(const char *name, const char *clazz,
				  const char *devname, mode_t mode,
				  void *device_info,
				  struct fusd_file_operations *fops);
FUSD_PUBLIC int fusd_register_kor(const char *name, const char *clazz,
				  const char *devname, mode_t mode,
				  void *device_info,
				  struct fusd_file_operations *fops)
{
	const struct fusd_options options = {
		.size = sizeof(options),
		.clazz = clazz,
		.devname = devname,
	};

	return fusd_register_sized(name, mode, device_info, fops,
				   FIRST_OPERATIONS_SIZE, &options);
}

/* Waits for a message until then; false if none came. */
static bool message_comes(struct fusd_device *device, int64_t end)
{
	struct pollfd polled = { .fd = device->fd, .events = POLLIN };
	int64_t left = end - fusd_now_ms();

	return left > 0 && poll(&polled, 1, (int)left) == 1;
}

/*
 * Clients whose requests still wait in the kernel get EPIPE too, and so do
 * those who can make theirs only now that another one's read or write was
 * answered.
 */
static void refuse_waiting(struct fusd_device *device, bool was_transfer)
{
	const struct fusd_transport *transport = device->transport;
	struct fusd_request *request;
	int64_t end = 0;
	int result = 0;

	for (int i = 0; i < MESSAGES_AT_UNREGISTER; i++) {
		if (was_transfer && transport->lines_up_transfers)
			end = fusd_now_ms() + LINE_MILLISECONDS;
		was_transfer = false;
		result = transport->receive(device, &request);
		if (result == 0) {
			was_transfer = fusd_request_is_transfer(request);
			fusd_request_refuse(request);
		}
		if (result < 0 &&
		    !(result == -EAGAIN && message_comes(device, end)))
			return;
	}
}

void fusd_device_unregister(struct fusd_device *device)
{
	bool was_transfer;

	device->transport->remove_node(device);
	device->exchanges++;
	pthread_mutex_lock(&device->lock);
	device->gone = true;
	pthread_mutex_unlock(&device->lock);
	fusd_end_waits(device);
	was_transfer = fusd_request_fail_all(device, EPIPE);
	refuse_waiting(device, was_transfer);
	fusd_device_end_exchange(device);
	fusd_device_leave(device);
}

FUSD_PUBLIC int fusd_unregister(int fd)
{
	struct fusd_device *device = fusd_registry_remove(fd);

	if (!device)
		return fusd_result(-EBADF);
	fusd_device_unregister(device);
	return 0;
}

/*
 * What else belongs to the device is the child's copy of its parent's memory,
 * in which threads that the child does not have may have been at work: it is
 * left as it is.
 */
static void forget_device(struct fusd_device *device)
{
	pthread_mutex_init(&device->lock, NULL);
	device->gone = true;
	fusd_request_forget_all(device);
	close(device->fd);
	/* From here on whatever the child opens has the number. */
	device->fd = -1;
	if (device->shared_memory >= 0)
		close(device->shared_memory);
	device->shared_memory = -1;
	if (device->end_fd >= 0)
		close(device->end_fd);
	device->end_fd = -1;
}

FUSD_PUBLIC void fusd_forget_devices(void)
{
	fusd_block_forget();
	fusd_registry_forget(forget_device);
	fusd_transport_forget_all();
}

FUSD_PUBLIC ssize_t fusd_device_path(int fd, char *path, size_t size)
{
	struct fusd_device *device = fusd_registry_enter(fd);
	size_t length;

	if (!device)
		return fusd_result(-EBADF);
	length = strlen(device->path);
	if (length < size)
		strcpy(path, device->path);
	fusd_device_leave(device);
	return length < size ? (ssize_t)length : fusd_result(-ERANGE);
}

FUSD_PUBLIC const char *fusd_device_transport(int fd)
{
	struct fusd_device *device = fusd_registry_enter(fd);
	const char *name;

	if (!device) {
		errno = EBADF;
		return NULL;
	}
	name = device->transport->name;
	fusd_device_leave(device);
	return name;
}
