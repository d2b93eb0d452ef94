// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Descriptors that the answer of an ioctl or a read brings its client: new open
 * files of the device, and descriptors of the driver's.
 *
 * The driver adds them to a request that it has received, one by one, and then
 * answers. What a descriptor stands for is found or made at once, so that the
 * driver is told what is wrong with it. The client's number is chosen by the
 * client's own thread, when that takes the answer. Until then a descriptor
 * belongs to its request, and goes with it (request.c).
 */
#include <linux/anon_inodes.h>
#include <linux/fcntl.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "operations.h"

static bool kfusd_is_descriptor(const struct fusd_control_descriptor *told)
{
	const u32 of_open_files = O_ACCMODE | O_NONBLOCK;

	if (told->descriptor >= 0)
		return !(told->flags & ~O_CLOEXEC);
	return told->descriptor == -1 &&
	       !(told->flags & ~(O_CLOEXEC | of_open_files)) &&
	       (told->flags & O_ACCMODE) != O_ACCMODE;
}

/* Whether an answer to the request may have the number there. */
static bool kfusd_has_room_at(const struct kfusd_request *request, u32 offset)
{
	const bool is_read = request->call.subcmd == FUSD_READ;
	const size_t size = is_read ? request->length : request->reply_size;

	/* A read's result is how long its data is. */
	if (offset == FUSD_CONTROL_RESULT)
		return !is_read;
	return size >= sizeof(int) && offset <= size - sizeof(int);
}

/* Under device->lock: whether an answer to the request may bring this. */
static int kfusd_may_bring(const struct kfusd_request *request,
			   const struct fusd_control_descriptor *told)
{
	if (request->abandoned)
		return -EPIPE;
	if (request->call.subcmd != FUSD_IOCTL &&
	    request->call.subcmd != FUSD_READ)
		return -EINVAL;
	if (!kfusd_has_room_at(request, told->offset))
		return -EINVAL;
	if (request->descriptor_count >= FUSD_CONTROL_DESCRIPTORS)
		return -E2BIG;
	return 0;
}

/* The request of the driver's cookies, with a reference; or ERR_PTR. */
static struct kfusd_request *
kfusd_get_request(struct kfusd_device *device,
		  const struct fusd_control_descriptor *told)
{
	struct kfusd_request *request;
	int error = -EPIPE;

	spin_lock(&device->lock);
	request = kfusd_request_find(device, told->hint, told->transid,
				     told->fusd_file);
	if (request)
		error = kfusd_may_bring(request, told);
	if (!error)
		kref_get(&request->ref);
	spin_unlock(&device->lock);
	return error ? ERR_PTR(error) : request;
}

/* A file of the driver's, but none that would keep the device alive. */
static int kfusd_find_file(struct kfusd_descriptor *descriptor,
			   const struct file *control, int number)
{
	struct file *file = fget(number);

	if (!file)
		return -EBADF;
	if (file->f_op == control->f_op) {
		fput(file);
		return -EINVAL;
	}
	descriptor->file = file;
	return 0;
}

static int kfusd_make_child(struct kfusd_descriptor *descriptor,
			    const struct kfusd_request *request,
			    const struct fusd_control_descriptor *told)
{
	struct kfusd_file *child =
		kfusd_file_new_child(request->file, &request->ids);

	if (IS_ERR(child))
		return PTR_ERR(child);
	child->private_info = (void *)(unsigned long)told->private_info;
	descriptor->child = child;
	return 0;
}

/* Adds it to the request if that is still with the driver. */
static int kfusd_attach(struct kfusd_request *request,
			struct kfusd_descriptor *descriptor,
			const struct fusd_control_descriptor *told)
{
	struct kfusd_device *device = request->file->device;
	int error = -EPIPE;

	spin_lock(&device->lock);
	if (request->state == KFUSD_REQUEST_SENT)
		error = kfusd_may_bring(request, told);
	if (!error) {
		descriptor->next = request->descriptors;
		request->descriptors = descriptor;
		request->descriptor_count++;
	}
	spin_unlock(&device->lock);
	return error;
}

