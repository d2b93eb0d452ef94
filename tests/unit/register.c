// SPDX-License-Identifier: BSD-3-Clause
/* Registering, its errors, and the small helpers of the interface. */
#include <stdbool.h>
#include <sys/resource.h>

#include "check.h"

static struct fusd_file_operations none;

/* The six-argument form, in a file of its own. */
int register_kor(const char *name);

static void names_are_checked(void)
{
	static const char *const wrong[] = {
		"",	"/dev/",
		"/",	".",
		"..",	"a//b",
		"a/",	"a/../b",
		"a\nb", "123456789012345678901234567890123456789012345678",
	};
	int fd;

	CHECK_FAILS(fusd_register(NULL, 0600, NULL, &none), EINVAL);
	CHECK_FAILS(fusd_register("name", 0600, NULL, NULL), EINVAL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CHECK_FAILS(fusd_register(wrong[i], 0600, NULL, &none), EINVAL);
		CHECK(strlen(fusd_error()) > 10);
	}
	fd = fusd_register(
		"/dev/12345678901234567890123456789012345678901234567", 0600,
		NULL, &none);
	CHECK(fd >= 0);
	CHECK(errno == 0);
	CHECK(fusd_unregister(fd) == 0);
}

static void a_name_belongs_to_one_device(void)
{
	int fd = fusd_register("one", 0600, NULL, &none);

	CHECK(fd >= 0);
	CHECK_FAILS(fusd_register("/dev/one", 0600, NULL, &none), EEXIST);
	for (int i = 0; i < 20; i++) {
		CHECK(fusd_unregister(fd) == 0);
		CHECK_FAILS(fusd_unregister(fd), EBADF);
		fd = fusd_register("one", 0600, NULL, &none);
		CHECK(fd >= 0);
	}
	CHECK(fusd_unregister(fd) == 0);
	CHECK_FAILS(fusd_unregister(-1), EBADF);
	CHECK_FAILS(fusd_unregister(0), EBADF);
	CHECK_FAILS(fusd_unregister(1 << 30), EBADF);
}

static void the_fork_s_form_registers(void)
{
	int fd = register_kor("kor");

	CHECK(fd >= 0);
	CHECK(fusd_unregister(fd) == 0);
}

static void options_are_checked(void)
{
	struct fusd_options options = { .size = sizeof(options) };
	int fd;

	options.transport = "pigeon";
	CHECK_FAILS(fusd_register_with("o", 0600, NULL, &none, &options),
		    EINVAL);
	CHECK(strstr(fusd_error(), "pigeon"));
	options.transport = "fuse";
	options.size = offsetof(struct fusd_options, devname);
	CHECK_FAILS(fusd_register_with("o", 0600, NULL, &none, &options),
		    EINVAL);
	/* As the first version had it: what is beyond does not matter. */
	options.size = offsetof(struct fusd_options, ioctls);
	options.nonblock = 1;
	fd = fusd_register_with("o", 0600, NULL, &none, &options);
	CHECK(fd >= 0 && fusd_unregister(fd) == 0);
	options.size = sizeof(options);
	CHECK_FAILS(fusd_register_with("o", 0600, NULL, &none, &options),
		    EINVAL);
	CHECK(strstr(fusd_error(), "poll_diff"));
	options.nonblock = 0;
	fd = fusd_register_with("o", 0600, NULL, &none, &options);
	CHECK(fd >= 0);
	CHECK(!strcmp(fusd_device_transport(fd), "fuse"));
	CHECK(fusd_unregister(fd) == 0);
	CHECK(!fusd_device_transport(fd) && errno == EBADF);
}

static void tables_of_ioctls_are_checked(void)
{
	struct fusd_ioctl table[FUSD_IOCTLS_MAX + 1] = {
		{ .number = 1, .direction = FUSD_IOCTL_INOUT + 1 }
	};
	struct fusd_options options = {
		.size = sizeof(options),
		.transport = "fuse",
		.ioctls = table,
		.ioctl_count = FUSD_IOCTLS_MAX,
	};
	int fd;

	CHECK_FAILS(fusd_register_with("o", 0600, NULL, &none, &options),
		    EINVAL);
	table[0].direction = FUSD_IOCTL_INOUT;
	table[1].size = MAX_RW_SIZE + 1;
	CHECK_FAILS(fusd_register_with("o", 0600, NULL, &none, &options),
		    EINVAL);
	CHECK(strstr(fusd_error(), "131073 bytes"));
	table[1].size = MAX_RW_SIZE;
	fd = fusd_register_with("o", 0600, NULL, &none, &options);
	CHECK(fd >= 0 && fusd_unregister(fd) == 0);
	options.ioctl_count++;
	CHECK_FAILS(fusd_register_with("o", 0600, NULL, &none, &options),
		    EINVAL);
	options.ioctls = NULL;
	options.ioctl_count = 1;
	CHECK_FAILS(fusd_register_with("o", 0600, NULL, &none, &options),
		    EINVAL);
}

/* What a program has that was compiled with a newer header. */
struct newer_operations {
	struct fusd_file_operations known;
	void (*unknown[2])(void);
};

