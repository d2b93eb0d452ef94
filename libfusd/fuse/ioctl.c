// SPDX-License-Identifier: BSD-3-Clause
/*
 * ioctl on libfuse.
 *
 * FUSE, and CUSE unless it is unrestricted, sends what the request number
 * codes along, and takes back as much at most; what the driver has told that is
 * more than that, is elsewhere. An unrestricted CUSE sends nothing at first:
 * the answer names parts of the client's memory, the kernel fetches them and
 * sends the ioctl once more, and takes the final answer's data back to those
 * that were named for that. A client's thread is in one ioctl at a time, so its
 * id finds what was named.
 */
#include <errno.h>
#include <stdlib.h>

#include "ioctl.h"

/* The kernel's FUSE_IOCTL_MAX_IOV. */
#define MAX_VECTORS 256
/* The kernel's FUSE_DEFAULT_MAX_PAGES_PER_REQ, which CUSE cannot raise. */
#define MAX_CARRIED MAX_RW_SIZE

/*
 * FUSE lets a client go only after its request was answered, killed or not, so
 * its thread's id is its own; unless the connection was cut from outside.
 */
int fusd_ioctl_fetch(struct fusd_request *request, struct fusd_region *region)
{
	int error = fusd_region_read(request, region);

	return error || fusd_session_is_connected(request->device) ? error :
								     -ESRCH;
}

int fusd_ioctl_store(struct fusd_request *request,
		     const struct fusd_region *region)
{
	if (!fusd_session_is_connected(request->device))
		return -ESRCH;
	return fusd_region_write(request, region);
}

bool fusd_ioctl_is_carried(const struct fusd_request *request,
			   const struct fusd_region *region)
{
	size_t bytes = fusd_argument_size(&request->argument);

	for (const struct fusd_region *other = request->regions; other;
	     other = other->next)
		if (!other->is_copied)
			bytes += other->length;
	return bytes + region->length <= MAX_CARRIED;
}

/* What a message of the kernel's is about. */
struct ioctl_call {
	fuse_req_t fuse;
	unsigned int number;
	void *argument;
	bool is_32bit; /* the client is */
	const char *data;
	size_t in_size, out_size; /* of data, and of what the client takes */
};

/* Fills the regions with what the kernel sent; false if it is not that. */
static bool fill_regions(const struct fusd_retry *retry,
			 const struct ioctl_call *call,
			 struct fusd_argument expected)
{
	const char *data = call->data + expected.in;
	struct fusd_region *region;

	if (retry->number != call->number || retry->argument != call->argument)
		return false;
	for (region = retry->regions; region; region = region->next) {
		expected.in += region->length;
		if (region->is_written)
			expected.out += region->length;
	}
	if (expected.in != call->in_size || expected.out != call->out_size)
		return false;
	for (region = retry->regions; region; region = region->next) {
		memcpy(region->data, data, region->length);
		data += region->length;
		region->is_fetched = true;
		region->is_asked = false;
	}
	return true;
}

/* Which memory the kernel shall fetch, and write to afterwards. */
struct vectors {
	struct iovec in[MAX_VECTORS], out[MAX_VECTORS];
	size_t in_count, out_count;
};

static void begin_vectors(struct vectors *vectors,
			  const struct fusd_argument *argument, void *address)
{
	vectors->in_count = argument->in > 0;
	vectors->in[0] = (struct iovec){ address, argument->in };
	vectors->out_count = argument->out > 0;
	vectors->out[0] = (struct iovec){ address, argument->out };
}

static void add_vector(struct vectors *vectors,
		       const struct fusd_region *region)
{
	struct iovec vector = { (void *)region->address, region->length };

	vectors->in[vectors->in_count++] = vector;
	if (region->is_written)
		vectors->out[vectors->out_count++] = vector;
}

static int reply_vectors(fuse_req_t fuse, const struct vectors *vectors)
{
	return fuse_reply_ioctl_retry(fuse, vectors->in, vectors->in_count,
				      vectors->out, vectors->out_count);
}

