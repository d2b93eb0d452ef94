// SPDX-License-Identifier: BSD-3-Clause
/* fusd_client_memory(): ioctls that point into their client. */
#include <pthread.h>
#include <stdint.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "check.h"

/* Neither number says a size, as I2C_RDWR and TCGETS do not. */
#define SUM 0x0707
#define CHANGE 0x0708
/* This one has a size, and its data points to more. */
#define SIZED _IOWR('T', 1, struct list)

struct part {
	unsigned char *bytes;
	uint32_t length;
};

struct list {
	struct part *parts;
	uint32_t count;
	uint32_t sum;
};

static int answer;
static struct fusd_file_info *held;
static struct fusd_buffer *kept;
static unsigned char *kept_data;

static int register_ioctl(int (*callback)(struct fusd_file_info *, int, void *))
{
	const struct fusd_options options = {
		.size = sizeof(options),
		.max_client_memory = MAX_RW_SIZE,
	};
	int fd = fusd_register_with("device", 0666, NULL,
				    FUSD_OPS(.ioctl = callback), &options);

	CHECK(fd >= 0);
	return fd;
}

/* Serves the device while another process runs client. */
static void run(int fd, void (*client)(int device))
{
	pid_t pid = fork_client();

	if (pid == 0) {
		client(open_device());
		_exit(0);
	}
	dispatch_until_end(fd, pid);
}

/* Turns errno into a callback's answer. */
static int failed(void)
{
	return errno == EAGAIN ? -FUSD_RETRY : -errno;
}

/* The list's parts summed up, or a callback's answer. */
static int sum_parts(struct fusd_file_info *file, const struct list *list)
{
	const struct part *parts;
	int sum = 0;

	parts = fusd_client_memory(file, (unsigned long)list->parts,
				   list->count * sizeof(*parts),
				   FUSD_CLIENT_READ);
	if (!parts)
		return failed();
	for (uint32_t i = 0; i < list->count; i++) {
		const unsigned char *bytes =
			fusd_client_memory(file, (unsigned long)parts[i].bytes,
					   parts[i].length, FUSD_CLIENT_READ);

		if (!bytes)
			return failed();
		for (uint32_t n = 0; n < parts[i].length; n++)
			sum += bytes[n];
	}
	return sum;
}

static int sum_ioctl(struct fusd_file_info *file, int request, void *data)
{
	struct list *list = data;

	if ((unsigned int)request != SIZED)
		list = fusd_client_memory(file, (unsigned long)data,
					  sizeof(*list), FUSD_CLIENT_READ);
	if (!list)
		return failed();
	answer = sum_parts(file, list);
	if (answer >= 0)
		list->sum = (uint32_t)answer;
	return answer;
}

static void sum_client(int device)
{
	unsigned char bytes[] = { 1, 2, 3, 40, 50 };
	struct part parts[] = { { bytes, 3 }, { bytes + 3, 2 }, { bytes, 1 } };
	struct list list = { parts, 3, 77 };

	CHECK(ioctl(device, SUM, &list) == 97);
	CHECK(list.sum == 77);
	CHECK(ioctl(device, SIZED, &list) == 97);
	CHECK(list.sum == 97);
	CHECK(list.parts == parts && list.count == 3);
}

static void pointers_are_followed(void)
{
	int fd = register_ioctl(sum_ioctl);

	run(fd, sum_client);
	CHECK(fusd_unregister(fd) == 0);
}

static void wild_client(int device)
{
	unsigned char byte = 1;
	struct part parts[] = { { &byte, 1 }, { (unsigned char *)16, 1 } };
	struct list list = { parts, 2, 77 };
	/* The last page of the memory, and nothing after it. */
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(pages != MAP_FAILED && munmap(pages + 4096, 4096) == 0);
	CHECK_FAILS(ioctl(device, SUM, &list), EFAULT);
	CHECK_FAILS(ioctl(device, SUM, 16), EFAULT);
	CHECK_FAILS(ioctl(device, SUM, pages + 4096 - 8), EFAULT);
	CHECK_FAILS(ioctl(device, SUM, UINTPTR_MAX - 4), EFAULT);
	parts[1].bytes = &byte;
	CHECK(ioctl(device, SUM, &list) == 2);
}

