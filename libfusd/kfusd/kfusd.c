// SPDX-License-Identifier: BSD-3-Clause
/*
 * The kfusd transport: the classic messages, to and from the kernel module.
 *
 * The kernel does here what the other transports do in the library: it keeps
 * open files and their positions, and matches answers with requests.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#include <fusd_control.h>

#include "descriptor.h"
#include "held.h"
#include "options.h"
#include "sysfs.h"
#include "internal.h"
#include "own_request.h"
#include "private_data.h"
#include "proc.h"

/* A device's transport_data. */
struct kfusd_device {
	/* A header and its data are received, and listed, by one thread. */
	pthread_mutex_t receive_lock;
	uint64_t files; /* what its open files' ids begin with */
	__u64 options;	/* that the module has granted */
	struct fusd_private_data private_data;
};

/* What the kfusd transport knows of a request. */
struct kfusd_request {
	struct fusd_request common;	 /* first */
	unsigned long long client_start; /* of the client's thread */
};

_Static_assert(sizeof(struct kfusd_request) <= FUSD_PAGE_SIZE,
	       "a request must not overlap its payload");

static struct kfusd_request *kfusd_part(struct fusd_request *request)
{
	return (struct kfusd_request *)request;
}

/* The ids of the other transports count up from 1. */
#define KFUSD_FILES (UINT64_C(1) << 63)

static struct kfusd_device *kfusd_device(struct fusd_device *device)
{
	return device->transport_data;
}

/* Not everybody has a clone; DKMS has the sources that make install gave it. */
static int refuse_for_module(void)
{
	if (!fusd_proc_takes_modules())
		return fusd_fail(ENOPKG,
				 "there is no " FUSD_CONTROL_DEVNAME
				 ", and this kernel loads no modules: kfusd "
				 "needs one that does");
	if (!access("/usr/src/kfusd-" FUSD_VERSION, F_OK))
		return fusd_fail_with_advice(
			ENOPKG,
			"dkms install kfusd/" FUSD_VERSION "\nmodprobe kfusd",
			"there is no " FUSD_CONTROL_DEVNAME
			": have the kernel module built and loaded, by \"dkms "
			"install kfusd/" FUSD_VERSION "\" and \"modprobe "
			"kfusd\" as root");
	return fusd_fail_with_advice(
		ENOPKG, "modprobe kfusd",
		"there is no " FUSD_CONTROL_DEVNAME
		": run \"modprobe kfusd\" as root (for a container, on its "
		"host); if that finds no module, install it from a clone of "
		"FUSD's repository (\"make -C kernel install\")");
}

static int open_control(void)
{
	int fd = open(FUSD_CONTROL_DEVNAME, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == EACCES || errno == EPERM)
		return fusd_fail(
			errno, "this user may not open " FUSD_CONTROL_DEVNAME
			       ": run the driver as root, or let a group have "
			       "it (see 60-fusd.rules)");
	if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
		return refuse_for_module();
	return fusd_fail(errno, FUSD_CONTROL_DEVNAME " does not open: %s",
			 strerror(errno));
}

static int kfusd_check(void)
{
	int fd = open_control();

	if (fd < 0)
		return fd;
	close(fd);
	return fusd_dev_check();
}

static int copy_name(char field[FUSD_MAX_NAME_LENGTH + 1], const char *name)
{
	if (!name)
		return 0;
	if (strlen(name) > FUSD_MAX_NAME_LENGTH)
		return fusd_fail(EINVAL, "\"%s\" is too long: at most %d bytes",
				 name, FUSD_MAX_NAME_LENGTH);
	strcpy(field, name);
	return 0;
}

static int refuse_device(const struct fusd_device *device, int error)
{
	switch (error) {
	case EBUSY:
		return fusd_fail(error,
				 "the device number that \"%s\" asks for is "
				 "taken: /proc/devices and /sys/dev/char show "
				 "by whom",
				 device->name);
	case EEXIST:
		return fusd_fail(error,
				 "/dev/%s is there already, or its name in "
				 "sysfs is taken: choose another name, or end "
				 "the driver that has it",
				 device->name);
	case ENOSPC:
		return fusd_fail(error,
				 "kfusd has as many devices as it may: raise "
				 "/sys/module/kfusd/parameters/max_devices");
	default:
		return fusd_fail(error, "kfusd does not register \"%s\": %s",
				 device->name, strerror(error));
	}
}

