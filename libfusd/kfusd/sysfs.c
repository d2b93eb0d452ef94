// SPDX-License-Identifier: BSD-3-Clause
/* Attributes and uevents, which the kernel module shows. */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include <fusd_control.h>

#include "module.h"
#include "sysfs.h"

static int refuse_attribute(const char *name, int error)
{
	switch (error) {
	case ENOTTY:
		return fusd_kfusd_refuse_module("attributes");
	case EEXIST:
		return fusd_fail(
			error,
			"\"%s\" cannot be an attribute: the kernel, or "
			"another attribute, has that name",
			name);
	case ENOENT:
		return fusd_fail(error,
				 "there is no attribute \"%s\": a device has "
				 "those that it was registered with",
				 name);
	case E2BIG:
		return fusd_fail(error, "a device has at most %d attributes",
				 FUSD_CONTROL_ATTRIBUTES);
	case EINVAL:
		return fusd_fail(error,
				 "\"%s\" is no name of an attribute, which is "
				 "\"name\" or \"directory/name\"",
				 name);
	default:
		return fusd_fail(error, "kfusd takes no attribute \"%s\": %s",
				 name, strerror(error));
	}
}

/* Takes over the text, which has room for one byte more. */
static int send_attribute(int fd, const char *name, char *text, size_t size)
{
	struct fusd_control_attribute told = { .value = (uintptr_t)text };
	int error = 0;

	if (size == 0 || text[size - 1] != '\n')
		text[size++] = '\n';
	told.size = (__u32)size;
	strcpy(told.name, name);
	if (ioctl(fd, FUSD_CONTROL_ATTRIBUTE, &told) < 0)
		error = errno;
	free(text);
	return error ? refuse_attribute(name, error) : 0;
}

int fusd_kfusd_set_attribute(int fd, const struct fusd_attribute *attribute)
{
	struct fusd_control_attribute told;
	size_t size;
	char *text;

	if (!attribute->name || !attribute->value)
		return fusd_fail(EINVAL, "an attribute needs a name and a "
					 "value");
	if (strlen(attribute->name) >= sizeof(told.name))
		return fusd_fail(EINVAL,
				 "\"%.80s\" is too long for an attribute: at "
				 "most %zu bytes",
				 attribute->name, sizeof(told.name) - 1);
	size = strlen(attribute->value);
	if (size > FUSD_CONTROL_ATTRIBUTE_SIZE)
		return fusd_fail(EINVAL,
				 "the attribute \"%s\" is too long: at most %d "
				 "bytes",
				 attribute->name, FUSD_CONTROL_ATTRIBUTE_SIZE);
	text = malloc(size + 1);
	if (!text)
		return fusd_fail(ENOMEM, "no memory for an attribute");
	memcpy(text, attribute->value, size);
	return send_attribute(fd, attribute->name, text, size);
}

static int refuse_variables(int error)
{
	switch (error) {
	case ENOTTY:
		return fusd_kfusd_refuse_module("variables of uevents");
	case EPERM:
		return fusd_fail(error, "variables of uevents are for root, as "
					"udev acts on them");
	case EEXIST:
		return fusd_fail(error, "a variable of a uevent has a name of "
					"the kernel's own, such as DEVNAME");
	case EINVAL:
		return fusd_fail(error,
				 "a uevent has variables KEY=VALUE, at most %d "
				 "and %d bytes in all, with keys of A-Z, 0-9 "
				 "and _, and no control characters",
				 FUSD_CONTROL_VARIABLES_COUNT,
				 FUSD_CONTROL_VARIABLES_SIZE);
	default:
		return fusd_fail(error, "kfusd takes no uevent: %s",
				 strerror(error));
	}
}

int fusd_kfusd_tell_uevent(int fd, const char *const *variables, size_t count,
			   bool is_sent)
{
	char block[FUSD_CONTROL_VARIABLES_SIZE];
	struct fusd_control_variables told = { .address = (uintptr_t)block };

	for (size_t i = 0; i < count; i++) {
		size_t size = variables[i] ? strlen(variables[i]) + 1 : 0;

		if (size == 0 || size > sizeof(block) - told.size)
			return refuse_variables(EINVAL);
		memcpy(block + told.size, variables[i], size);
		told.size += (__u32)size;
	}
	if (ioctl(fd, is_sent ? FUSD_CONTROL_CHANGE : FUSD_CONTROL_VARIABLES,
		  &told) == 0)
		return 0;
	return refuse_variables(errno);
}
