/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A page whose first access takes its time: the kernel waits in the midst of
 * copying, while other threads go on, and may fail in the end.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz.h"

static struct {
	int fd;
	void *page;
	uint64_t seed;
} slow = { .fd = -1 };

static void serve_fault(void)
{
	struct uffdio_range range = { (uintptr_t)slow.page, PAGE };
	struct uffdio_zeropage zero = { .range = range };

	sleep_us(below(20000));
	count(FAULTS);
	if (one_in(2)) {
		ioctl(slow.fd, UFFDIO_ZEROPAGE, &zero);
		return;
	}
	mprotect(slow.page, PAGE, PROT_NONE);
	ioctl(slow.fd, UFFDIO_WAKE, &range);
}

static void *serve_faults(void *unused)
{
	seed_random(slow.seed);
	for (;;) {
		struct pollfd ready = { .fd = slow.fd, .events = POLLIN };
		struct uffd_msg message;

		poll(&ready, 1, -1);
		if (read(slow.fd, &message, sizeof(message)) > 0)
			serve_fault();
	}
	return unused;
}

static bool start(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	pthread_t thread;
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return false;
	slow.page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (uintptr_t)slow.page;
	range.range.len = PAGE;
	slow.seed = random_bits();
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range)) {
		close(fd);
		return false;
	}
	slow.fd = fd;
	return !pthread_create(&thread, NULL, serve_faults, NULL);
}

void *slow_page(void)
{
	static bool tried;

	if (!tried) {
		tried = true;
		start();
	}
	if (slow.fd < 0)
		return no_memory();
	/* As it was before its last access. */
	mprotect(slow.page, PAGE, PROT_READ | PROT_WRITE);
	madvise(slow.page, PAGE, MADV_DONTNEED);
	return slow.page;
}