/*
 * Collects an unrestricted ioctl's data, from the first message or a later one.
 * True if the request is complete, with its regions. If not, the message was
 * answered: the kernel shall send the ioctl again.
 */
static bool collect_data(const struct ioctl_call *call,
			 struct fuse_file_info *info,
			 const struct fusd_argument *argument,
			 struct fusd_region **regions)
{
	struct fusd_retry *retry =
		fusd_retry_take(fuse_req_userdata(call->fuse),
				&fusd_session_file(info)->retries,
				fuse_req_ctx(call->fuse)->pid);
	bool is_complete = call->in_size == argument->in &&
			   call->out_size == argument->out;
	struct vectors vectors;

	if (!is_complete && retry && fill_regions(retry, call, *argument)) {
		is_complete = true;
		*regions = retry->regions;
		retry->regions = NULL;
	}
	if (retry)
		fusd_retry_free(retry);
	if (!is_complete) {
		begin_vectors(&vectors, argument, call->argument);
		reply_vectors(call->fuse, &vectors);
	}
	return is_complete;
}

/* How far the data, which begins before the payload, goes into it. */
static size_t covered_payload(struct fusd_request *request, const char *data,
			      size_t size)
{
	const char *payload = request->payload;

	return size > 0 && data + size > payload ?
		       (size_t)(data + size - payload) :
		       0;
}

/* The data that the callback sees: what the client sent, and room for more. */
static void set_data(struct fusd_request *request,
		     const struct ioctl_call *call)
{
	const struct fusd_argument *argument = &request->argument;
	uint64_t file_id = fuse_part(request)->open_file->id;
	size_t size = fusd_argument_size(argument);

	request->msg.parm.fops_msg.length = size;
	fusd_payload_overwritten(
		request, file_id,
		covered_payload(request, call->data, call->in_size));
	if (request->is_elsewhere)
		return;
	if (argument->in > 0) {
		request->data = (char *)call->data;
		request->msg.datalen = (int)argument->in;
	} else {
		memset(request->data, 0, size);
		fusd_payload_overwritten(request, file_id, size);
	}
	request->data[size] = 0;
}

static void begin_request(const struct ioctl_call *call,
			  struct fuse_file_info *info,
			  const struct fusd_argument *argument,
			  bool is_elsewhere, struct fusd_region *regions)
{
	struct fusd_request *request = fusd_session_begin(
		call->fuse, FUSD_IOCTL, fusd_session_file(info));
	fops_msg_t *fops = &request->msg.parm.fops_msg;

	request->argument = *argument;
	request->is_32bit = call->is_32bit;
	request->is_elsewhere = is_elsewhere;
	request->regions = regions;
	fops->cmd = call->number;
	fops->arg.ptr_arg = call->argument;
	set_data(request, call);
	fusd_session_lock(request);
	fusd_session_finish(request);
	fusd_session_unlock(request);
}

/*
 * Makes what the driver told of an argument what the kernel brought for it.
 * Returns whether that is less. The kernel's own ioctls on regular files carry
 * less than their numbers code, of which nothing is elsewhere.
 */
static bool bound_argument(struct fusd_argument *told,
			   const struct ioctl_call *call)
{
	struct fusd_argument coded = fusd_argument_coded(call->number);

	if (told->in == coded.in && told->out == coded.out) {
		told->in = call->in_size;
		told->out = call->out_size;
	}
	return told->in > call->in_size || told->out > call->out_size;
}

