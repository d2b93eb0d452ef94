// SPDX-License-Identifier: BSD-3-Clause
/*
 * shared:NAME makes a device of four pages that clients map, and can read and
 * write as a file; sealed:NAME one that they map to read only. A line of
 * standard input ends the device, the end of input the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fusd.h>

#define MAP_SIZE (16u << 10)

static char *memory;

static size_t inside(loff_t offset, size_t length)
{
	size_t rest = offset < MAP_SIZE ? MAP_SIZE - (size_t)offset : 0;

	return length < rest ? length : rest;
}

static ssize_t on_read(struct fusd_file_info *file, char *buffer, size_t length,
		       loff_t *offset)
{
	size_t count = inside(*offset, length);

	(void)file;
	printf("read %zu %lld\n", length, (long long)*offset);
	fflush(stdout);
	memcpy(buffer, memory + *offset, count);
	*offset += (loff_t)count;
	return (ssize_t)count;
}

static ssize_t on_write(struct fusd_file_info *file, const char *buffer,
			size_t length, loff_t *offset)
{
	size_t count = inside(*offset, length);

	(void)file;
	memcpy(memory + *offset, buffer, count);
	*offset += (loff_t)count;
	return (ssize_t)count;
}

/* Never called: clients have the memory without it. */
static int on_mmap(struct fusd_file_info *file, int offset, size_t length,
		   int prot, int flags, void **address, size_t *out_length)
{
	(void)file, (void)offset, (void)length, (void)prot, (void)flags;
	(void)address, (void)out_length;
	return -EBADE;
}

static const struct fusd_file_operations operations = {
	.read = on_read,
	.write = on_write,
	.mmap = on_mmap,
};

static int make_memory(int is_sealed)
{
	int fd = memfd_create("shared", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, MAP_SIZE) < 0)
		return -1;
	memory =
		mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -1;
	if (is_sealed && fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) < 0)
		return -1;
	return fd;
}

static void *obey(void *device)
{
	char line[64];

	while (fgets(line, sizeof(line), stdin)) {
		fusd_unregister(*(int *)device);
		printf("unregistered\n");
		fflush(stdout);
	}
	exit(0);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? strchr(argv[1], ':') : NULL;
	static char path[4096];
	struct fusd_options options = { .size = sizeof(options) };
	int shared, device;
	pthread_t thread;

	if (!name)
		return 2;
	shared = make_memory(!strncmp(argv[1], "sealed:", 7));
	options.shared_memory = &shared;
	device =
		fusd_register_with(name + 1, 0666, NULL, &operations, &options);
	if (device < 0) {
		printf("error %d %.200s\n", errno, fusd_error());
		return 2;
	}
	/* The library has one of its own. */
	close(shared);
	fusd_device_path(device, path, sizeof(path));
	printf("ready %s\n", path);
	fflush(stdout);
	pthread_create(&thread, NULL, obey, &device);
	for (;;) {
		fusd_run();
		pause();
	}
}
