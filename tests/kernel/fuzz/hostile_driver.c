/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver that receives and answers as it should not. */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

#define HISTORY 32
#define ADDRESSES 12

static struct {
	int fd;
	unsigned int device;
	pthread_mutex_t lock; /* of the history */
	fusd_msg_t history[HISTORY];
	unsigned int received;
	void *addresses[ADDRESSES];
	unsigned int address_count;
	char *data;
} driver = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void remember(const fusd_msg_t *message)
{
	pthread_mutex_lock(&driver.lock);
	driver.history[driver.received++ % HISTORY] = *message;
	pthread_mutex_unlock(&driver.lock);
}

static bool recall(fusd_msg_t *message)
{
	unsigned int known;

	pthread_mutex_lock(&driver.lock);
	known = driver.received < HISTORY ? driver.received : HISTORY;
	if (known)
		/* Rather one of the last. */
		*message = driver.history[(driver.received - 1 -
					   below(one_in(2) ? 1 : known)) %
					  HISTORY];
	pthread_mutex_unlock(&driver.lock);
	return known;
}

static void *shared_memory(int fd, size_t size)
{
	int flags = MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0);
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void *sealed_memory(void)
{
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING);
	void *memory;

	if (ftruncate(fd, 4 * PAGE))
		return NULL;
	memory = shared_memory(fd, 4 * PAGE);
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | 0x10 /* future writes */);
	close(fd);
	return memory;
}

/* Huge pages that may not be there: nobody is to touch them. */
static void *huge_memory(void)
{
	const size_t size = 2 << 20;
	int fd = memfd_create("huge", MFD_HUGETLB);
	void *memory;

	if (fd < 0 || ftruncate(fd, size))
		return NULL;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_NORESERVE, fd, 0);
	close(fd);
	return memory == MAP_FAILED ? NULL : memory;
}

static void make_addresses(void)
{
	void *all[ADDRESSES] = {
		shared_memory(-1, 4 * PAGE),
		shared_memory(-1, PAGE),
		sealed_memory(),
		huge_memory(),
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		NULL,
		(void *)1,
		&driver,
		(void *)hostile_driver,
		(void *)0xffff888000000000,
		(void *)(0x7ffffffff000),
		(void *)-4096L,
	};

	memcpy(driver.addresses, all, sizeof(all));
	driver.address_count = ADDRESSES;
}

static unsigned long odd_number(void)
{
	static const unsigned long numbers[] = {
		0,	   1,	       2,	   3,	       7,
		64,	   100,	       4095,	   4096,       131072,
		131073,	   0x7fffffff, 0x80000000, 0xffffffff, 1UL << 40,
		~0UL >> 1, ~0UL,       1UL << 63,
	};

	if (one_in(4))
		return random_bits();
	return numbers[below(sizeof(numbers) / sizeof(*numbers))] *
	       (one_in(3) ? -1UL : 1);
}

static ssize_t odd_result(void)
{
	if (one_in(3))
		return -(ssize_t)below(600);
	return odd_number();
}

static void mutate(fusd_msg_t *message)
{
	fops_msg_t *fops = &message->parm.fops_msg;

	switch (below(13)) {
	case 0:
		message->magic ^= 1 << below(31);
		break;
	case 1:
		message->cmd = below(2) ? below(8) : random_bits();
		break;
	case 2:
		message->subcmd = 99 + below(13);
		break;
	case 3:
		message->datalen = odd_number();
		break;
	case 4:
		fops->private_info = (void *)odd_number();
		break;
	case 5:
		fops->flags = odd_number();
		break;
	case 6:
		fops->offset = odd_number();
		break;
	case 7:
		fops->fusd_file = (void *)below(50);
		break;
	case 8:
		fops->transid += one_in(2) ? 1 : -1;
		break;
	case 9:
		fops->hint = one_in(2) ? below(20) : odd_number();
		break;
	case 10:
		fops->length = odd_number();
		break;
	case 11:
		fops->cmd = odd_number();
		break;
	default:
		((char *)message)[below(sizeof(*message))] ^= 1 << below(8);
	}
}

/* What the operation's answer carries, more or less. */
static size_t data_length(const fusd_msg_t *message)
{
	const fops_msg_t *fops = &message->parm.fops_msg;

	if (one_in(5))
		return below(MAX_RW_SIZE + 10);
	if (message->subcmd == FUSD_READ && fops->length <= MAX_RW_SIZE)
		return below(fops->length + 1);
	if (message->subcmd == FUSD_IOCTL && _IOC_DIR(fops->cmd) & _IOC_READ)
		return _IOC_SIZE(fops->cmd);
	return 0;
}

