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

static const struct fusd_transport *first_that_works(void)
{
	char reasons[1024] = "";
	size_t used = 0;

	for (size_t i = 0; i < TRANSPORT_COUNT; i++) {
		if (!transports[i]->check())
			return transports[i];
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
		name = getenv("FUSD_TRANSPORT");
	if (!name || !*name || !strcmp(name, "auto"))
		return first_that_works();
	transport = find(name);
	if (!transport)
		return NULL;
	error = transport->check();
	if (error) {
		errno = -error;
		return NULL;
	}
	return transport;
}

FUSD_PUBLIC int fusd_transport_check(const char *name, char *reason,
				     size_t size)
{
	const struct fusd_transport *transport = name ? find(name) : NULL;
	int error = transport ? transport->check() : -EINVAL;

	if (size > 0)
		snprintf(reason, size, "%s", error ? fusd_error() : "");
	return fusd_result(error);
}
