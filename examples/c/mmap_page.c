// SPDX-License-Identifier: BSD-3-Clause
/*
 * A page of memory that the driver and its clients share, and that can be
 * read and written as a file, too.
 *
 * A client that has mapped it sees what others write without asking anybody.
 * That works on kfusd, and for root on fuse since Linux 6.9; elsewhere mmap(2)
 * gives ENODEV.
 *
 * Try it:  ./mmap_page &       (prints where the device is)
 *          echo hello > /dev/mmap_page
 *          python3 -c 'import mmap, os; mmap.mmap(os.open(
 *          "/dev/mmap_page", os.O_RDWR), 4096)[:5] = b"HELLO"'
 *          head -c 6 /dev/mmap_page
 */
#define _GNU_SOURCE /* memfd_create() */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "example.h"

#define SIZE 4096

static char *page;

/* How many of length bytes from offset on are in the page. */
static size_t inside(loff_t offset, size_t length)
{
	size_t rest = offset < SIZE ? (size_t)(SIZE - offset) : 0;

	return length < rest ? length : rest;
}

static ssize_t page_read(struct fusd_file_info *file, char *buffer,
			 size_t length, loff_t *offset)
{
	size_t count = inside(*offset, length);

	(void)file;
	if (count == 0)
		return 0;
	memcpy(buffer, page + *offset, count);
	*offset += (loff_t)count;
	return (ssize_t)count;
}

static ssize_t page_write(struct fusd_file_info *file, const char *buffer,
			  size_t length, loff_t *offset)
{
	size_t count = inside(*offset, length);

	(void)file;
	if (count == 0)
		return -ENOSPC;
	memcpy(page + *offset, buffer, count);
	*offset += (loff_t)count;
	return (ssize_t)count;
}

/* Makes the page, and returns a descriptor of it, which is what is shared. */
static int make_page(void)
{
	int memory = memfd_create("mmap_page", MFD_CLOEXEC);

	if (memory < 0 || ftruncate(memory, SIZE) < 0)
		return -1;
	page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	return page == MAP_FAILED ? -1 : memory;
}

int main(int argc, char **argv)
{
	const char *name = example_name(argc, argv, "mmap_page");
	const int memory = make_page();
	const struct fusd_options options = {
		.size = sizeof(options),
		.shared_memory = &memory,
	};
	int fd;

	if (memory < 0) {
		perror("mmap_page");
		return 1;
	}
	fd = fusd_register_with(
		name, 0666, NULL,
		FUSD_OPS(.read = page_read, .write = page_write), &options);
	if (fd < 0)
		fprintf(stderr, "mmap_page: %s\n", fusd_error());
	example_started("mmap_page", fd);
	fusd_run();
	return 0;
}
