/* SPDX-License-Identifier: BSD-3-Clause */
/* The header alone, in each dialect: compiled, never run. */
#include <fusd.h>

/* Half of the numbers do not fit into an int: the switch must not warn. */
#define GET _IOR('h', 1, int)
#define SET _IOW('h', 2, int)
#define EXCHANGE _IOWR('h', 3, long)
#define RESET _IO('h', 4)

int use_header(struct fusd_file_info *file);
int choose(struct fusd_file_info *file);

#ifdef FUSD_KOR_API
typedef char argument_is_whole[sizeof(fusd_get_ioctl_arg(
				       (struct fusd_file_info *)0)) ==
					       sizeof(unsigned long) ?
				       1 :
				       -1];
#endif

int choose(struct fusd_file_info *file)
{
	switch (fusd_get_ioctl_number(file)) {
	case GET:
		return 1;
	case SET:
		return 2;
	case EXCHANGE:
		return 3;
	case RESET:
		return 4;
	default:
		return 0;
	}
}

int use_header(struct fusd_file_info *file)
{
	return fusd_get_call_type(file) + (int)fusd_get_length(file) +
	       (int)*fusd_get_offset(file) + fusd_get_ioctl_request(file) +
	       (int)fusd_get_ioctl_arg(file) +
	       fusd_get_poll_diff_cached_state(file) +
	       (int)fusd_get_transaction(file) +
	       (fusd_get_read_buffer(file) != fusd_get_write_buffer(file)) +
	       (fusd_get_ioctl_buffer(file) != 0) +
	       (fusd_client_memory(file, 0, 1, FUSD_CLIENT_WRITE) != 0);
}