void fusd_ioctl_receive(fuse_req_t fuse, unsigned int number, void *argument,
			struct fuse_file_info *info, unsigned int flags,
			const void *in_data, size_t in_size, size_t out_size)
{
	const struct ioctl_call call = {
		.fuse = fuse,
		.number = number,
		.argument = argument,
		.is_32bit = flags & FUSE_IOCTL_COMPAT,
		.data = in_data,
		.in_size = in_size,
		.out_size = out_size,
	};
	const struct fusd_device *device = fuse_req_userdata(fuse);
	const struct fusd_session *session = device->transport_data;
	struct fusd_argument told = fusd_argument_of(device, number);
	struct fusd_region *regions = NULL;
	bool is_elsewhere = false;

	if (!session->is_unrestricted)
		is_elsewhere = bound_argument(&told, &call);
	else if (!collect_data(&call, info, &told, &regions))
		return;
	begin_request(&call, info, &told, is_elsewhere, regions);
}

/* What the callback asked for, which the kernel shall fetch anew. */
static int copy_regions(const struct fusd_request *request,
			struct fusd_retry *retry, struct vectors *vectors)
{
	struct fusd_region **link = &retry->regions;

	for (const struct fusd_region *region = request->regions; region;
	     region = region->next) {
		if (!region->is_asked || region->is_copied)
			continue;
		*link = fusd_region_new(region->address, region->length,
					region->is_written);
		if (!*link)
			return -ENOMEM;
		add_vector(vectors, *link);
		link = &(*link)->next;
	}
	return 0;
}

static int reply_retry(struct fusd_request *request)
{
	const fops_msg_t *fops = &request->msg.parm.fops_msg;
	struct fusd_retry *retry = calloc(1, sizeof(*retry));
	struct vectors vectors;

	if (!retry)
		return fuse_reply_err(fuse_part(request)->fuse, ENOMEM);
	retry->pid = fops->pid;
	retry->number = fops->cmd;
	retry->argument = fops->arg.ptr_arg;
	begin_vectors(&vectors, &request->argument, fops->arg.ptr_arg);
	if (copy_regions(request, retry, &vectors)) {
		fusd_retry_free(retry);
		return fuse_reply_err(fuse_part(request)->fuse, ENOMEM);
	}
	/* First, for another thread may receive what the kernel sends then. */
	fusd_retry_put(request->device, &fuse_part(request)->open_file->retries,
		       retry);
	return reply_vectors(fuse_part(request)->fuse, &vectors);
}

/* The data of the argument, then that of each region to be written. */
static int reply_regions(struct fusd_request *request, ssize_t retval)
{
	struct iovec out[MAX_VECTORS] = { { request->data,
					    request->argument.out } };
	int count = request->argument.out > 0;

	for (struct fusd_region *region = request->regions; region;
	     region = region->next)
		if (region->is_written && region->is_fetched &&
		    !region->is_copied)
			out[count++] =
				(struct iovec){ region->data, region->length };
	return fuse_reply_ioctl_iov(fuse_part(request)->fuse, (int)retval, out,
				    count);
}

/*
 * Those that the kernel does not carry, which are all if it is to take no data
 * of the argument: that is the first of what it takes.
 */
static int store_regions(struct fusd_request *request)
{
	int error = 0;

	for (const struct fusd_region *region = request->regions;
	     region && !error; region = region->next)
		if (region->is_written && region->is_fetched &&
		    (region->is_copied || request->gives_nothing))
			error = fusd_ioctl_store(request, region);
	return error;
}

int fusd_ioctl_reply(struct fusd_request *request, ssize_t retval)
{
	bool regions_are_ours =
		request->regions && !request->device->transport->store;
	size_t size = fusd_ioctl_reply_size(request);
	int error = 0;

	/* Not as a result, which the kernel's own ioctls want data with. */
	if (retval < 0)
		return fuse_reply_err(fuse_part(request)->fuse, (int)-retval);
	if (request->is_retry)
		return reply_retry(request);
	if (regions_are_ours)
		error = store_regions(request);
	if (error)
		return fuse_reply_err(fuse_part(request)->fuse, -error);
	if (regions_are_ours && !request->gives_nothing)
		return reply_regions(request, retval);
	return fuse_reply_ioctl(fuse_part(request)->fuse, (int)retval,
				size ? request->data : NULL, size);
}