struct newer_options {
	struct fusd_options known;
	const char *unknown;
};

static int register_sized(const void *operations, size_t size)
{
	return fusd_register_sized("sized", 0600, NULL, operations, size, NULL);
}

static void structures_of_other_versions_are_taken(void)
{
	const size_t first_size = offsetof(struct fusd_file_operations, seek);
	struct newer_operations operations = { .unknown = { NULL } };
	struct newer_options options = { .known = { .size = sizeof(options) } };
	static char large[5000];
	int fd;

	fd = register_sized(&operations, sizeof(operations));
	CHECK(fd >= 0 && fusd_unregister(fd) == 0);
	operations.unknown[1] = (void (*)(void))abort;
	CHECK_FAILS(register_sized(&operations, sizeof(operations)), E2BIG);
	CHECK(strstr(fusd_error(), "newer libfusd"));
	/* What is beyond the size does not matter. */
	fd = register_sized(&operations, sizeof(operations.known));
	CHECK(fd >= 0 && fusd_unregister(fd) == 0);
	fd = register_sized(&operations, first_size);
	CHECK(fd >= 0 && fusd_unregister(fd) == 0);
	CHECK_FAILS(register_sized(&operations, first_size - 1), EINVAL);
	CHECK_FAILS(register_sized(large, sizeof(large)), E2BIG);
	CHECK_FAILS(register_sized(NULL, sizeof(operations)), EINVAL);

	fd = fusd_register_with("sized", 0600, NULL, &none, &options.known);
	CHECK(fd >= 0 && fusd_unregister(fd) == 0);
	options.unknown = "x";
	CHECK_FAILS(
		fusd_register_with("sized", 0600, NULL, &none, &options.known),
		E2BIG);
	options.known.size = 0;
	CHECK_FAILS(
		fusd_register_with("sized", 0600, NULL, &none, &options.known),
		EINVAL);
}

/* What a failing fusd_simple_register() prints; the size of it. */
static ssize_t printed_at_failure(char *text, size_t size)
{
	int ends[2], before = dup(2);
	ssize_t length;

	CHECK(before >= 0 && pipe(ends) == 0 && dup2(ends[1], 2) == 2);
	close(ends[1]);
	CHECK_FAILS(fusd_simple_register("a//b", 0600, NULL, .open = NULL),
		    EINVAL);
	dup2(before, 2);
	close(before);
	length = read(ends[0], text, size - 1);
	close(ends[0]);
	text[length > 0 ? length : 0] = 0;
	return length;
}

static void ignore(int priority, const char *message, void *data)
{
	(void)priority;
	(void)message;
	(void)data;
}

static void a_simple_registration_says_once_why_it_failed(void)
{
	char text[500];

	CHECK(printed_at_failure(text, sizeof(text)) > 0);
	CHECK(strstr(text, "register: ") == text);
	CHECK(strstr(text, fusd_error()));
	CHECK(strchr(text, '\n') == text + strlen(text) - 1);
	fusd_set_log(ignore, NULL);
	CHECK(printed_at_failure(text, sizeof(text)) == 0);
	fusd_set_log(NULL, NULL);
}

static void a_device_tells_its_path(void)
{
	char path[4096], expected[4096];
	int fd = fusd_register("sub/path", 0600, NULL, &none);
	ssize_t length;

	CHECK(fd >= 0);
	length = fusd_device_path(fd, path, sizeof(path));
	snprintf(expected, sizeof(expected), "%s/sub/path",
		 getenv("FUSD_DEV_ROOT"));
	CHECK(!strcmp(path, expected));
	CHECK(length == (ssize_t)strlen(expected));
	CHECK_FAILS(fusd_device_path(fd, path, (size_t)length), ERANGE);
	CHECK(fusd_device_path(fd, path, (size_t)length + 1) == length);
	CHECK(fusd_unregister(fd) == 0);
	CHECK_FAILS(fusd_device_path(fd, path, sizeof(path)), EBADF);
}

static void a_transport_says_why_it_does_not_work(void)
{
	char reason[200] = "?";

	CHECK(fusd_transport_check("fuse", reason, sizeof(reason)) == 0);
	CHECK(!reason[0]);
	CHECK_FAILS(fusd_transport_check("pigeon", reason, sizeof(reason)),
		    EINVAL);
	CHECK(strstr(reason, "pigeon"));
	CHECK_FAILS(fusd_transport_check("pigeon", reason, 4), EINVAL);
	CHECK(strlen(reason) == 3);
	CHECK_FAILS(fusd_transport_check(NULL, reason, 0), EINVAL);
}

static void dispatch_never_blocks(void)
{
	int fd = fusd_register("quiet", 0600, NULL, &none);

	CHECK(fd >= 0);
	for (int i = 0; i < 3; i++)
		CHECK_FAILS(fusd_dispatch(fd), EAGAIN);
	CHECK_FAILS(fusd_dispatch(-1), EBADF);
	CHECK_FAILS(fusd_dispatch(2), EBADF);
	CHECK(fusd_unregister(fd) == 0);
	CHECK_FAILS(fusd_dispatch(fd), EBADF);
	/* Without devices it returns. */
	fusd_run();
}

