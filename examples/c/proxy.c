// SPDX-License-Identifier: BSD-3-Clause
/*
 * A device on top of another device or file: hands calls on, and logs them.
 *
 * An ioctl whose number says no size is logged only, and gives ENOTTY. Its
 * argument may be an address in the client, which down there would be one in
 * the proxy: any client could write to its memory. Addresses inside of what is
 * handed on are not seen, so use it for devices that know of none.
 *
 * Try it:  ./ioctl &
 *          ./proxy /dev/ioctl &           (prints where the device is)
 *          ./ioctl_client /dev/proxy      and look at what it asks
 *   also:  proxy TARGET NAME
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "example.h"

static const char *target;

/* Logs one call of a client; its result, or -errno, is the client's too. */
__attribute__((format(printf, 3, 4))) static ssize_t
logged(struct fusd_file_info *file, ssize_t result, const char *call, ...)
{
	va_list details;

	if (result < 0)
		result = -errno;
	printf("proxy: %d ", file->pid);
	va_start(details, call);
	vprintf(call, details);
	va_end(details);
	printf(" = %zd\n", result);
	fflush(stdout);
	return result;
}

static int lower(struct fusd_file_info *file)
{
	return (int)(intptr_t)file->private_data;
}

static int proxy_open(struct fusd_file_info *file)
{
	int flags = (int)file->flags & (O_ACCMODE | O_NONBLOCK);
	int fd = open(target, flags | O_CLOEXEC);

	file->private_data = (void *)(intptr_t)fd;
	fd = (int)logged(file, fd, "open(%d)", flags);
	return fd < 0 ? fd : 0;
}

static int proxy_close(struct fusd_file_info *file)
{
	return (int)logged(file, close(lower(file)), "close()");
}

static ssize_t proxy_read(struct fusd_file_info *file, char *buffer,
			  size_t length, loff_t *offset)
{
	lseek(lower(file), *offset, SEEK_SET);
	ssize_t count = read(lower(file), buffer, length);

	*offset += count > 0 ? count : 0;
	return logged(file, count, "read(%zu)", length);
}

static ssize_t proxy_write(struct fusd_file_info *file, const char *buffer,
			   size_t length, loff_t *offset)
{
	lseek(lower(file), *offset, SEEK_SET);
	ssize_t count = write(lower(file), buffer, length);

	*offset += count > 0 ? count : 0;
	return logged(file, count, "write(%zu)", length);
}

static int proxy_ioctl(struct fusd_file_info *file, int request, void *data)
{
	unsigned int number = (unsigned int)request;
	int result = -1;

	errno = ENOTTY;
	if (_IOC_DIR(number) != _IOC_NONE && _IOC_SIZE(number) > 0)
		result = ioctl(lower(file), number, data);
	return (int)logged(file, result, "ioctl(%#x)", number);
}

/* The lower file's own position is wherever the last transfer left it. */
static loff_t proxy_seek(struct fusd_file_info *file, loff_t offset, int whence)
{
	if (whence == SEEK_CUR) {
		offset += *fusd_get_offset(file);
		whence = SEEK_SET;
	}
	offset = lseek(lower(file), offset, whence);
	return offset < 0 ? -errno : offset;
}

/* The close of one descriptor of several. */
static int proxy_flush(struct fusd_file_info *file)
{
	return close(dup(lower(file))) < 0 ? -errno : 0;
}

static int proxy_fsync(struct fusd_file_info *file, int datasync)
{
	int result = datasync ? fdatasync(lower(file)) : fsync(lower(file));

	return (int)logged(file, result, "fsync(%d)", datasync);
}

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 3 || argv[1][0] == '-') {
		fprintf(stderr, "usage: %s TARGET [NAME]\n", argv[0]);
		return 1;
	}
	target = argv[1];
	example_started("proxy",
			fusd_simple_register(
				argc > 2 ? argv[2] : "proxy", 0666, NULL,
				.open = proxy_open, .close = proxy_close,
				.read = proxy_read, .write = proxy_write,
				.ioctl = proxy_ioctl, .seek = proxy_seek,
				.flush = proxy_flush, .fsync = proxy_fsync));
	fusd_run();
	return 0;
}