static int register_name(struct fusd_device *device,
			 const struct fusd_options *options, int fd)
{
	fusd_msg_t message = {
		.magic = FUSD_MSG_MAGIC,
		.cmd = FUSD_REGISTER_DEVICE,
	};
	register_msg_t *parameters = &message.parm.register_msg;
	int error;

	parameters->mode = device->mode;
	parameters->device_info = device->device_info;
	strcpy(parameters->name, device->name);
	error = copy_name(parameters->clazz, options->clazz);
	if (!error)
		error = copy_name(parameters->devname, options->devname);
	if (error)
		return error;
	if (write(fd, &message, sizeof(message)) < 0)
		return refuse_device(device, errno);
	return 0;
}

/* Looks at what is at a path without opening it, or asking another driver. */
static int look_at_path(const char *path, struct statx *status)
{
	const int flags =
		AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;

	return statx(AT_FDCWD, path, flags, STATX_TYPE, status) < 0 ? -errno :
								      0;
}

/*
 * The module looks up no path: where something is, the kernel would make a
 * device without a node.
 */
static int check_vacant(struct fusd_device *device)
{
	struct statx status;
	int error = look_at_path(device->path, &status);

	if (error == 0)
		return refuse_device(device, EEXIST);
	if (error == -ENOTDIR || error == -ELOOP)
		return fusd_fail(EEXIST, "%s cannot be a device: %s",
				 device->path, strerror(-error));
	return 0;
}

/* The kernel made the node before it answered; this process may not see it. */
static int find_node(struct fusd_device *device,
		     const struct fusd_options *options)
{
	unsigned int major_number =
		options->major ? options->major : fusd_proc_find_major("fusd");
	struct statx status;

	if (look_at_path(device->path, &status) < 0)
		return fusd_fail(ENODEV,
				 "%s did not appear: /dev is no devtmpfs here; "
				 "mount one, or use the transport fuse",
				 device->path);
	/* Made by somebody else since it was vacant. */
	if (!S_ISCHR(status.stx_mode) ||
	    (major_number && status.stx_rdev_major != major_number))
		return refuse_device(device, EEXIST);
	return fusd_dev_set_owner(device);
}

/* Where sysfs is not at /sys, nobody looks there for a class either. */
static void check_class(const struct fusd_device *device,
			const struct fusd_options *options)
{
	struct statx status;
	char path[64], class[256];
	const char *name;
	ssize_t length;

	if (!options->clazz || !options->clazz[0] ||
	    look_at_path(device->path, &status) < 0)
		return;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/subsystem",
		 status.stx_rdev_major, status.stx_rdev_minor);
	length = readlink(path, class, sizeof(class) - 1);
	if (length <= 0)
		return;
	class[length] = '\0';
	name = basename(class);
	if (strcmp(name, options->clazz) != 0)
		fusd_log(LOG_WARNING,
			 "%s is in the class \"%s\": \"%s\" is the kernel's, "
			 "which takes devices of its own only",
			 device->path, name, options->clazz);
}

static int kfusd_open_device(struct fusd_device *device,
			     const struct fusd_options *options)
{
	static _Atomic uint32_t last_device;
	struct kfusd_device *data;
	__u64 granted = 0;
	int error, fd = open_control();

	if (fd < 0)
		return fd;
	if (asprintf(&device->path, "/dev/%s", device->name) < 0) {
		device->path = NULL;
		error = fusd_fail(ENOMEM, "no memory for a path");
		goto close_fd;
	}
	error = check_vacant(device);
	if (!error)
		error = fusd_kfusd_ask(device, options, fd, &granted);
	if (!error)
		error = register_name(device, options, fd);
	if (!error)
		error = find_node(device, options);
	if (error)
		goto close_fd;
	data = calloc(1, sizeof(*data));
	if (!data) {
		error = fusd_fail(ENOMEM, "no memory for a device");
		goto close_fd;
	}
	check_class(device, options);
	pthread_mutex_init(&data->receive_lock, NULL);
	data->options = granted;
	data->files = KFUSD_FILES | (uint64_t)++last_device << 32;
	device->transport_data = data;
	device->fd = fd;
	return 0;

close_fd:
	close(fd);
	return error;
}

/* Reads a header and its data. 0 or -errno. */
static int receive_message(struct fusd_request *request)
{
	struct fusd_device *device = request->device;
	fusd_msg_t *message = &request->msg;
	size_t size;

	if (read(device->fd, message, sizeof(*message)) < 0)
		return -errno;
	request->data = request->payload;
	if (message->datalen == 0)
		return 0;
	size = (size_t)message->datalen;
	if (size > MAX_RW_SIZE ||
	    read(device->fd, request->data, size) != (ssize_t)size)
		return -EPROTO;
	/* Data as long as a header is announced as one byte longer. */
	if (size > message->parm.fops_msg.length)
		message->datalen = (int)message->parm.fops_msg.length;
	return 0;
}

