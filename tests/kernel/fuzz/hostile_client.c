/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of hostile drivers, and of honest ones at times, that checks
 * nothing. */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

static struct {
	int fd;
	int first_given; /* descriptors from here on are the drivers' */
	char *data;	 /* of MAX_RW_SIZE + PAGE */
} client;

static bool is_user;

static _Thread_local sigjmp_buf on_fault;
static _Thread_local bool may_fault;

static void fault(int number)
{
	if (may_fault)
		siglongjmp(on_fault, 1);
	signal(number, SIG_DFL);
	raise(number);
}

static void *some_memory(void)
{
	switch (below(8)) {
	case 0:
		return no_memory();
	case 1:
		return slow_page();
	default:
		return client.data;
	}
}

static size_t some_length(void)
{
	return below(one_in(10) ? MAX_RW_SIZE + PAGE : 200);
}

static void do_read(void)
{
	void *memory = some_memory();
	size_t length = memory == client.data ? some_length() : 100;

	if (one_in(2))
		read(client.fd, memory, length);
	else
		pread(client.fd, memory, length, random_bits() >> below(64));
}

static void do_write(void)
{
	void *memory = some_memory();
	size_t length = memory == client.data ? some_length() : 176;

	if (one_in(2))
		write(client.fd, memory, length);
	else
		pwrite(client.fd, memory, length, random_bits() >> below(64));
}

static void do_vectors(void)
{
	struct iovec parts[3] = { { client.data, below(100) },
				  { some_memory(), 50 },
				  { client.data + PAGE, below(5000) } };

	if (one_in(2))
		preadv2(client.fd, parts, 3, -1, one_in(2) ? RWF_NOWAIT : 0);
	else
		writev(client.fd, parts, 3);
}

static void do_ioctl(void)
{
	unsigned int number = random_bits();

	if (one_in(2))
		number = _IOC(below(4), 'z', below(4), below(300));
	if (_IOC_SIZE(number) > 100)
		ioctl(client.fd, number, client.data);
	else
		ioctl(client.fd, number, some_memory());
}

static void touch(char *memory)
{
	may_fault = true;
	if (!sigsetjmp(on_fault, 1)) {
		volatile char *byte = memory + below(PAGE);

		*byte = *byte + 1;
	}
	may_fault = false;
}

static void do_mmap(void)
{
	int protection = one_in(2) ? PROT_READ | PROT_WRITE : below(8);
	size_t length = PAGE * (1 + below(3));
	char *memory = mmap(NULL, length, protection,
			    one_in(3) ? MAP_PRIVATE : MAP_SHARED, client.fd,
			    PAGE * below(3));

	if (memory == MAP_FAILED)
		return;
	count(MMAPS);
	touch(memory);
	if (one_in(4))
		mprotect(memory, PAGE, below(8));
	if (one_in(4))
		madvise(memory, length, below(26));
	if (one_in(4)) {
		char *moved =
			mremap(memory, length, 2 * length, MREMAP_MAYMOVE);

		if (moved != MAP_FAILED) {
			memory = moved;
			length *= 2;
		}
	}
	touch(memory);
	munmap(memory, length);
}

static void do_poll(void)
{
	struct pollfd wanted = { .fd = client.fd, .events = random_bits() };

	count(POLLS);
	poll(&wanted, 1, below(20));
}

static void do_epoll(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT };
	int poller = epoll_create1(0);

	count(POLLS);
	if (one_in(2))
		event.events |= EPOLLET;
	if (one_in(3))
		event.events |= EPOLLONESHOT;
	epoll_ctl(poller, EPOLL_CTL_ADD, client.fd, &event);
	epoll_wait(poller, &event, 1, below(20));
	if (one_in(2))
		do_read();
	epoll_wait(poller, &event, 1, below(10));
	close(poller);
}

static void do_splice(void)
{
	int ends[2];

	if (pipe2(ends, O_NONBLOCK))
		return;
	if (one_in(2)) {
		splice(client.fd, NULL, ends[1], NULL, some_length(), below(4));
	} else {
		write(ends[1], client.data, 100);
		splice(ends[0], NULL, client.fd, NULL, 100, below(4));
	}
	if (one_in(4))
		sendfile(ends[1], client.fd, NULL, 100);
	close(ends[0]);
	close(ends[1]);
}

static void do_ring(void)
{
	static const int operations[] = { IORING_OP_READ, IORING_OP_WRITE,
					  IORING_OP_POLL_ADD, IORING_OP_CLOSE,
					  IORING_OP_FSYNC };
	struct ring_call call = {
		.opcode = operations[below(5)],
		.fd = client.fd,
		.buffer = client.data,
		.length = below(200),
		.offset = below(1000),
		.flags = one_in(2) ? IOSQE_ASYNC : 0,
		/* Or is cancelled, as the ring is closed. */
		.wait = false,
	};

	if (call.opcode == IORING_OP_CLOSE || call.opcode == IORING_OP_FSYNC) {
		/* Nothing else may be said; a close is of another descriptor.
		 */
		if (call.opcode == IORING_OP_CLOSE)
			call.fd = dup(client.fd);
		call.buffer = NULL;
		call.length = 0;
		call.offset = 0;
	}
	ring_do(&call);
}

