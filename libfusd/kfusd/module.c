// SPDX-License-Identifier: BSD-3-Clause
/* The kernel module that is loaded. */
#include <errno.h>

#include "internal.h"

#include "module.h"

int fusd_kfusd_refuse_module(const char *what)
{
	return fusd_fail(EOPNOTSUPP,
			 "the module kfusd that is loaded is too old for %s: "
			 "load that of FUSD %s",
			 what, fusd_version());
}