static uint64_t kfusd_file_id(const struct fusd_request *request)
{
	const fops_msg_t *fops = &request->msg.parm.fops_msg;

	return kfusd_device(request->device)->files |
	       (uint32_t)(uintptr_t)fops->fusd_file;
}

/* Makes the data what the callback may see, and the client may get back. */
static void prepare_data(struct fusd_request *request)
{
	const fops_msg_t *fops = &request->msg.parm.fops_msg;
	uint64_t file = kfusd_file_id(request);
	size_t size = (size_t)request->msg.datalen;

	if (request->msg.subcmd == FUSD_IOCTL) {
		request->argument =
			fusd_argument_of(request->device, fops->cmd);
		request->is_32bit = fops->mmflags & FUSD_CLIENT_32BIT;
	}
	if (size > 0)
		fusd_payload_overwritten(request, file, size);
	else if (request->msg.subcmd == FUSD_READ)
		fusd_payload_isolate(request, file, fops->length);
	else if (request->msg.subcmd == FUSD_IOCTL) {
		size = fops->length;
		memset(request->data, 0, size);
		fusd_payload_overwritten(request, file, size);
	}
	if (request->msg.subcmd == FUSD_WRITE ||
	    request->msg.subcmd == FUSD_IOCTL)
		request->data[size] = 0;
}

/* Under the device's lock. */
static void renew_private_data(struct fusd_request *request)
{
	fops_msg_t *fops = &request->msg.parm.fops_msg;

	request->sent_private_info = fops->private_info =
		fusd_private_data_find(
			&kfusd_device(request->device)->private_data,
			request->file_id, fops->private_info);
}

/* Lists the request under the cookie that the kernel gave it. */
static void list_request(struct fusd_request *request)
{
	struct fusd_device *device = request->device;
	fops_msg_t *fops = &request->msg.parm.fops_msg;
	long transid = fops->transid;

	request->sent_flags = fops->flags;
	fops->device_info = device->device_info;
	pthread_mutex_lock(&device->lock);
	fusd_request_received(request, kfusd_file_id(request));
	fops->transid = transid;
	renew_private_data(request);
	pthread_mutex_unlock(&device->lock);
}

static int kfusd_receive(struct fusd_device *device,
			 struct fusd_request **result)
{
	struct kfusd_device *data = kfusd_device(device);
	int error = fusd_queue_receive(device, result);
	struct fusd_request *request;

	if (error != -EAGAIN)
		return error;
	request = fusd_request_new(device);
	if (!request)
		return -ENOMEM;
	pthread_mutex_lock(&data->receive_lock);
	error = receive_message(request);
	if (!error) {
		prepare_data(request);
		/* Before another thread receives the close of a dead client. */
		list_request(request);
	}
	pthread_mutex_unlock(&data->receive_lock);
	if (error) {
		fusd_request_put(request);
		fusd_request_put(request);
		if (error == -EAGAIN)
			return error;
		/* Anything else means that the connection makes no sense. */
		return error == -EINTR ? 1 : -ENODEV;
	}
	if (request->msg.subcmd == FUSD_OPEN &&
	    fusd_is_own_thread(request->msg.parm.fops_msg.pid))
		fusd_own_request_seen(device);
	*result = request;
	return 0;
}

static bool kfusd_hold(struct fusd_request *request)
{
	const __u64 options = kfusd_device(request->device)->options;

	if (request->msg.subcmd == FUSD_POLL_DIFF &&
	    options & FUSD_OPTION_NONBLOCK)
		fusd_kfusd_tell_held(request);
	/* The kernel tells with a message of its own: FUSD_UNBLOCK. */
	return false;
}

static struct fusd_request *kfusd_unblock(struct fusd_request *interrupted)
{
	fusd_request_put(interrupted);
	return NULL;
}

/* Whether an answer changes private_data, and the kernel may refuse it. */
static bool may_lose_private_data(const struct fusd_request *request)
{
	const short operation = request->msg.subcmd;

	return request->msg.parm.fops_msg.private_info !=
		       request->sent_private_info &&
	       operation != FUSD_OPEN && operation != FUSD_CLOSE &&
	       operation != FUSD_POLL_DIFF && operation != FUSD_UNBLOCK;
}

static void kfusd_commit(struct fusd_request *request)
{
	struct kfusd_device *data = kfusd_device(request->device);

	if (may_lose_private_data(request))
		fusd_private_data_note(&data->private_data, request->file_id,
				       request->msg.parm.fops_msg.private_info);
}

/* The kernel has the open file's private_data, or needs it no more. */
static void forget_private_data(struct fusd_request *request)
{
	struct fusd_device *device = request->device;

	pthread_mutex_lock(&device->lock);
	fusd_private_data_forget(&kfusd_device(device)->private_data,
				 request->file_id);
	pthread_mutex_unlock(&device->lock);
}

