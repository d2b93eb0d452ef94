// SPDX-License-Identifier: BSD-3-Clause
/* The memory that an ioctl's argument, or its data, points at in the client. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "internal.h"

/* CUSE takes as many in one request. */
#define MAX_REGIONS 256

static bool may_ask(struct fusd_request *request)
{
	bool pending;

	if (!request->in_ioctl)
		return false;
	pthread_mutex_lock(&request->device->lock);
	pending = request->state == FUSD_REQUEST_PENDING;
	pthread_mutex_unlock(&request->device->lock);
	return pending;
}

static struct fusd_region *find_region(struct fusd_request *request,
				       unsigned long address, size_t length,
				       bool is_written)
{
	struct fusd_region *region;

	for (region = request->regions; region; region = region->next)
		if (region->address == address && region->length == length &&
		    region->is_written == is_written)
			break;
	return region;
}

/* The request with one more region would be what it may have. */
static bool has_room(const struct fusd_request *request, size_t length,
		     bool is_written)
{
	size_t most = request->device->max_client_memory;
	size_t bytes = 0, count = 2; /* for the argument's own data */

	for (const struct fusd_region *region = request->regions; region;
	     region = region->next) {
		bytes += region->length;
		count += region->is_written ? 2 : 1;
	}
	return length <= most - bytes &&
	       count + (is_written ? 2 : 1) <= MAX_REGIONS;
}

struct fusd_region *fusd_region_new(unsigned long address, size_t length,
				    bool is_written)
{
	const size_t alignment = _Alignof(struct fusd_region);
	/* And a 0 behind the data. */
	size_t size = sizeof(struct fusd_region) + length + 1;
	struct fusd_region *region = aligned_alloc(
		alignment, (size + alignment - 1) / alignment * alignment);

	if (!region)
		return NULL;
	*region = (struct fusd_region){
		.address = address,
		.length = length,
		.is_written = is_written,
		.is_asked = true,
	};
	region->data[length] = 0;
	return region;
}

/* Fetches a region that is new to the request. 0, -EAGAIN if not yet. */
static int fetch_new_region(struct fusd_request *request,
			    struct fusd_region *region)
{
	struct fusd_region **link = &request->regions;
	int error = request->device->transport->fetch(request, region);

	if (error && error != -EAGAIN)
		return error;
	region->is_fetched = !error;
	while (*link)
		link = &(*link)->next;
	*link = region;
	return error;
}

static int ask_for_region(struct fusd_request *request, unsigned long address,
			  size_t length, bool is_written,
			  struct fusd_region **region)
{
	int error;

	*region = find_region(request, address, length, is_written);
	if (*region) {
		(*region)->is_asked = true;
		return (*region)->is_fetched ? 0 : -EAGAIN;
	}
	if (address > UINTPTR_MAX - length)
		return -EFAULT;
	if (!request->device->transport->fetch)
		return -ENOTTY;
	if (!has_room(request, length, is_written))
		return -E2BIG;
	*region = fusd_region_new(address, length, is_written);
	if (!*region)
		return -ENOMEM;
	error = fetch_new_region(request, *region);
	if (error && error != -EAGAIN)
		free(*region);
	return error;
}

FUSD_PUBLIC void *fusd_client_memory(struct fusd_file_info *file,
				     unsigned long address, size_t length,
				     int access)
{
	const int accesses = FUSD_CLIENT_READ | FUSD_CLIENT_WRITE;
	struct fusd_request *request = (struct fusd_request *)file;
	struct fusd_region *region;
	int error = -EINVAL;

	if (file && length > 0 && access && !(access & ~accesses) &&
	    may_ask(request))
		error = ask_for_region(request, address, length,
				       access & FUSD_CLIENT_WRITE, &region);
	if (error) {
		errno = -error;
		return NULL;
	}
	return region->data;
}

int fusd_client_memory_store(struct fusd_request *request)
{
	const struct fusd_transport *transport = request->device->transport;
	int error = 0;

	for (const struct fusd_region *region = request->regions;
	     region && !error; region = region->next)
		if (region->is_written && region->is_fetched &&
		    transport->store)
			error = transport->store(request, region);
	return error;
}

void fusd_region_free_all(struct fusd_region *regions)
{
	struct fusd_region *next;

	for (; regions; regions = next) {
		next = regions->next;
		free(regions);
	}
}

int fusd_client_memory_retry(struct fusd_request *request)
{
	const struct fusd_region *region = request->regions;

	while (region && region->is_fetched)
		region = region->next;
	/* Nothing is missing: the callback would say so for ever. */
	if (!region)
		return -EIO;
	request->is_retry = true;
	return 0;
}

/* 0 for a thread that the driver's process namespace does not have. */
static pid_t client_thread(const struct fusd_request *request)
{
	return request->msg.parm.fops_msg.pid;
}

int fusd_region_read(struct fusd_request *request, struct fusd_region *region)
{
	if (client_thread(request) == 0)
		return -EPERM;
	return fusd_copy_from(client_thread(request), region->address,
			      region->data, region->length);
}

int fusd_region_write(struct fusd_request *request,
		      const struct fusd_region *region)
{
	if (client_thread(request) == 0)
		return -EPERM;
	return fusd_copy_to(client_thread(request), region->address,
			    region->data, region->length);
}