static void memory_that_is_not_there_is_efault(void)
{
	int fd = register_ioctl(sum_ioctl);

	run(fd, wild_client);
	CHECK(fusd_unregister(fd) == 0);
}

/* Adds one to the first of the client's eight bytes. */
static int change_ioctl(struct fusd_file_info *file, int request, void *data)
{
	unsigned char *bytes = fusd_client_memory(file, (unsigned long)data, 8,
						  FUSD_CLIENT_WRITE);

	(void)request;
	if (!bytes)
		return failed();
	bytes[0]++;
	return answer;
}

static void change_client(int device)
{
	unsigned char bytes[] = "abcdefghi";
	unsigned char *constant =
		mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(ioctl(device, CHANGE, bytes) == 7);
	CHECK(!memcmp(bytes, "bbcdefghi", 10));
	CHECK_FAILS(ioctl(device, CHANGE, constant), EFAULT);
	CHECK(constant[0] == 0);
	CHECK(ioctl(device, CHANGE, bytes) == 7);
	CHECK(bytes[0] == 'c');
}

static void what_is_changed_goes_back(void)
{
	int fd = register_ioctl(change_ioctl);

	answer = 7;
	run(fd, change_client);
	CHECK(fusd_unregister(fd) == 0);
}

static void refused_client(int device)
{
	unsigned char bytes[] = "abcdefghi";

	CHECK_FAILS(ioctl(device, CHANGE, bytes), ENODATA);
	CHECK(!memcmp(bytes, "abcdefghi", 10));
}

static void an_error_changes_nothing(void)
{
	int fd = register_ioctl(change_ioctl);

	answer = -ENODATA;
	run(fd, refused_client);
	CHECK(fusd_unregister(fd) == 0);
}

/* Asks for count regions of length bytes, one byte further each. */
static bool ask_often(struct fusd_file_info *file, unsigned long address,
		      int count, size_t length, int access)
{
	bool is_complete = true;

	for (int i = 0; i < count; i++) {
		unsigned char *bytes = fusd_client_memory(
			file, address + (unsigned long)i, length, access);

		CHECK(bytes || errno == EAGAIN);
		if (!bytes)
			is_complete = false;
		else
			CHECK(bytes[0] == 'x' && bytes[length - 1] == 'x');
	}
	return is_complete;
}

static void ask_wrongly(struct fusd_file_info *file, unsigned long address)
{
	CHECK(!fusd_client_memory(file, address, 0, FUSD_CLIENT_READ));
	CHECK(errno == EINVAL);
	CHECK(!fusd_client_memory(file, address, 1, 0) && errno == EINVAL);
	CHECK(!fusd_client_memory(file, address, 1, 4) && errno == EINVAL);
	CHECK(!fusd_client_memory(NULL, address, 1, 1) && errno == EINVAL);
	CHECK(!fusd_client_memory(file, address, MAX_RW_SIZE + 1, 1));
	CHECK(errno == E2BIG);
	CHECK(!fusd_client_memory(file, address, SIZE_MAX, 1));
	CHECK(errno == EFAULT);
}

static int limits_ioctl(struct fusd_file_info *file, int request, void *data)
{
	unsigned long address = (unsigned long)data;
	const size_t rest = MAX_RW_SIZE - 253;
	bool is_complete;

	(void)request;
	ask_wrongly(file, address);
	is_complete = ask_often(file, address, 1, rest, FUSD_CLIENT_READ);
	is_complete &= ask_often(file, address, 253, 1, FUSD_CLIENT_READ);
	CHECK(!fusd_client_memory(file, address, 2, 1) && errno == E2BIG);
	if (!is_complete)
		return -FUSD_RETRY;
	/* The same memory, and no more of it. */
	CHECK(fusd_client_memory(file, address, rest, FUSD_CLIENT_READ) ==
	      fusd_client_memory(file, address, rest, FUSD_CLIENT_READ));
	return 0;
}

static int count_ioctl(struct fusd_file_info *file, int request, void *data)
{
	unsigned long address = (unsigned long)data;
	bool is_complete;

	(void)request;
	is_complete = ask_often(file, address, 127, 1, FUSD_CLIENT_WRITE);
	CHECK(!fusd_client_memory(file, address + 127, 1, FUSD_CLIENT_READ));
	CHECK(errno == E2BIG);
	return is_complete ? 0 : -FUSD_RETRY;
}