static void do_aio(void)
{
	aio_context_t context = 0;
	struct iocb call = {
		.aio_lio_opcode = one_in(3) ? IOCB_CMD_FSYNC :
				  one_in(2) ? IOCB_CMD_PREAD :
					      IOCB_CMD_POLL,
		.aio_fildes = client.fd,
		.aio_buf = (uintptr_t)client.data,
		.aio_nbytes = 100,
	};
	struct iocb *calls[1] = { &call };

	if (call.aio_lio_opcode != IOCB_CMD_PREAD) {
		call.aio_buf =
			call.aio_lio_opcode == IOCB_CMD_POLL ? POLLIN : 0;
		call.aio_nbytes = 0;
	}
	if (syscall(SYS_io_setup, 4, &context))
		return;
	syscall(SYS_io_submit, context, 1, calls);
	syscall(SYS_io_destroy, context);
}

static void do_flags(void)
{
	fcntl(client.fd, F_SETFL,
	      (one_in(2) ? O_NONBLOCK : 0) | (one_in(2) ? O_APPEND : 0) |
		      (one_in(8) ? O_ASYNC : 0));
	lseek(client.fd, random_bits() >> below(64), below(6));
}

static void do_sync(void)
{
	int other = dup(client.fd);

	if (one_in(2))
		fsync(client.fd);
	else
		fdatasync(other);
	close(other);
}

static void do_fork(void)
{
	pid_t child = fork();

	if (child < 0)
		return;
	if (child) {
		sleep_us(below(5000));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		return;
	}
	alarm_every(0);
	if (one_in(2)) {
		do_read();
		do_poll();
	}
	_exit(0);
}

static void do_status(void)
{
	char text[1000];
	int fd = open("/dev/fusd/status", O_RDONLY);

	if (one_in(2))
		ioctl(fd, FUSD_STATUS_USE_BINARY, 0);
	read(fd, text, below(sizeof(text)));
	read(fd, text, sizeof(text));
	close(fd);
}

static void *thread_body(void *seed)
{
	seed_random((uintptr_t)seed);
	if (one_in(2))
		do_read();
	else
		do_ioctl();
	return NULL;
}

static void do_threads(void)
{
	pthread_t threads[3];
	unsigned int i;

	for (i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, thread_body,
			       (void *)(uintptr_t)random_bits());
	for (i = 0; i < 3; i++) {
		sleep_us(below(3000));
		pthread_kill(threads[i], SIGUSR1);
		count(SIGNALS);
	}
	for (i = 0; i < 3; i++) {
		unsigned int tries = 50;

		while (pthread_tryjoin_np(threads[i], NULL) == EBUSY) {
			/* Its calls may be restarted for ever. */
			if (!tries--)
				exit(0);
			sleep_us(1000);
			pthread_kill(threads[i], SIGUSR1);
		}
	}
}

static void do_something(void)
{
	static void (*const actions[])(void) = {
		do_read,  do_read,   do_write,	 do_write,	do_vectors,
		do_ioctl, do_ioctl,  do_mmap,	 do_mmap,	do_poll,
		do_epoll, do_splice, do_ring,	 do_aio,	do_flags,
		do_fork,  do_status, do_threads, look_at_sysfs, do_sync,
	};

	actions[below(sizeof(actions) / sizeof(*actions))]();
	count(CALLS);
	beat();
}

static void open_and_use(void)
{
	unsigned int rounds = below(30);
	char path[40];

	if (is_user && one_in(8))
		snprintf(path, sizeof(path), "/dev/fuzz-honest%lu",
			 below(HONEST_DEVICES));
	else
		snprintf(path, sizeof(path), "/dev/fuzz-hostile%lu",
			 below(HOSTILE_DEVICES));
	client.fd = open(path, below(3) | (one_in(4) ? O_NONBLOCK : 0));
	if (client.fd < 0) {
		look_at_sysfs();
		sleep_us(below(2000));
		return;
	}
	count(OPENS);
	while (rounds-- && !shared->stopping)
		do_something();
	close(client.fd);
	if (one_in(4))
		/* What ioctls have given, perhaps none of which was closed. */
		close_range(client.first_given, ~0U, 0);
}

void hostile_client(unsigned int number)
{
	client.data = mmap(NULL, MAX_RW_SIZE + 2 * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	slow_page(); /* has a descriptor of its own from then on */
	client.first_given = dup(0);
	is_user = number % 2;
	if (is_user && setuid(HOSTILE_USER))
		exit(1);
	handle(SIGALRM, number % 3 == 0);
	handle(SIGUSR1, number % 3 == 1);
	signal(SIGBUS, fault);
	signal(SIGSEGV, fault);
	alarm_every(3 + below(30));
	while (!shared->stopping)
		open_and_use();
	exit(0);
}
