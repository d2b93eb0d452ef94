/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device shows in sysfs, and udev hears of it; a part of fusd.h, which
 * includes it.
 *
 * Only the kfusd transport has these. On cuse and fuse they do nothing, so that
 * a driver that has them runs there, too; its clients find no attributes.
 */
#ifndef FUSD_SYSFS_H
#define FUSD_SYSFS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * An attribute: a file of the device's directory in sysfs,
 * /sys/class/CLASS/NAME, which anybody may read. The kernel has its value, so
 * that no reader waits for the driver.
 */
struct fusd_attribute {
	/**
	 * "name", or "directory/name", at most FUSD_MAX_NAME_LENGTH bytes.
	 */
	const char *name;
	/**
	 * Its text, at most 4095 bytes; a newline is added if none is at the
	 * end.
	 */
	const char *value;
};

/**
 * Changes the value of an attribute that the device was registered with: see
 * struct fusd_options. Clients that poll the file (POLLPRI) are woken. Both
 * strings are copied.
 *
 * @fd  as fusd_register() returned it
 *
 * Errors: EBADF (fd is no device's), ENOENT (it has no such attribute), EEXIST
 * (the kernel has a file of that name), EINVAL (no name of an attribute, or too
 * long a value), EOPNOTSUPP (the module is too old), ENOMEM. fusd_error() has
 * the sentence. Any thread may call it.
 */
int fusd_set_attribute(int fd, const char *name, const char *value);

/**
 * Tells the variables of all uevents of the device from now on, instead of
 * those of struct fusd_options or an earlier call. udev gets them with each
 * event, and has them as properties (ENV{KEY}); a uevent is sent only by
 * fusd_send_uevent(), or by writing to the device's file "uevent".
 *
 * @variables  texts KEY=VALUE, copied; keys are of A-Z, 0-9 and _, values
 *             without control characters
 * @count      of them: at most 16, of 512 bytes in all
 *
 * Errors: EBADF (fd is no device's), EPERM (without CAP_SYS_ADMIN, for udev
 * acts on them as root), EEXIST (one of the kernel's own, such as DEVNAME),
 * EINVAL (no such text, or too much), EOPNOTSUPP (the module is too old),
 * ENOMEM. fusd_error() has the sentence. Any thread may call it.
 */
int fusd_set_uevent(int fd, const char *const *variables, size_t count);

/**
 * Sends a uevent "change" of the device to udev, with these variables besides
 * those of all its uevents.
 *
 * Errors: those of fusd_set_uevent(); EPERM only if count is not 0. Any thread
 * may call it.
 */
int fusd_send_uevent(int fd, const char *const *variables, size_t count);

#ifdef __cplusplus
}
#endif

#endif /* FUSD_SYSFS_H */