static void send(fusd_msg_t *message, size_t length)
{
	void *data = one_in(8) ? slow_page() : driver.data;
	struct iovec parts[3] = { { message, sizeof(*message) },
				  { data, length } };
	unsigned int part_count = length ? 2 : 1;

	if (one_in(16)) {
		parts[0].iov_len = below(200);
	} else if (one_in(16)) {
		parts[0].iov_len = 100;
		parts[1] = (struct iovec){ (char *)message + 100, 76 };
		parts[2] = (struct iovec){ data, length };
		part_count = 3;
	} else if (one_in(16)) {
		parts[1].iov_base = no_memory();
	}
	count(HOSTILE_REPLIES);
	if (writev(driver.fd, parts, part_count) < 0)
		count(REFUSED);
}

/* Descriptors that it has, or has not; its own, and an honest driver's. */
static void give_descriptors(const fusd_msg_t *message)
{
	unsigned int rounds = 1 + below(one_in(8) ? 20 : 2);

	while (rounds--) {
		int descriptor = one_in(2) ? -1 :
				 one_in(4) ? driver.fd :
				 one_in(8) ? (int)random_bits() :
					     (int)below(20);
		uint32_t flags = one_in(8)	  ? random_bits() :
				 descriptor == -1 ? O_RDWR :
						    O_CLOEXEC;
		uint32_t offset = one_in(2) ? FUSD_CONTROL_RESULT :
				  one_in(8) ? random_bits() :
					      below(300);

		control_give(driver.fd, message, descriptor, odd_number(),
			     flags, offset);
	}
}

static void reply(void)
{
	fusd_msg_t message;
	unsigned int times = one_in(6) ? 2 : 1;
	size_t length;

	if (!recall(&message))
		return;
	length = data_length(&message);
	message.cmd++;
	message.datalen = length;
	message.parm.fops_msg.retval =
		one_in(3) ? odd_result() : (ssize_t)length;
	if (message.subcmd == FUSD_OPEN && !one_in(4))
		message.parm.fops_msg.retval = 0;
	if (message.subcmd == FUSD_POLL_DIFF)
		message.parm.fops_msg.retval =
			one_in(10) ? -1 : (ssize_t)below(64);
	if (message.subcmd == FUSD_SEEK && one_in(2))
		message.parm.fops_msg.retval = odd_number();
	if (message.subcmd == FUSD_MMAP) {
		message.parm.fops_msg.retval = 0;
		message.parm.fops_msg.arg.arg =
			(unsigned long)
				driver.addresses[below(driver.address_count)] +
			(one_in(4) ? PAGE : 0);
		message.parm.fops_msg.length =
			one_in(3) ? odd_number() : PAGE * (1 + below(4));
	}
	if (message.subcmd == FUSD_IOCTL ? one_in(2) : one_in(20))
		give_descriptors(&message);
	if (message.subcmd == FUSD_POLL_DIFF ? one_in(2) : one_in(20)) {
		control_hold(driver.fd, &message);
		if (one_in(2))
			return;
	}
	while (one_in(3))
		mutate(&message);
	while (times--)
		send(&message, length);
}

static void receive_well(void)
{
	char data[MAX_RW_SIZE + 2];
	fusd_msg_t message;

	if (!control_receive(driver.fd, &message, data))
		remember(&message);
}

static void receive_slowly(void)
{
	fusd_msg_t message;
	struct iovec here = { &message, sizeof(message) };
	struct iovec there = { slow_page(), sizeof(message) };

	if (read(driver.fd, there.iov_base, sizeof(message)) != sizeof(message))
		return;
	/* It may be gone again. */
	if (process_vm_readv(getpid(), &here, 1, &there, 1, 0) ==
	    sizeof(message))
		remember(&message);
}

static void receive_badly(void)
{
	char data[MAX_RW_SIZE + 2];

	switch (below(5)) {
	case 0:
		read(driver.fd, no_memory(), sizeof(fusd_msg_t));
		break;
	case 1:
		read(driver.fd, data, below(sizeof(data)));
		break;
	case 2:
		/* The data, if there is some, is left for later. */
		if (read(driver.fd, data, sizeof(fusd_msg_t)) ==
		    sizeof(fusd_msg_t))
			remember((fusd_msg_t *)data);
		break;
	default:
		receive_slowly();
	}
}

static void receive(void)
{
	struct pollfd ready = { .fd = driver.fd, .events = POLLIN };

	if (one_in(20))
		/* May block, until a signal comes. */
		fcntl(driver.fd, F_SETFL, one_in(2) ? 0 : O_NONBLOCK);
	else
		poll(&ready, 1, 5);
	if (one_in(4))
		receive_badly();
	else
		receive_well();
}

