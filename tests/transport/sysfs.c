// SPDX-License-Identifier: BSD-3-Clause
/*
 * sysfs:NAME makes a device with attributes, variables of uevents and a device
 * number of its own. A client writes what is to change, and gets its errno:
 * "a NAME=VALUE", an attribute; "v KEY=VALUE", the variables of all uevents;
 * "u KEY=VALUE", those of a uevent.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <fusd.h>

static int set_attribute(int fd, char *text)
{
	char *value = strchr(text, '=');

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	return fusd_set_attribute(fd, text, value);
}

static int change(int fd, char what, char *text)
{
	const char *variables[] = { text };

	switch (what) {
	case 'a':
		return set_attribute(fd, text);
	case 'v':
		return fusd_set_uevent(fd, variables, 1);
	case 'u':
		return fusd_send_uevent(fd, variables, 1);
	default:
		errno = EBADRQC;
		return -1;
	}
}

static ssize_t on_write(struct fusd_file_info *file, const char *buffer,
			size_t length, loff_t *offset)
{
	char text[8192];

	(void)offset;
	if (length < 2 || length >= sizeof(text))
		return -EMSGSIZE;
	memcpy(text, buffer, length);
	text[length] = '\0';
	if (change(file->fd, text[0], text + 2) == 0)
		return (ssize_t)length;
	return -errno;
}

int main(int argc, char **argv)
{
	static const struct fusd_file_operations operations = {
		.write = on_write,
	};
	static const struct fusd_attribute attributes[] = {
		{ "name", "first" },
		{ "device/name", "deep\n" },
	};
	static const char *const uevent[] = { "ID_MODEL=Fake" };
	const struct fusd_options options = {
		.size = sizeof(options),
		.attributes = attributes,
		.attribute_count = 2,
		.uevent = uevent,
		.uevent_count = 1,
		.major = 120,
		.minor = 77,
	};
	const char *name = argc > 1 ? strchr(argv[1], ':') : NULL;
	char path[4096];
	int fd;

	if (fusd_set_attribute(1000, "name", "x") != -1 || errno != EBADF)
		return 3;
	fd = fusd_register_with(name ? name + 1 : "sysfs", 0666, NULL,
				&operations, &options);
	if (fd < 0) {
		printf("error %d %.200s\n", errno, fusd_error());
		return 2;
	}
	fusd_device_path(fd, path, sizeof(path));
	printf("ready %s\n", path);
	fflush(stdout);
	fusd_run();
	return 0;
}
