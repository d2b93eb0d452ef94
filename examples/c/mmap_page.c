// SPDX-License-Identifier: BSD-3-Clause
/*
 * A page of memory that the driver and its clients share, and that can be
 * read and written as a file, too.
 *
 * A client that has mapped it sees what others write without asking anybody.
 * Only the kfusd transport can map; elsewhere mmap(2) gives ENODEV.
 *
 * Try it:  ./mmap_page &       (prints where the device is)
 *          echo hello > /dev/mmap_page
 *          python3 -c 'import mmap, os; mmap.mmap(os.open(
 *          "/dev/mmap_page", os.O_RDWR), 4096)[:5] = b"HELLO"'
 *          head -c 6 /dev/mmap_page
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "example.h"

#define SIZE 4096

/* Mapped MAP_SHARED: private memory could not be shown to anybody. */
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

static int page_mmap(struct fusd_file_info *file, int offset, size_t length,
		     int prot, int flags, void **address, size_t *out_length)
{
	(void)file;
	(void)prot;
	(void)flags;
	if (offset != 0 || length > SIZE)
		return -EINVAL;
	*address = page;
	*out_length = SIZE;
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = example_name(argc, argv, "mmap_page");

	page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED) {
		perror("mmap_page");
		return 1;
	}
	example_started("mmap_page", fusd_simple_register(name, 0666, NULL,
							  .read = page_read,
							  .write = page_write,
							  .mmap = page_mmap));
	fusd_run();
	return 0;
}
