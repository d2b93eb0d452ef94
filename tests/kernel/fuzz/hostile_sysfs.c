/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver's device numbers, attributes and uevents, as they should not be. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fuzz.h"

/* Of each, the first few fit. */
static const char *const names[] = {
	"name",	  "a/name", "a/other", "a",	    "b/name", "name/a",
	"uevent", "power",  "power/a", "../name",   "",	      "a/b/c",
	"a\nb",	  "dev",    "/",       "subsystem",
};
static const char *const variables[] = {
	"A=1", "LONG_KEY_1=value", "EMPTY=", "DEVNAME=x", "a=b",
	"=",   "NO_VALUE",	   "A=\n",   "",	  "ACTION=add",
};

static void ask_number(int fd)
{
	struct fusd_control_number number = {
		.major = one_in(2)  ? 0 :
			 one_in(10) ? random_bits() :
				      60 + below(4),
		.minor = one_in(10) ? random_bits() : below(4),
		.reserved = { one_in(20), one_in(20) },
	};

	ioctl(fd, FUSD_CONTROL_NUMBER, &number);
}

static void set_attribute(int fd)
{
	char value[5000];
	struct fusd_control_attribute attribute = {
		.value = one_in(20) ? (uintptr_t)random_bits() :
				      (uintptr_t)value,
		.size = one_in(20) ? random_bits() : below(sizeof(value)),
		.reserved = one_in(20),
	};

	memset(value, 'v', sizeof(value));
	if (one_in(20))
		memset(attribute.name, 'n', sizeof(attribute.name));
	else
		strcpy(attribute.name,
		       names[below(one_in(2) ?
					   3 :
					   sizeof(names) / sizeof(names[0]))]);
	if (one_in(8)) /* as many as there may be, and more */
		snprintf(attribute.name, sizeof(attribute.name), "many/%lu",
			 below(100));
	ioctl(fd, FUSD_CONTROL_ATTRIBUTE, &attribute);
}

static void tell_variables(int fd, unsigned long request)
{
	char texts[1000] = {};
	struct fusd_control_variables told = {
		.address = one_in(20) ? (uintptr_t)random_bits() :
					(uintptr_t)texts,
		.reserved = one_in(20),
	};
	unsigned int count = below(one_in(4) ? 30 : 6);

	while (count--) {
		const char *text = variables[below(
			one_in(4) ? sizeof(variables) / sizeof(variables[0]) :
				    3)];

		strcpy(texts + told.size, text);
		told.size += strlen(text) + 1;
	}
	if (one_in(10))
		told.size = one_in(2) ? random_bits() : below(600);
	ioctl(fd, request, &told);
}

void tell_of_sysfs(int fd)
{
	switch (below(8)) {
	case 0:
		ask_number(fd);
		break;
	case 1:
		tell_variables(fd, FUSD_CONTROL_CHANGE);
		break;
	case 2:
	case 3:
		tell_variables(fd, FUSD_CONTROL_VARIABLES);
		break;
	default:
		set_attribute(fd);
	}
}

void look_at_sysfs(void)
{
	static const char *const files[] = { "uevent", "name", "a/name",
					     "many/1", "dev" };
	char path[100], data[PAGE];
	int fd;

	snprintf(path, sizeof(path), "/sys/class/%s/fuzz-hostile%lu/%s",
		 one_in(2) ? "fusd" : "fuzz-class", below(HOSTILE_DEVICES),
		 files[below(5)]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	do
		if (pread(fd, data, sizeof(data), 0) > 0)
			count(SHOWN);
	while (!one_in(10));
	close(fd);
	if (one_in(20)) {
		fd = open(path, O_WRONLY | O_CLOEXEC);
		write(fd, "change", 6);
		close(fd);
	}
}
