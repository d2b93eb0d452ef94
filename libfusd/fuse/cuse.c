// SPDX-License-Identifier: BSD-3-Clause
/*
 * The cuse transport: a real character device in /dev, of stock kernels and
 * for root. Each device is a connection of its own over /dev/cuse; the kernel
 * makes the node while it answers the first message, and takes it away with
 * the connection, however that ends.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cuse_number.h"
#include "directory.h"
#include "interrupt.h"
#include "ioctl.h"
#include "operation.h"
#include "poll.h"
#include "proc.h"
#include "receive.h"
#include "session.h"

#include <cuse_lowlevel.h>

/* Its driver's threads get so long to let the connection of a device go. */
#define LEAVING_MS 5000
#define LEAVING_STEP_MS 2

/* A device's transport_data. */
struct cuse_device {
	struct fusd_session session; /* first */
	dev_t device_number;
};

static struct cuse_device *cuse_device(struct fusd_device *device)
{
	return device->transport_data;
}

static void on_init(void *userdata, struct fuse_conn_info *conn)
{
	fusd_session_init(userdata, conn);
}

static void on_ioctl(fuse_req_t fuse, int number, void *argument,
		     struct fuse_file_info *info, unsigned int flags,
		     const void *in_data, size_t in_size, size_t out_size)
{
	fusd_ioctl_receive(fuse, (unsigned int)number, argument, info, flags,
			   in_data, in_size, out_size);
}

static const struct cuse_lowlevel_ops operations = {
	.init = on_init,
	.open = fusd_operation_open,
	.release = fusd_operation_release,
	.ioctl = on_ioctl,
	.poll = fusd_poll_receive,
};