static void descriptors_go_into_sets(void)
{
	int first = fusd_register("first", 0600, NULL, &none);
	int second = fusd_register("second", 0600, NULL, &none);
	int max = 0;
	fd_set set;

	CHECK(first >= 0 && second > first);
	FD_ZERO(&set);
	fusd_fdset_add(&set, &max);
	CHECK(FD_ISSET(first, &set) && FD_ISSET(second, &set));
	CHECK(max == second);
	max = 1000;
	fusd_fdset_add(&set, &max);
	CHECK(max == 1000);
	fusd_dispatch_fdset(&set);
	CHECK(fusd_unregister(first) == 0);
	FD_ZERO(&set);
	fusd_fdset_add(&set, &max);
	CHECK(!FD_ISSET(first, &set) && FD_ISSET(second, &set));
	CHECK(fusd_unregister(second) == 0);
}

static void flags_read_as_text(void)
{
	static const char *const expected[] = { "---", "R--", "-W-", "RW-",
						"--E", "R-E", "-WE", "RWE" };
	static const char *const more[] = { "", "X", "H", "XH" };
	char text[8];

	for (int flags = 0; flags < 64; flags++) {
		snprintf(text, sizeof(text), "%s%s", expected[flags & 7],
			 more[flags >> 3 & 3]);
		CHECK(!strcmp(fusd_unparse_flags(flags), text));
	}
}

static char logged[1024];

static void keep(int priority, const char *message, void *data)
{
	CHECK(data == logged && priority >= 0 && priority < 8);
	snprintf(logged, sizeof(logged), "%s", message);
	/* As what a hook calls may do. */
	errno = 0;
}

static void errors_reach_the_log_hook(void)
{
	const struct fusd_options wrong = {
		.size = sizeof(wrong),
		.transport = "nonsense",
	};

	fusd_set_log(keep, logged);
	CHECK_FAILS(fusd_register_with("x", 0600, NULL, &none, &wrong), EINVAL);
	CHECK_FAILS(fusd_register("", 0600, NULL, &none), EINVAL);
	CHECK(!strcmp(logged, fusd_error()));
	CHECK(!strchr(logged, '\n'));
	fusd_set_log(NULL, NULL);
	logged[0] = 0;
	CHECK_FAILS(fusd_register("", 0600, NULL, &none), EINVAL);
	CHECK(!logged[0]);
	CHECK(strchr(fusd_version(), '.'));
}

static void what_was_tried_before_is_no_error(void)
{
	const struct fusd_options any = {
		.size = sizeof(any),
		.transport = "auto",
	};
	char reason[200];
	int fd;

	logged[0] = 0;
	fusd_set_log(keep, logged);
	fd = fusd_register_with("auto", 0600, NULL, &none, &any);
	CHECK(fd >= 0);
	CHECK(fusd_unregister(fd) == 0);
	fusd_transport_check("kfusd", reason, sizeof(reason));
	CHECK(!logged[0]);
	fusd_set_log(NULL, NULL);
}

static void a_lack_of_descriptors_is_told_as_such(void)
{
	const struct fusd_options any = {
		.size = sizeof(any),
		.transport = "auto",
	};
	struct rlimit limit, few;

	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	few = limit;
	for (few.rlim_cur = 3; few.rlim_cur < 9; few.rlim_cur++) {
		int fd;

		CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
		fd = fusd_register_with("few", 0600, NULL, &none, &any);
		CHECK(fd >= 0 || errno == EMFILE);
		CHECK(fd >= 0 || strstr(fusd_error(), strerror(EMFILE)));
		CHECK(fd < 0 || fusd_unregister(fd) == 0);
	}
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void nothing_stays_open_across_exec(void)
{
	bool was_open[200];
	int fd;

	for (int i = 0; i < 200; i++)
		was_open[i] = fcntl(i, F_GETFD) >= 0;
	fd = fusd_register("exec", 0600, NULL, &none);
	CHECK(fd >= 0);
	for (int i = 0; i < 200; i++) {
		int flags = fcntl(i, F_GETFD);

		CHECK(was_open[i] || flags < 0 || (flags & FD_CLOEXEC));
	}
	CHECK(fusd_unregister(fd) == 0);
}

int main(void)
{
	static const struct test tests[] = {
#define TEST(name) { #name, name }
		TEST(names_are_checked),
		TEST(a_name_belongs_to_one_device),
		TEST(the_fork_s_form_registers),
		TEST(options_are_checked),
		TEST(tables_of_ioctls_are_checked),
		TEST(structures_of_other_versions_are_taken),
		TEST(a_simple_registration_says_once_why_it_failed),
		TEST(a_device_tells_its_path),
		TEST(a_transport_says_why_it_does_not_work),
		TEST(dispatch_never_blocks),
		TEST(descriptors_go_into_sets),
		TEST(flags_read_as_text),
		TEST(errors_reach_the_log_hook),
		TEST(what_was_tried_before_is_no_error),
		TEST(a_lack_of_descriptors_is_told_as_such),
		TEST(nothing_stays_open_across_exec),
		{ NULL, NULL },
	};

	return run_tests(tests);
}
