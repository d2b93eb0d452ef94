// SPDX-License-Identifier: BSD-3-Clause
/* Which transport a device uses, and whether each of them works here. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

/* In the order in which "auto" tries them. */
static const struct fusd_transport *const transports[] = {
	&fusd_transport_kfusd,
	&fusd_transport_cuse,
	&fusd_transport_fuse,
};

#define TRANSPORT_COUNT (sizeof(transports) / sizeof(transports[0]))

static const struct fusd_transport *find(const char *name)
{
	for (size_t i = 0; i < TRANSPORT_COUNT; i++)
		if (!strcmp(transports[i]->name, name))
			return transports[i];
	errno = EINVAL;
	fusd_fail(EINVAL,
		  "unknown transport \"%s\": use auto, kfusd, cuse or fuse",
		  name);
	return NULL;
}

/* What says nothing about the transport, and is true of the others, too. */
static bool is_of_the_process(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

static const struct fusd_transport *refused(int error)
{
	if (is_of_the_process(error))
		fusd_fail(-error,
			  "nothing is free for a device (%s): close files, or "
			  "raise the limit (\"ulimit -n\")",
			  strerror(-error));
	errno = -error;
	return NULL;
}

/* Without a word to the log hook: whoever asked has the answer. */
static int check(const struct fusd_transport *transport)
{
	bool was_quiet = fusd_fail_quietly(true);
	int error = transport->check();

	fusd_fail_quietly(was_quiet);
	return error;
}

static const struct fusd_transport *first_that_works(void)
{
	char reasons[1024] = "";
	size_t used = 0;

	for (size_t i = 0; i < TRANSPORT_COUNT; i++) {
		int error = check(transports[i]);

		if (!error)
			return transports[i];
		if (is_of_the_process(error))
			return refused(error);
		if (used < sizeof(reasons))
			used += (size_t)snprintf(
				reasons + used, sizeof(reasons) - used,
				"%s%s: %s", i ? "; " : "", transports[i]->name,
				fusd_error());
	}
	fusd_fail(ENOPKG, "no transport works here: %s", reasons);
	errno = ENOPKG;
	return NULL;
}

const struct fusd_transport *fusd_transport_choose(const char *name)
{
	const struct fusd_transport *transport;
	int error;

	if (!name)
		name = secure_getenv("FUSD_TRANSPORT");
	if (!name || !*name || !strcmp(name, "auto"))
		return first_that_works();
	transport = find(name);
	if (!transport)
		return NULL;
	error = transport->check();
	return error ? refused(error) : transport;
}

FUSD_PUBLIC int fusd_transport_check(const char *name, char *reason,
				     size_t size)
{
	const struct fusd_transport *transport = name ? find(name) : NULL;
	int error = transport ? check(transport) : -EINVAL;

	if (size > 0)
		snprintf(reason, size, "%s", error ? fusd_error() : "");
	return fusd_result(error);
}
