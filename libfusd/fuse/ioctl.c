// SPDX-License-Identifier: BSD-3-Clause
/*
 * ioctl on libfuse.
 *
 * FUSE, and CUSE unless it is unrestricted, sends what the request number
 * speaks of along. An unrestricted CUSE sends nothing at first: the answer
 * names parts of the client's memory, the kernel fetches them and sends the
 * ioctl once more, and takes the final answer's data back to those that were
 * named for that. A client's thread is in one ioctl at a time, so its id finds
 * what was named.
 */
#include <errno.h>
#include <stdlib.h>

#include "ioctl.h"

/* The kernel's FUSE_IOCTL_MAX_IOV. */
#define MAX_VECTORS 256

/* What the request number alone speaks of. */
struct ioctl_sizes {
	size_t in_size;
	size_t out_size;
};

static struct ioctl_sizes decode_sizes(unsigned int number)
{
	return (struct ioctl_sizes){
		.in_size =
			_IOC_DIR(number) & _IOC_WRITE ? _IOC_SIZE(number) : 0,
		.out_size =
			_IOC_DIR(number) & _IOC_READ ? _IOC_SIZE(number) : 0,
	};
}

/* Fills the regions with what the kernel sent; false if it is not that. */
static bool fill_regions(const struct fusd_retry *retry, unsigned int number,
			 const void *argument, const char *data, size_t in_size,
			 size_t out_size)
{
	struct ioctl_sizes expected = decode_sizes(number);
	struct fusd_region *region;

	if (retry->number != number || retry->argument != argument)
		return false;
	data += expected.in_size;
	for (region = retry->regions; region; region = region->next) {
		expected.in_size += region->length;
		if (region->is_written)
			expected.out_size += region->length;
	}
	if (expected.in_size != in_size || expected.out_size != out_size)
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

static void begin_vectors(struct vectors *vectors, unsigned int number,
			  void *argument)
{
	struct ioctl_sizes sizes = decode_sizes(number);

	vectors->in_count = sizes.in_size > 0;
	vectors->in[0] = (struct iovec){ argument, sizes.in_size };
	vectors->out_count = sizes.out_size > 0;
	vectors->out[0] = (struct iovec){ argument, sizes.out_size };
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
static bool collect_data(fuse_req_t fuse, unsigned int number, void *argument,
			 struct fuse_file_info *info, const void *in_data,
			 size_t in_size, size_t out_size,
			 struct fusd_region **regions)
{
	struct ioctl_sizes sizes = decode_sizes(number);
	struct fusd_retry *retry = fusd_retry_take(
		fuse_req_userdata(fuse), &fusd_session_file(info)->retries,
		fuse_req_ctx(fuse)->pid);
	bool is_complete =
		in_size == sizes.in_size && out_size == sizes.out_size;
	struct vectors vectors;

	if (!is_complete && retry &&
	    fill_regions(retry, number, argument, in_data, in_size, out_size)) {
		is_complete = true;
		*regions = retry->regions;
		retry->regions = NULL;
	}
	if (retry)
		fusd_retry_free(retry);
	if (!is_complete) {
		begin_vectors(&vectors, number, argument);
		reply_vectors(fuse, &vectors);
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

void fusd_ioctl_receive(fuse_req_t fuse, unsigned int number, void *argument,
			struct fuse_file_info *info, const void *in_data,
			size_t in_size, size_t out_size)
{
	const struct fusd_device *device = fuse_req_userdata(fuse);
	const struct fusd_session *session = device->transport_data;
	struct fusd_region *regions = NULL;
	struct fusd_request *request;
	size_t data_size = in_size;
	fops_msg_t *fops;

	if (session->is_unrestricted) {
		if (!collect_data(fuse, number, argument, info, in_data,
				  in_size, out_size, &regions))
			return;
		in_size = decode_sizes(number).in_size;
		out_size = decode_sizes(number).out_size;
	}
	request = fusd_session_begin(fuse, FUSD_IOCTL, fusd_session_file(info));
	request->regions = regions;
	fops = &request->msg.parm.fops_msg;
	fops->cmd = number;
	fops->arg.ptr_arg = argument;
	fops->length = in_size > out_size ? in_size : out_size;
	fusd_payload_overwritten(request, fuse_part(request)->open_file->id,
				 covered_payload(request, in_data, data_size));
	if (in_size > 0) {
		request->data = (char *)in_data;
		request->msg.datalen = (int)in_size;
	} else {
		memset(request->data, 0, out_size);
		fusd_payload_overwritten(
			request, fuse_part(request)->open_file->id, out_size);
	}
	request->data[fops->length] = 0;
	fuse_part(request)->ioctl_out_size = out_size;
	fusd_session_lock(request);
	fusd_session_finish(request);
	fusd_session_unlock(request);
}

/* What the callback asked for, which the kernel shall fetch anew. */
static int copy_regions(const struct fusd_request *request,
			struct fusd_retry *retry, struct vectors *vectors)
{
	struct fusd_region **link = &retry->regions;

	for (const struct fusd_region *region = request->regions; region;
	     region = region->next) {
		if (!region->is_asked)
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
	begin_vectors(&vectors, fops->cmd, fops->arg.ptr_arg);
	if (copy_regions(request, retry, &vectors)) {
		fusd_retry_free(retry);
		return fuse_reply_err(fuse_part(request)->fuse, ENOMEM);
	}
	/* First, for another thread may receive what the kernel sends then. */
	fusd_retry_put(request->device, &fuse_part(request)->open_file->retries,
		       retry);
	return reply_vectors(fuse_part(request)->fuse, &vectors);
}

/* The data of the request number, then that of each region to be written. */
static int reply_regions(struct fusd_request *request, ssize_t retval)
{
	struct iovec out[MAX_VECTORS] = {
		{ request->data, fuse_part(request)->ioctl_out_size }
	};
	int count = fuse_part(request)->ioctl_out_size > 0;

	for (struct fusd_region *region = request->regions; region;
	     region = region->next)
		if (region->is_written && region->is_fetched)
			out[count++] =
				(struct iovec){ region->data, region->length };
	return fuse_reply_ioctl_iov(fuse_part(request)->fuse, (int)retval, out,
				    count);
}

int fusd_ioctl_reply(struct fusd_request *request, ssize_t retval)
{
	size_t size = fuse_part(request)->ioctl_out_size;

	/* Not as a result, which the kernel's own ioctls want data with. */
	if (retval < 0)
		return fuse_reply_err(fuse_part(request)->fuse, (int)-retval);
	if (request->is_retry)
		return reply_retry(request);
	if (request->regions && !request->device->transport->store)
		return reply_regions(request, retval);
	return fuse_reply_ioctl(fuse_part(request)->fuse, (int)retval,
				size ? request->data : NULL, size);
}
