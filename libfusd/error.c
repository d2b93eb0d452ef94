// SPDX-License-Identifier: BSD-3-Clause
/* What went wrong, in words: the thread's last error and the log hook. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

#include "internal.h"

#define MESSAGE_SIZE 1024

static _Thread_local char last_error[MESSAGE_SIZE];
static _Thread_local const char *last_advice = "";
static _Thread_local bool is_quiet;

static void (*log_hook)(int priority, const char *message, void *data);
static void *log_data;

__attribute__((format(printf, 2, 0))) static void
note_failure(const char *advice, const char *format, va_list arguments)
{
	char message[MESSAGE_SIZE];

	/* The arguments may include the previous message. */
	vsnprintf(message, sizeof(message), format, arguments);
	memcpy(last_error, message, sizeof(message));
	last_advice = advice;
	if (!is_quiet)
		fusd_log(LOG_ERR, "%s", message);
}

int fusd_fail(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	note_failure("", format, arguments);
	va_end(arguments);
	return -error;
}

int fusd_fail_with_advice(int error, const char *advice, const char *format,
			  ...)
{
	va_list arguments;

	va_start(arguments, format);
	note_failure(advice, format, arguments);
	va_end(arguments);
	return -error;
}

const char *fusd_advice(void)
{
	return last_advice;
}

bool fusd_fail_quietly(bool quiet)
{
	bool was_quiet = is_quiet;

	is_quiet = quiet;
	return was_quiet;
}

void fusd_log(int priority, const char *format, ...)
{
	char message[MESSAGE_SIZE];
	va_list arguments;
	int error = errno;

	if (!log_hook)
		return;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	log_hook(priority, message, log_data);
	/* Whatever the hook did: what went wrong is still to be told. */
	errno = error;
}

bool fusd_has_log(void)
{
	return log_hook != NULL;
}

int fusd_result(int result)
{
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

FUSD_PUBLIC const char *fusd_error(void)
{
	return last_error;
}

FUSD_PUBLIC void fusd_set_log(void (*log)(int priority, const char *message,
					  void *data),
			      void *data)
{
	log_data = data;
	log_hook = log;
}

#ifndef FUSD_VERSION
#error "the build passes -DFUSD_VERSION=\"MAJOR.MINOR.PATCH\""
#endif

FUSD_PUBLIC const char *fusd_version(void)
{
	return FUSD_VERSION;
}

#define CLASSIC_STATES(more)                                        \
	"---" more, "R--" more, "-W-" more, "RW-" more, "--E" more, \
		"R-E" more, "-WE" more, "RWE" more

FUSD_PUBLIC char *fusd_unparse_flags(int flags)
{
	static char names[FUSD_NOTIFY_ALL + 1][6] = {
		CLASSIC_STATES(""),
		CLASSIC_STATES("X"),
		CLASSIC_STATES("H"),
		CLASSIC_STATES("XH"),
	};

	return names[flags & FUSD_NOTIFY_ALL];
}
