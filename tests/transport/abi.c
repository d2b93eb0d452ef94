// SPDX-License-Identifier: BSD-3-Clause
/*
 * abi:NAME makes two devices, NAME and NAME2, in both ways that tell the
 * library how large the program's structures are. Compiled with an older
 * header, that is less than what the library has by now.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fusd.h>

#define UPCASE _IOWR('a', 1, char[8])

static struct fusd_file_info *polling;
static char kept[32];

static int on_open(struct fusd_file_info *file)
{
	file->private_data = kept;
	return file->device_info == kept ? 0 : -EBADE;
}

static ssize_t on_read(struct fusd_file_info *file, char *buffer, size_t length,
		       loff_t *offset)
{
	size_t size = strlen(file->private_data);

	if ((size_t)*offset >= size)
		return 0;
	size -= (size_t)*offset;
	if (size > length)
		size = length;
	memcpy(buffer, kept + *offset, size);
	*offset += (loff_t)size;
	return (ssize_t)size;
}

static ssize_t on_write(struct fusd_file_info *file, const char *data,
			size_t length, loff_t *offset)
{
	(void)file;
	(void)offset;
	snprintf(kept, sizeof(kept), "%.*s", (int)length, data);
	if (polling)
		fusd_return(polling, FUSD_NOTIFY_INPUT);
	polling = NULL;
	return (ssize_t)length;
}

static int on_ioctl(struct fusd_file_info *file, int request, void *data)
{
	if ((unsigned int)request != UPCASE || fusd_get_length(file) != 8)
		return -ENOTTY;
	for (char *byte = data; byte < (char *)data + 8; byte++)
		*byte = (char)(*byte & ~0x20);
	return 3;
}

static int on_poll_diff(struct fusd_file_info *file, unsigned int cached_state)
{
	unsigned int state = *kept ? FUSD_NOTIFY_INPUT : 0;

	if (state != cached_state)
		return (int)state;
	if (polling)
		fusd_destroy(polling);
	polling = file;
	return -FUSD_NOREPLY;
}

static int on_close(struct fusd_file_info *file)
{
	(void)file;
	if (polling)
		fusd_destroy(polling);
	polling = NULL;
	printf("closed\n");
	fflush(stdout);
	return 0;
}

static void say_ready(int fd)
{
	char path[4096];

	if (fd < 0 || fusd_device_path(fd, path, sizeof(path)) < 0) {
		printf("error %d %.200s\n", errno, fusd_error());
		exit(2);
	}
	printf("ready %s\n", path);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const struct fusd_file_operations operations = {
		.open = on_open,
		.close = on_close,
		.read = on_read,
		.write = on_write,
		.ioctl = on_ioctl,
		.poll_diff = on_poll_diff,
	};
	const struct fusd_options options = { .size = sizeof(options),
					      .devname = "abi" };
	const char *name = argc > 1 ? strchr(argv[1], ':') + 1 : "abi";
	char second[64];

	snprintf(second, sizeof(second), "%.60s2", name);
	say_ready(fusd_register_with(name, 0666, kept, &operations, &options));
	say_ready(fusd_simple_register(second, 0666, kept, .open = on_open,
				       .close = on_close, .read = on_read));
	fusd_run();
	return 0;
}