/* Of those that hostile_client.c makes, and of any. */
static void tell_of_ioctls(void)
{
	struct fusd_ioctl ioctls[8];
	struct fusd_control_ioctls table = {
		.address =
			one_in(8) ? (uintptr_t)odd_number() : (uintptr_t)ioctls,
		.count = one_in(8) ? random_bits() : below(9),
		.size = one_in(8) ? random_bits() : sizeof(ioctls[0]),
	};
	unsigned int i;

	for (i = 0; i < 8; i++) {
		ioctls[i].number = _IOC(below(4), 'z', below(3), below(300));
		ioctls[i].mask = one_in(2) ? FUSD_IOCTL_ANY_SIZE :
				 one_in(2) ? 0 :
					     random_bits();
		ioctls[i].direction = one_in(20) ? random_bits() : below(4);
		ioctls[i].size = one_in(2)  ? 0 :
				 one_in(20) ? random_bits() :
					      below(3000);
	}
	ioctl(driver.fd, FUSD_CONTROL_IOCTLS, &table);
}

static void write_nonsense(void)
{
	char data[400];
	unsigned int i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = random_bits();
	if (one_in(2))
		((fusd_msg_t *)data)->magic = FUSD_MSG_MAGIC;
	write(driver.fd, data, one_in(2) ? sizeof(fusd_msg_t) : below(400));
	ioctl(driver.fd, one_in(2) ? FUSD_CONTROL_OPTIONS : random_bits(),
	      one_in(2) ? (void *)data : (void *)odd_number());
	if (one_in(4))
		tell_of_ioctls();
}

/* Returns whether the device is gone. */
static bool act(void)
{
	fusd_msg_t end = { .magic = FUSD_MSG_MAGIC,
			   .cmd = FUSD_UNREGISTER_DEVICE };

	switch (below(200)) {
	case 0:
		write(driver.fd, &end, sizeof(end));
		return true;
	case 1:
		return true;
	case 2:
	case 3:
		write_nonsense();
		return false;
	case 4:
	case 5:
	case 6:
	case 7:
		tell_of_sysfs(driver.fd);
		return false;
	}
	if (one_in(3))
		hostile_fast_act(driver.fd);
	else if (one_in(2))
		receive();
	else
		reply();
	return false;
}

static void *act_too(void *seed)
{
	unsigned int rounds;

	seed_random((uintptr_t)seed);
	rounds = below(300);
	while (rounds-- && !shared->stopping)
		act();
	return NULL;
}

static void answer_from_a_child(void)
{
	pid_t child = fork();
	unsigned int rounds = below(20);

	if (child < 0)
		return;
	if (child) {
		waitpid(child, NULL, 0);
		return;
	}
	/* It may have come to wait for what only its parent does. */
	signal(SIGALRM, SIG_DFL);
	alarm(2);
	while (rounds--)
		act();
	_exit(0);
}

static void serve(void)
{
	pthread_t threads[2];
	unsigned int thread_count = below(3);
	unsigned int i;

	for (i = 0; i < thread_count; i++)
		pthread_create(&threads[i], NULL, act_too,
			       (void *)(uintptr_t)random_bits());
	while (!shared->stopping && !act()) {
		beat();
		if (one_in(300))
			answer_from_a_child();
	}
	for (i = 0; i < thread_count; i++)
		pthread_join(threads[i], NULL);
}

static void register_somehow(void)
{
	static const char *const classes[] = { NULL, NULL, "fuzz-class",
					       "misc" };
	char name[48];

	snprintf(name, sizeof(name), "fuzz-hostile%u", driver.device);
	if (one_in(4)) {
		/* Another one before, that goes with the descriptor. */
		int other = control_open(0);

		control_register(other, "fuzz/odd", "fuzz-class");
		control_register(driver.fd, "fuzz!odd", NULL);
		close(other);
	}
	if (one_in(4))
		control_register(driver.fd, one_in(2) ? "fuzz/../x" : "a/b/c/",
				 "..");
	if (one_in(2))
		tell_of_ioctls();
	while (!one_in(10))
		tell_of_sysfs(driver.fd);
	if (!one_in(3))
		hostile_fast_begin(driver.fd);
	control_register(driver.fd, name, classes[below(4)]);
}

void hostile_driver(unsigned int device)
{
	driver.device = device;
	driver.data = malloc(MAX_RW_SIZE + 16);
	memset(driver.data, 'h', MAX_RW_SIZE + 16);
	make_addresses();
	handle(SIGUSR1, false);
	handle(SIGALRM, false);
	alarm_every(10);
	while (!shared->stopping) {
		driver.fd = control_open(below(one_in(2) ? 4 : 0x100));
		if (driver.fd < 0)
			continue;
		driver.received = 0;
		register_somehow();
		serve();
		close(driver.fd);
	}
	exit(0);
}