static int kfusd_add_to_request(struct kfusd_request *request,
				const struct file *control,
				const struct fusd_control_descriptor *told)
{
	struct kfusd_descriptor *descriptor;
	int error;

	descriptor = kzalloc(sizeof(*descriptor), GFP_KERNEL_ACCOUNT);
	if (!descriptor)
		return -ENOMEM;
	descriptor->flags = told->flags;
	descriptor->offset = told->offset;
	descriptor->number = -1;
	error = told->descriptor >= 0 ?
			kfusd_find_file(descriptor, control, told->descriptor) :
			kfusd_make_child(descriptor, request, told);
	if (!error)
		error = kfusd_attach(request, descriptor, told);
	if (!error)
		return 0;
	if (descriptor->file)
		fput(descriptor->file);
	if (descriptor->child)
		kfusd_file_put(descriptor->child);
	kfree(descriptor);
	return error;
}

int kfusd_add_descriptor(struct file *control,
			 const struct fusd_control_descriptor __user *user)
{
	struct kfusd_device *device = control->private_data;
	struct fusd_control_descriptor told;
	struct kfusd_request *request;
	int error;

	/* Pairs with kfusd_set_state(). */
	if (smp_load_acquire(&device->state) == KFUSD_NEW)
		return -ENODEV;
	if (copy_from_user(&told, user, sizeof(told)))
		return -EFAULT;
	if (!kfusd_is_descriptor(&told))
		return -EINVAL;
	request = kfusd_get_request(device, &told);
	if (IS_ERR(request))
		return PTR_ERR(request);
	error = kfusd_add_to_request(request, control, &told);
	kfusd_request_put(request);
	return error;
}

/* Makes the file of a new open file, which it hands that file's reference. */
static int kfusd_open_child(struct kfusd_descriptor *descriptor,
			    const struct file *filp)
{
	const unsigned int flags = descriptor->flags & (O_ACCMODE | O_NONBLOCK);
	struct kfusd_file *child = descriptor->child;
	struct file *file =
		anon_inode_getfile("[fusd]", filp->f_op, child, flags);

	if (IS_ERR(file))
		return PTR_ERR(file);
	if (kfusd_is_stream(child->device))
		stream_open(file_inode(file), file);
	else
		file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	if (kfusd_tells_waits(child->device))
		file->f_mode |= FMODE_NOWAIT;
	kfusd_file_list(child);
	descriptor->child = NULL;
	descriptor->file = file;
	return 0;
}

/* Puts the number where the client finds it. */
static int kfusd_place_number(struct kfusd_request *request,
			      const struct kfusd_descriptor *descriptor)
{
	if (descriptor->offset == FUSD_CONTROL_RESULT) {
		request->retval = descriptor->number;
		return 0;
	}
	/* The driver has answered without the data that it is to be in. */
	if (!request->has_reply_data ||
	    (request->call.subcmd == FUSD_READ &&
	     descriptor->offset + sizeof(int) > request->retval))
		return -EIO;
	memcpy(request->reply_data + descriptor->offset, &descriptor->number,
	       sizeof(descriptor->number));
	return 0;
}

static void kfusd_return_numbers(struct kfusd_request *request)
{
	struct kfusd_descriptor *descriptor;

	for (descriptor = request->descriptors; descriptor;
	     descriptor = descriptor->next) {
		if (descriptor->number >= 0)
			put_unused_fd(descriptor->number);
		descriptor->number = -1;
	}
}

int kfusd_reserve_numbers(struct kfusd_request *request)
{
	struct kfusd_descriptor *descriptor;
	int error = 0;

	for (descriptor = request->descriptors; descriptor && !error;
	     descriptor = descriptor->next) {
		descriptor->number =
			get_unused_fd_flags(descriptor->flags & O_CLOEXEC);
		error = descriptor->number < 0 ?
				descriptor->number :
				kfusd_place_number(request, descriptor);
	}
	if (error)
		kfusd_return_numbers(request);
	return error;
}

int kfusd_make_files(const struct file *filp, struct kfusd_request *request)
{
	struct kfusd_descriptor *descriptor;
	int error = 0;

	for (descriptor = request->descriptors; descriptor && !error;
	     descriptor = descriptor->next) {
		if (descriptor->child)
			error = kfusd_open_child(descriptor, filp);
	}
	return error;
}

void kfusd_end_descriptors(struct kfusd_request *request, int error)
{
	struct kfusd_descriptor *descriptor;

	if (error) {
		kfusd_return_numbers(request);
	} else {
		for (descriptor = request->descriptors; descriptor;
		     descriptor = descriptor->next) {
			fd_install(descriptor->number, descriptor->file);
			descriptor->file = NULL;
		}
	}
	kfusd_drop_descriptors(request);
}
