/* SPDX-License-Identifier: BSD-3-Clause */
/* The header alone, in each dialect: compiled, never run. */
#include <fusd.h>

int use_header(struct fusd_file_info *file);

int use_header(struct fusd_file_info *file)
{
	return fusd_get_call_type(file) + (int)fusd_get_length(file) +
	       (int)*fusd_get_offset(file) + fusd_get_ioctl_request(file) +
	       fusd_get_ioctl_arg(file) +
	       fusd_get_poll_diff_cached_state(file) +
	       (int)fusd_get_transaction(file) +
	       (fusd_get_read_buffer(file) != fusd_get_write_buffer(file)) +
	       (fusd_get_ioctl_buffer(file) != 0) +
	       (fusd_client_memory(file, 0, 1, FUSD_CLIENT_WRITE) != 0);
}
