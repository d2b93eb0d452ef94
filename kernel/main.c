// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/* kfusd: device drivers as ordinary programs. */
#include <linux/module.h>

#include "operations.h"

static int __init kfusd_init(void)
{
	int error;

	error = kfusd_requests_init();
	if (error)
		return error;
	error = kfusd_interrupt_init();
	if (error)
		goto exit_requests;
	error = kfusd_mmap_init();
	if (error)
		goto exit_interrupt;
	error = kfusd_numbers_init(&kfusd_client_operations);
	if (error)
		goto exit_mmap;
	error = kfusd_register_init();
	if (error)
		goto exit_numbers;
	error = kfusd_status_init();
	if (error)
		goto exit_register;
	/* Last: drivers may come as soon as it is there. */
	error = kfusd_control_init();
	if (error)
		goto exit_status;
	return 0;

exit_status:
	kfusd_status_exit();
exit_register:
	kfusd_register_exit();
exit_numbers:
	kfusd_numbers_exit();
exit_mmap:
	kfusd_mmap_exit();
exit_interrupt:
	kfusd_interrupt_exit();
exit_requests:
	kfusd_requests_exit();
	return error;
}

/* Open files keep the module, so that no device, file or request is left. */
static void __exit kfusd_exit(void)
{
	kfusd_control_exit();
	kfusd_status_exit();
	kfusd_register_exit();
	kfusd_numbers_exit();
	kfusd_mmap_exit();
	kfusd_interrupt_exit();
	kfusd_requests_exit();
}

module_init(kfusd_init);
module_exit(kfusd_exit);

MODULE_DESCRIPTION("Device drivers as ordinary programs (FUSD)");
MODULE_VERSION(KFUSD_VERSION);
MODULE_LICENSE("Dual BSD/GPL");