static void limits_client(int device)
{
	static char bytes[MAX_RW_SIZE + 256];

	memset(bytes, 'x', sizeof(bytes));
	CHECK(ioctl(device, SUM, bytes) == 0);
}

static void there_are_limits(void)
{
	int fd = register_ioctl(limits_ioctl);

	run(fd, limits_client);
	CHECK(fusd_unregister(fd) == 0);
	fd = register_ioctl(count_ioctl);
	run(fd, limits_client);
	CHECK(fusd_unregister(fd) == 0);
}

static ssize_t asking_read(struct fusd_file_info *file, char *buffer,
			   size_t length, loff_t *offset)
{
	(void)length;
	(void)offset;
	CHECK(!fusd_client_memory(file, (unsigned long)buffer, 1, 1));
	CHECK(errno == EINVAL);
	return 0;
}

static int early_ioctl(struct fusd_file_info *file, int request, void *data)
{
	(void)request;
	CHECK(fusd_return(file, 5) == 0);
	CHECK(!fusd_client_memory(file, (unsigned long)data, 1, 1));
	CHECK(errno == EINVAL);
	return -FUSD_NOREPLY;
}

static void asking_client(int device)
{
	char byte;

	CHECK(read(device, &byte, 1) == 0);
	CHECK(ioctl(device, SUM, &byte) == 5);
}

static void only_an_unanswered_ioctl_may_ask(void)
{
	int fd = fusd_simple_register("device", 0666, NULL, .read = asking_read,
				      .ioctl = early_ioctl);

	CHECK(fd >= 0);
	run(fd, asking_client);
	CHECK(fusd_unregister(fd) == 0);
}

static int retry_ioctl(struct fusd_file_info *file, int request, void *data)
{
	(void)file;
	(void)request;
	(void)data;
	return -FUSD_RETRY;
}

static void retry_client(int device)
{
	CHECK_FAILS(ioctl(device, SUM, 0), EIO);
}

static void a_retry_without_a_reason_is_eio(void)
{
	int fd = register_ioctl(retry_ioctl);

	run(fd, retry_client);
	CHECK(fusd_unregister(fd) == 0);
}

static int hold_ioctl(struct fusd_file_info *file, int request, void *data)
{
	int result = change_ioctl(file, request, data);

	if (result < 0)
		return result;
	kept_data = fusd_client_memory(file, (unsigned long)data, 8,
				       FUSD_CLIENT_WRITE);
	kept = fusd_buffer_acquire(file);
	held = file;
	return -FUSD_NOREPLY;
}

static void held_client(int device)
{
	unsigned char bytes[] = "abcdefghi";

	CHECK(ioctl(device, CHANGE, bytes) == 9);
	CHECK(!memcmp(bytes, "bbcdefgzi", 10));
}

static void a_held_ioctl_writes_with_its_answer(void)
{
	int fd = register_ioctl(hold_ioctl);
	pid_t client = fork_client();

	if (client == 0) {
		held_client(open_device());
		_exit(0);
	}
	while (!held)
		dispatch_one(fd);
	CHECK(!fusd_client_memory(held, 4096, 1, 1) && errno == EINVAL);
	kept_data[7] = 'z';
	CHECK(fusd_return(held, 9) == 0);
	dispatch_until_end(fd, client);
	CHECK(fusd_unregister(fd) == 0);
	/* Ours until it is released, whoever else is gone. */
	memset(kept_data, 'y', 8);
	fusd_buffer_release(kept);
}

static int abort_ioctl(struct fusd_file_info *file, int request, void *data)
{
	int result = change_ioctl(file, request, data);

	if (result < 0)
		return result;
	held = file;
	return -FUSD_NOREPLY;
}

static void unregistered_client(int device)
{
	unsigned char bytes[] = "abcdefghi";

	CHECK_FAILS(ioctl(device, CHANGE, bytes), EPIPE);
	CHECK(!memcmp(bytes, "abcdefghi", 10));
}

