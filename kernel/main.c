// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/* kfusd: device drivers as ordinary programs. */
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "kfusd.h"

unsigned int kfusd_max_devices = 4096;
module_param_named(max_devices, kfusd_max_devices, uint, 0644);
MODULE_PARM_DESC(max_devices,
		 "devices at one time; one more gets ENOSPC (default 4096)");

/* Of this and the next a user has at most what is left for others: file.c. */
unsigned int kfusd_max_open_files = 16384;
module_param_named(max_open_files, kfusd_max_open_files, uint, 0644);
MODULE_PARM_DESC(max_open_files,
		 "open files of a device; beyond ENFILE (default 16384)");

unsigned long kfusd_max_queued_bytes = 256UL << 20;
module_param_named(max_queued_bytes, kfusd_max_queued_bytes, ulong, 0644);
MODULE_PARM_DESC(max_queued_bytes,
		 "bytes of a device's requests; beyond ENOBUFS (256 MiB)");

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
	error = kfusd_devices_init(&kfusd_client_operations);
	if (error)
		goto exit_mmap;
	error = kfusd_status_init();
	if (error)
		goto exit_devices;
	/* Last: drivers may come as soon as it is there. */
	error = kfusd_control_init();
	if (error)
		goto exit_status;
	return 0;

exit_status:
	kfusd_status_exit();
exit_devices:
	kfusd_devices_exit();
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
	kfusd_devices_exit();
	kfusd_mmap_exit();
	kfusd_interrupt_exit();
	kfusd_requests_exit();
}

module_init(kfusd_init);
module_exit(kfusd_exit);

MODULE_DESCRIPTION("Device drivers as ordinary programs (FUSD)");
MODULE_VERSION(KFUSD_VERSION);
MODULE_LICENSE("Dual BSD/GPL");
