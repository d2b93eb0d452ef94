// SPDX-License-Identifier: BSD-3-Clause
/*
 * The memory that a device shares with its clients: a memfd, which they map
 * without that a callback is asked.
 *
 * Where the kernel maps what it is told of when a file is opened, there is
 * nothing to do here but to check what the driver names. Where it asks at each
 * mmap(2), the answer is a mapping of the library's own, which is there only
 * while the kernel looks at it: so the memory may grow, and a driver's seals
 * wait for nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

/* F_SEAL_FUTURE_WRITE, since Linux 5.1. */
#define SEAL_FUTURE_WRITE 0x0010

/* All memfds are in one file system, but for those of huge pages. */
static int check_memfd(const struct stat *status)
{
	int other = memfd_create("fusd", MFD_CLOEXEC);
	struct stat others;
	int error = 0;

	if (other < 0)
		return fusd_fail(errno, "memfd_create: %s", strerror(errno));
	if (fstat(other, &others) < 0 || others.st_dev != status->st_dev)
		error = fusd_fail(EINVAL,
				  "the shared memory is no memfd: make it by "
				  "memfd_create(2), without MFD_HUGETLB");
	close(other);
	return error;
}

int fusd_shared_memory_take(struct fusd_device *device, const int *memory)
{
	struct stat status;
	int error, flags;

	if (!memory)
		return 0;
	flags = fcntl(*memory, F_GETFL);
	if (flags < 0 || fstat(*memory, &status) < 0)
		return fusd_fail(EBADF,
				 "the shared memory, %d, is no descriptor",
				 *memory);
	error = check_memfd(&status);
	if (error)
		return error;
	/* The kernel opens it anew for each client, whatever may be done here.
	 */
	if ((flags & O_ACCMODE) != O_RDWR)
		return fusd_fail(EINVAL,
				 "the shared memory is not open for reading "
				 "and writing: it is a seal, "
				 "F_SEAL_FUTURE_WRITE, that lets clients only "
				 "read it");
	device->shared_memory = fcntl(*memory, F_DUPFD_CLOEXEC, 0);
	if (device->shared_memory < 0)
		return fusd_fail(errno, "no descriptor for shared memory: %s",
				 strerror(errno));
	return 0;
}

bool fusd_shared_memory_is_sealed(const struct fusd_device *device)
{
	return fcntl(device->shared_memory, F_GET_SEALS) &
	       (F_SEAL_WRITE | SEAL_FUTURE_WRITE);
}

off_t fusd_shared_memory_size(const struct fusd_device *device)
{
	struct stat status;

	return fstat(device->shared_memory, &status) < 0 ? 0 : status.st_size;
}

/* MAP_FAILED, and errno, if the memory has no such part. */
static void *map_part(const struct fusd_device *device, unsigned long offset,
		      size_t length)
{
	const unsigned long size =
		(unsigned long)fusd_shared_memory_size(device);
	const unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
	/* Mappings end with a page. */
	const unsigned long end = (size + page - 1) & ~(page - 1);
	void *address;

	errno = EINVAL;
	if (offset >= end || length > end - offset)
		return MAP_FAILED;
	address = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED,
		       device->shared_memory, (off_t)offset);
	/* A seal: clients may map it to read, as far as the kernel lets them.
	 */
	if (address == MAP_FAILED && errno == EPERM)
		address = mmap(NULL, length, PROT_READ, MAP_SHARED,
			       device->shared_memory, (off_t)offset);
	return address;
}

void fusd_shared_memory_answer(struct fusd_request *request)
{
	fops_msg_t *fops = &request->msg.parm.fops_msg;
	const size_t length = fops->length;
	void *address = map_part(request->device, fops->mmoffset, length);

	if (address == MAP_FAILED) {
		fusd_request_returned(request, -errno);
		return;
	}
	fops->arg.ptr_arg = address;
	fusd_request_returned(request, 0);
	munmap(address, length);
}