static void unregister_writes_nothing(void)
{
	int fd = register_ioctl(abort_ioctl);
	pid_t client = fork_client();
	int status;

	if (client == 0) {
		unregistered_client(open_device());
		_exit(0);
	}
	while (!held)
		dispatch_one(fd);
	CHECK(fusd_unregister(fd) == 0);
	CHECK(waitpid(client, &status, 0) == client && status == 0);
	CHECK_FAILS(fusd_return(held, 0), EPIPE);
}

static void do_nothing(int number)
{
	(void)number;
}

/* Asks for memory that does not come, until a timer's signal. */
static int stalled_ioctl(struct fusd_file_info *file, int request, void *data)
{
	const struct itimerval soon = { .it_value.tv_usec = 20000 };
	struct sigaction restart = { .sa_handler = do_nothing,
				     .sa_flags = SA_RESTART };
	void *memory;

	(void)request;
	CHECK(sigaction(SIGALRM, &restart, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	memory = fusd_client_memory(file, (unsigned long)data, 8,
				    FUSD_CLIENT_READ);
	CHECK(!memory && errno == EFAULT);
	signal(SIGALRM, SIG_DFL);
	alarm(300);
	return -EFAULT;
}

/* A page that never comes; NULL where that is not permitted. */
static void *stalled_page(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	CHECK(page != MAP_FAILED);
	if (fd < 0)
		return NULL;
	area.range.start = (unsigned long)page;
	area.range.len = 4096;
	CHECK(ioctl(fd, UFFDIO_API, &api) == 0);
	CHECK(ioctl(fd, UFFDIO_REGISTER, &area) == 0);
	return page;
}

static void stalled_client(int device)
{
	void *page = stalled_page();

	if (page)
		CHECK_FAILS(ioctl(device, SUM, page), EFAULT);
}

static void a_signal_ends_the_wait_for_memory_that_does_not_come(void)
{
	int fd = register_ioctl(stalled_ioctl);

	/* On cuse the kernel waits, and the client with it. */
	if (strcmp(fusd_device_transport(fd), "cuse") != 0)
		run(fd, stalled_client);
	CHECK(fusd_unregister(fd) == 0);
}

static int denied_ioctl(struct fusd_file_info *file, int request, void *data)
{
	void *memory;

	(void)request;
	memory = fusd_client_memory(file, (unsigned long)data, 1,
				    FUSD_CLIENT_READ);
	return memory ? 0 : failed();
}

static void denied_client(int device)
{
	char byte;

	/* CUSE needs no permission: the client's own kernel side copies. */
	if (!strcmp(getenv("FUSD_TRANSPORT"), "cuse"))
		CHECK(ioctl(device, SUM, &byte) == 0);
	else
		CHECK_FAILS(ioctl(device, SUM, &byte), EPERM);
}

/* Credentials are a thread's own below the C library. */
static void *serve_as_nobody(void *data)
{
	const int *descriptors = data;

	CHECK(syscall(SYS_setresuid, 65534, 65534, 65534) == 0);
	dispatch_until_end(descriptors[0], descriptors[1]);
	return NULL;
}

static void another_user_s_memory_is_eperm(void)
{
	int fd, descriptors[2];
	pthread_t thread;
	pid_t client;

	if (geteuid() != 0)
		return;
	fd = register_ioctl(denied_ioctl);
	client = fork_client();
	if (client == 0) {
		denied_client(open_device());
		_exit(0);
	}
	descriptors[0] = fd;
	descriptors[1] = client;
	CHECK(pthread_create(&thread, NULL, serve_as_nobody, descriptors) == 0);
	pthread_join(thread, NULL);
	CHECK(fusd_unregister(fd) == 0);
}

int main(void)
{
	static const struct test tests[] = {
#define TEST(name) { #name, name }
		TEST(pointers_are_followed),
		TEST(memory_that_is_not_there_is_efault),
		TEST(what_is_changed_goes_back),
		TEST(an_error_changes_nothing),
		TEST(there_are_limits),
		TEST(only_an_unanswered_ioctl_may_ask),
		TEST(a_retry_without_a_reason_is_eio),
		TEST(a_held_ioctl_writes_with_its_answer),
		TEST(unregister_writes_nothing),
		TEST(a_signal_ends_the_wait_for_memory_that_does_not_come),
		TEST(another_user_s_memory_is_eperm),
		{ NULL, NULL },
	};

	return run_tests(tests);
}