static int cuse_check(void)
{
	int error, fd;

	if (access("/dev/cuse", F_OK) < 0 && !fusd_proc_takes_modules())
		return fusd_fail(ENODEV,
				 "there is no /dev/cuse, and this kernel loads "
				 "no modules: it takes one with CONFIG_CUSE");
	if (access("/dev/cuse", F_OK) < 0)
		return fusd_fail_with_advice(
			ENODEV, "modprobe cuse",
			"there is no /dev/cuse: run \"modprobe cuse\" "
			"as root (for a container, on its host); a "
			"kernel without CONFIG_CUSE cannot");
	error = fusd_dev_check();
	if (error)
		return error;
	fd = open("/dev/cuse", O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (geteuid() != 0)
		return fusd_fail(errno,
				 "this user may not open /dev/cuse (%s): run "
				 "the driver as root",
				 strerror(errno));
	return fusd_fail(errno,
			 "/dev/cuse does not open (%s): start the container "
			 "with --device /dev/cuse",
			 strerror(errno));
}

/* What CUSE and devtmpfs would make something else of. */
static int check_name(const char *name)
{
	size_t length = strlen(name);

	if (strchr(name, '!'))
		return fusd_fail(EINVAL,
				 "\"%s\" cannot be a device of cuse: the "
				 "kernel makes \"/\" of \"!\"",
				 name);
	if (isspace((unsigned char)name[0]) ||
	    isspace((unsigned char)name[length - 1]))
		return fusd_fail(EINVAL,
				 "\"%s\" cannot be a device of cuse: the "
				 "kernel drops white space around a name",
				 name);
	return 0;
}

/* The number the kernel gave to the device of this name; 0: there is none. */
static dev_t find_device_number(const char *name)
{
	char path[128];
	unsigned int major_number, minor_number;
	FILE *file;
	int count;

	snprintf(path, sizeof(path), "/sys/class/cuse/%s/dev", name);
	for (char *c = path + strlen("/sys/class/cuse/"); *c; c++)
		if (*c == '/' && strcmp(c, "/dev") != 0)
			*c = '!';
	file = fopen(path, "re");
	if (!file)
		return 0;
	count = fscanf(file, "%u:%u", &major_number, &minor_number);
	fclose(file);
	errno = ENODEV;
	return count == 2 ? makedev(major_number, minor_number) : 0;
}

static bool is_node(const char *path, dev_t number)
{
	struct stat status;

	return lstat(path, &status) == 0 && S_ISCHR(status.st_mode) &&
	       status.st_rdev == number;
}

static struct fuse_session *new_session(struct fusd_device *device,
					dev_t number)
{
	struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *session = NULL;
	char name[sizeof("DEVNAME=") + FUSD_MAX_NAME_LENGTH];
	const char *properties[] = { name };
	const struct cuse_info info = {
		.dev_major = major(number),
		.dev_minor = minor(number),
		.dev_info_argc = 1,
		.dev_info_argv = properties,
		.flags = cuse_device(device)->session.is_unrestricted ?
				 CUSE_UNRESTRICTED_IOCTL :
				 0,
	};

	snprintf(name, sizeof(name), "DEVNAME=%s", device->name);
	fusd_session_redirect_log();
	if (!fuse_opt_add_arg(&arguments, "fusd"))
		session = cuse_lowlevel_new(&arguments, &info, &operations,
					    device);
	fuse_opt_free_args(&arguments);
	return session;
}

/* Opens /dev/cuse for a new session; device->fd belongs to that then. */
static int open_session(struct fusd_device *device, dev_t number)
{
	struct fuse_session *session;
	char path[32];
	int fd = open("/dev/cuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return fusd_fail(errno, "/dev/cuse does not open: %s",
				 strerror(errno));
	session = new_session(device, number);
	if (!session) {
		close(fd);
		return fusd_fail(ENOMEM, "libfuse makes no session");
	}
	/* How libfuse takes over a descriptor that is open already. */
	snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	if (fuse_session_mount(session, path) < 0) {
		fuse_session_destroy(session);
		close(fd);
		return fusd_fail(EPROTO, "libfuse does not take /dev/cuse");
	}
	cuse_device(device)->session.fuse = session;
	device->fd = fd;
	return 0;
}

/* Makes the kernel's device. -EAGAIN: refused, perhaps for its number. */
static int connect_device(struct fusd_device *device, dev_t number)
{
	struct fusd_request *request;
	int error = open_session(device, number);

	if (error)
		return error;
	/*
	 * The kernel's first message waits already. It makes the device, node
	 * and all, before the answer's write returns, or cuts the connection.
	 */
	if (fusd_receive(device, &request) == 1 &&
	    fusd_session_is_connected(device))
		return 0;
	fuse_session_destroy(cuse_device(device)->session.fuse);
	return -EAGAIN;
}

/* With the number of a device that is gone, if the kernel takes that. */
static int connect_by_any_number(struct fusd_device *device)
{
	dev_t number = fusd_cuse_number_take();
	int error = connect_device(device, number);

	if (error == -EAGAIN && number)
		error = connect_device(device, 0);
	return error;
}

/*
 * Waits for the end of a device of the name whose node is gone. Its driver has
 * unregistered it, and the kernel lets it go with its connection: when the last
 * thread of that driver is out of a poll(2) of it, and a child that is about to
 * run another program does so. False if it stays.
 */
static bool becomes_free(const char *name)
{
	int64_t end = fusd_now_ms() + LEAVING_MS;

	while (find_device_number(name)) {
		if (fusd_now_ms() >= end)
			return false;
		poll(NULL, 0, LEAVING_STEP_MS);
	}
	return true;
}

/* wanted: 0 for any. */
static int connect_by_number(struct fusd_device *device, dev_t wanted)
{
	return wanted ? connect_device(device, wanted) :
			connect_by_any_number(device);
}

static int make_device(struct fusd_device *device, dev_t wanted)
{
	int error = connect_by_number(device, wanted);

	if (error == -EAGAIN && becomes_free(device->name))
		error = connect_by_number(device, wanted);
	if (error != -EAGAIN)
		return error;
	if (find_device_number(device->name))
		return fusd_fail(EEXIST, "%s is served by another driver",
				 device->path);
	if (major(wanted))
		return fusd_fail(EBUSY,
				 "the device number %u:%u of %s is taken: "
				 "/proc/devices and /sys/dev/char show by whom",
				 major(wanted), minor(wanted), device->path);
	return fusd_fail(ENOSPC,
			 "the kernel makes no device %s: no device number may "
			 "be free (see its log)",
			 device->path);
}

/* The device is there; sees to its node. */
static int set_up_node(struct fusd_device *device)
{
	dev_t number = find_device_number(device->name);

	if (!number && (errno == EMFILE || errno == ENFILE))
		return fusd_fail(errno, "cannot look for %s: %s", device->path,
				 strerror(errno));
	if (!number)
		return fusd_fail(ENODEV,
				 "/sys/class/cuse does not show %s: mount "
				 "sysfs at /sys",
				 device->name);
	if (!is_node(device->path, number))
		return fusd_fail(EEXIST,
				 "the kernel could not make %s: something else "
				 "is in its place",
				 device->path);
	if (chmod(device->path, device->mode) < 0)
		return fusd_fail(errno, "cannot set the mode of %s: %s",
				 device->path, strerror(errno));
	cuse_device(device)->device_number = number;
	cuse_device(device)->session.node = (struct fusd_node_number){
		.device_number = number,
		.is_character_device = true,
	};
	fusd_cuse_number_keep(number);
	return fusd_dev_set_owner(device);
}

static int open_node(struct fusd_device *device, dev_t wanted)
{
	struct stat status;
	int error;

	if (is_node(device->path, find_device_number(device->name)))
		return fusd_fail(EEXIST, "%s is served by another driver",
				 device->path);
	/* Where something is, the kernel would make a device without a node. */
	if (lstat(device->path, &status) == 0)
		return fusd_fail(EEXIST,
				 "%s is there already: choose another name",
				 device->path);
	if (errno != ENOENT)
		return fusd_fail(EEXIST, "%s cannot be a device: %s",
				 device->path, strerror(errno));
	error = make_device(device, wanted);
	if (error)
		return error;
	error = set_up_node(device);
	if (error)
		fuse_session_destroy(cuse_device(device)->session.fuse);
	return error;
}

static bool name_connection(struct fusd_device *device,
			    char name[FUSD_CONNECTION_SIZE])
{
	dev_t number = cuse_device(device)->device_number;

	snprintf(name, FUSD_CONNECTION_SIZE, "char:%u:%u", major(number),
		 minor(number));
	return true;
}

/* Of a class nothing comes: CUSE has one, named cuse. */
static int cuse_open_device(struct fusd_device *device,
			    const struct fusd_options *options)
{
	struct cuse_device *cuse;
	int error = check_name(device->name);

	if (error)
		return error;
	cuse = calloc(1, sizeof(*cuse));
	if (!cuse || asprintf(&device->path, "/dev/%s", device->name) < 0) {
		device->path = NULL;
		free(cuse);
		return fusd_fail(ENOMEM, "no memory for a device");
	}
	pthread_mutex_init(&cuse->session.descriptor_file.lock, NULL);
	fusd_awaiting_init(&cuse->session.awaiting);
	/* The kernel's requests have 32 pages, and no more can be agreed on. */
	device->max_transfer = MAX_RW_SIZE;
	cuse->session.has_no_offsets = true;
	cuse->session.name_connection = name_connection;
	cuse->session.is_unrestricted = device->ops.ioctl;
	device->transport_data = cuse;
	error = open_node(device, makedev(options->major, options->minor));
	if (error)
		free(cuse);
	return error;
}

/* The kernel is asked for what it carries: see ioctl.c. */
static int cuse_fetch(struct fusd_request *request, struct fusd_region *region)
{
	/* A thread's id tells whose memory it is. */
	if (request->msg.parm.fops_msg.pid == 0)
		return -EPERM;
	if (fusd_ioctl_is_carried(request, region))
		return -EAGAIN;
	region->is_copied = true;
	return fusd_ioctl_fetch(request, region);
}

/* The kernel does so when the connection ends, which may take a callback. */
static void cuse_remove_node(struct fusd_device *device)
{
	sigset_t all, before;

	/* A signal that ends the driver in between would leave directories. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	if (is_node(device->path, cuse_device(device)->device_number) &&
	    unlink(device->path) == 0) /* the kernel made them */
		fusd_directories_remove("/dev", device->path, true);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Lets the kernel's device go, and with it the name. */
static void cuse_disconnect(struct fusd_device *device)
{
	fusd_session_disconnect(device, "/", O_PATH);
}

static void cuse_close_device(struct fusd_device *device)
{
	fusd_session_close(device);
	fusd_cuse_number_release(cuse_device(device)->device_number);
	free(cuse_device(device));
}

const struct fusd_transport fusd_transport_cuse = {
	.name = "cuse",
	.summary = "real character devices in /dev, through the kernel's CUSE",
	.check = cuse_check,
	.open_device = cuse_open_device,
	.take_block = fusd_session_take_block,
	.give_block = fusd_block_give,
	.receive = fusd_receive,
	.refresh = fusd_operation_refresh,
	.hold = fusd_interrupt_hold,
	.queued = fusd_interrupt_queued,
	.waited = fusd_operation_renew,
	.unblock = fusd_interrupt_unblock,
	.commit = fusd_operation_commit,
	.follow = fusd_poll_follow,
	.reply = fusd_operation_reply,
	.fetch = cuse_fetch,
	.remove_node = cuse_remove_node,
	.disconnect = cuse_disconnect,
	.close_device = cuse_close_device,
	.forget = fusd_cuse_number_forget,
};