/* How many bytes of data an answer carries. */
static size_t reply_size(const struct fusd_request *request, size_t length)
{
	const fops_msg_t *fops = &request->msg.parm.fops_msg;

	if (request->msg.subcmd == FUSD_READ)
		return length;
	if (request->msg.subcmd == FUSD_IOCTL && fops->retval >= 0)
		return fusd_ioctl_reply_size(request);
	return 0;
}

static int send_reply(struct fusd_request *request, const void *data,
		      size_t length)
{
	fusd_msg_t *message = &request->msg;
	struct iovec parts[2] = {
		{ .iov_base = message, .iov_len = sizeof(*message) },
		{ .iov_len = reply_size(request, length) },
	};
	int error;

	parts[1].iov_base =
		message->subcmd == FUSD_READ ? (void *)data : request->data;
	message->datalen = (int)parts[1].iov_len;
	if (writev(request->device->fd, parts, parts[1].iov_len ? 2 : 1) >= 0)
		return 0;
	error = errno;
	if (error == EPIPE || error == ENODEV)
		return -EPIPE;
	/* The kernel did not take it; its client is not to wait for ever. */
	message->datalen = 0;
	message->parm.fops_msg.retval = -EIO;
	if (write(request->device->fd, message, sizeof(*message)) < 0)
		fusd_log(LOG_DEBUG, "%s: nobody waits for the error: %s",
			 request->device->path, strerror(errno));
	return -error;
}

static int kfusd_reply(struct fusd_request *request, const void *data,
		       size_t length)
{
	int error;

	/* The driver is told of an unblock, not asked. */
	if (request->msg.subcmd == FUSD_UNBLOCK)
		return 0;
	error = send_reply(request, data, length);
	if (request->msg.subcmd == FUSD_CLOSE ||
	    (!error && may_lose_private_data(request)))
		forget_private_data(request);
	return error;
}

/*
 * A client may leave its ioctl because of a signal, and end, while the driver
 * still holds the request: its thread's id may be another's by then.
 */
static int kfusd_fetch(struct fusd_request *request, struct fusd_region *region)
{
	if (!request->regions)
		kfusd_part(request)->client_start =
			fusd_proc_thread_start(request->msg.parm.fops_msg.pid);
	return fusd_region_read(request, region);
}

static int kfusd_store(struct fusd_request *request,
		       const struct fusd_region *region)
{
	unsigned long long start =
		fusd_proc_thread_start(request->msg.parm.fops_msg.pid);

	if (start == 0 || start != kfusd_part(request)->client_start)
		return -EFAULT;
	return fusd_region_write(request, region);
}

static int kfusd_set_attribute(struct fusd_device *device,
			       const struct fusd_attribute *attribute)
{
	return fusd_kfusd_set_attribute(device->fd, attribute);
}

static int kfusd_tell_uevent(struct fusd_device *device,
			     const char *const *variables, size_t count,
			     bool is_sent)
{
	return fusd_kfusd_tell_uevent(device->fd, variables, count, is_sent);
}

static void kfusd_remove_node(struct fusd_device *device)
{
	const fusd_msg_t message = {
		.magic = FUSD_MSG_MAGIC,
		.cmd = FUSD_UNREGISTER_DEVICE,
	};

	/* Closing the descriptor does it too, but that may be later. */
	if (write(device->fd, &message, sizeof(message)) < 0 && errno != ENODEV)
		fusd_log(LOG_WARNING, "kfusd does not unregister %s: %s",
			 device->path, strerror(errno));
}

static void kfusd_close_device(struct fusd_device *device)
{
	close(device->fd);
	pthread_mutex_destroy(&kfusd_device(device)->receive_lock);
	fusd_private_data_forget_all(&kfusd_device(device)->private_data);
	free(kfusd_device(device));
}

const struct fusd_transport fusd_transport_kfusd = {
	.name = "kfusd",
	.summary = "real character devices in /dev, through FUSD's own kernel "
		   "module",
	.check = kfusd_check,
	.open_device = kfusd_open_device,
	.take_block = fusd_block_take,
	.give_block = fusd_block_give,
	.receive = kfusd_receive,
	.hold = kfusd_hold,
	.waited = renew_private_data,
	.unblock = kfusd_unblock,
	.commit = kfusd_commit,
	.reply = kfusd_reply,
	.fetch = kfusd_fetch,
	.store = kfusd_store,
	.add_descriptor = fusd_kfusd_add_descriptor,
	.set_attribute = kfusd_set_attribute,
	.tell_uevent = kfusd_tell_uevent,
	.remove_node = kfusd_remove_node,
	.close_device = kfusd_close_device,
};
