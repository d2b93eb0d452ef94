// SPDX-License-Identifier: BSD-3-Clause
/* Telling the kernel module that a poll_diff is held: the driver is not ready.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <syslog.h>

#include <fusd_control.h>

#include "held.h"

void fusd_kfusd_tell_held(const struct fusd_request *request)
{
	const fops_msg_t *fops = &request->msg.parm.fops_msg;
	const struct fusd_control_held held = {
		.fusd_file = (uintptr_t)fops->fusd_file,
		.transid = fops->transid,
		.hint = fops->hint,
	};

	/* A newer poll_diff may have replaced it, or the client closed. */
	if (ioctl(request->device->fd, FUSD_CONTROL_HELD, &held) < 0 &&
	    errno != EPIPE)
		fusd_log(LOG_DEBUG, "%s: a poll_diff is held, untold: %s",
			 request->device->path, strerror(errno));
}
