// SPDX-License-Identifier: BSD-3-Clause
/*
 * What an ioctl's argument points at: what the request number codes, unless the
 * driver has told that it is something else. Where a transport's kernel knows
 * nothing of that and brings other data, or none, the driver's own is fetched
 * from the client's memory like any that a callback asks for.
 */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

int fusd_ioctls_copy(struct fusd_device *device, const struct fusd_ioctl *table,
		     size_t count)
{
	if (count > FUSD_IOCTLS_MAX)
		return fusd_fail(EINVAL,
				 "%zu entries of struct fusd_ioctl are too "
				 "many: at most %d",
				 count, FUSD_IOCTLS_MAX);
	if (count > 0 && !table)
		return fusd_fail(EINVAL, "there is no table of %zu ioctls",
				 count);
	for (size_t i = 0; i < count; i++)
		if (table[i].direction > FUSD_IOCTL_INOUT ||
		    table[i].size > MAX_RW_SIZE)
			return fusd_fail(EINVAL,
					 "ioctl %#x cannot have direction %u "
					 "and %u bytes",
					 table[i].number, table[i].direction,
					 table[i].size);
	if (count == 0)
		return 0;
	device->ioctls = malloc(count * sizeof(*table));
	if (!device->ioctls)
		return fusd_fail(ENOMEM, "no memory for a table of ioctls");
	memcpy(device->ioctls, table, count * sizeof(*table));
	device->ioctl_count = count;
	return 0;
}

struct fusd_argument fusd_argument_coded(unsigned int number)
{
	size_t size = _IOC_SIZE(number);

	return (struct fusd_argument){
		.in = _IOC_DIR(number) & _IOC_WRITE ? size : 0,
		.out = _IOC_DIR(number) & _IOC_READ ? size : 0,
		.is_value = _IOC_DIR(number) == _IOC_NONE,
	};
}

static bool fits(const struct fusd_ioctl *ioctl, unsigned int number)
{
	__u32 mask = ioctl->mask ? ioctl->mask : ~(__u32)0;

	return ((number ^ ioctl->number) & mask) == 0;
}

/* As kernel/ioctl.c finds it. */
struct fusd_argument fusd_argument_of(const struct fusd_device *device,
				      unsigned int number)
{
	const struct fusd_ioctl *ioctl = device->ioctls;
	const struct fusd_ioctl *end = ioctl + device->ioctl_count;
	size_t size;

	while (ioctl < end && !fits(ioctl, number))
		ioctl++;
	if (ioctl == end)
		return fusd_argument_coded(number);
	size = ioctl->size ? ioctl->size : _IOC_SIZE(number);
	return (struct fusd_argument){
		.in = ioctl->direction & FUSD_IOCTL_IN ? size : 0,
		.out = ioctl->direction & FUSD_IOCTL_OUT ? size : 0,
		.is_value = ioctl->direction == FUSD_IOCTL_VALUE,
	};
}

size_t fusd_argument_size(const struct fusd_argument *argument)
{
	return argument->in > argument->out ? argument->in : argument->out;
}

/* The callback's data becomes a region of the client's memory. */
static int fetch_data(struct fusd_request *request)
{
	const struct fusd_argument *argument = &request->argument;
	const fops_msg_t *fops = &request->msg.parm.fops_msg;
	void *data = fusd_client_memory(
		&request->file, (unsigned long)fops->arg.ptr_arg,
		fusd_argument_size(argument),
		argument->out ? FUSD_CLIENT_WRITE : FUSD_CLIENT_READ);

	if (!data)
		return -errno;
	if (!argument->in)
		memset(data, 0, argument->out);
	request->msg.data = data;
	return 0;
}

int fusd_ioctl_argument(struct fusd_request *request, void **argument)
{
	int error = 0;

	if (request->argument.is_value) {
		*argument = request->msg.parm.fops_msg.arg.ptr_arg;
		return 0;
	}
	if (request->is_elsewhere)
		error = fetch_data(request);
	*argument = request->msg.data;
	return error;
}

void fusd_ioctl_settle(struct fusd_request *request)
{
	struct fusd_region *region = request->regions;
	const char *data = request->msg.data;

	/* The region that fetch_data() asked for is the first. */
	if (!request->is_elsewhere || !request->argument.out)
		return;
	if (request->gives_nothing)
		region->is_written = false;
	else if (data && data != region->data)
		memcpy(region->data, data, request->argument.out);
}

size_t fusd_ioctl_reply_size(const struct fusd_request *request)
{
	return request->gives_nothing || request->is_elsewhere ?
		       0 :
		       request->argument.out;
}

bool fusd_ioctl_is_value(const struct fusd_file_info *file)
{
	return ((const struct fusd_request *)file)->argument.is_value;
}

FUSD_PUBLIC int fusd_is_32bit(struct fusd_file_info *file)
{
	return file && ((struct fusd_request *)file)->is_32bit;
}

FUSD_PUBLIC int fusd_discard_data(struct fusd_file_info *file)
{
	struct fusd_request *request = (struct fusd_request *)file;

	if (!file || request->msg.subcmd != FUSD_IOCTL)
		return fusd_result(-EINVAL);
	request->gives_nothing = true;
	return 0;
}
