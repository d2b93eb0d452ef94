// SPDX-License-Identifier: BSD-3-Clause
/* How a device becomes visible: the control file, the name, the node. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "proc.h"
#include "registration.h"

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

int fusd_kfusd_open_control(void)
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

int fusd_kfusd_check(void)
{
	int fd = fusd_kfusd_open_control();

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

int fusd_kfusd_register(struct fusd_device *device,
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
int fusd_kfusd_check_vacant(struct fusd_device *device)
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
int fusd_kfusd_find_node(struct fusd_device *device,
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
void fusd_kfusd_check_class(const struct fusd_device *device,
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
