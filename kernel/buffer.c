// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Memory for requests' data.
 *
 * Allocating (and, on hardened kernels, zeroing) memory for each transfer
 * costs more than the transfer, so a device keeps the last buffers. What a
 * buffer held before never gets out: only bytes that were written for this
 * very request are copied to anybody.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "kfusd.h"

size_t kfusd_buffer_size(size_t size)
{
	return max_t(size_t, PAGE_SIZE, roundup_pow_of_two(size));
}

int kfusd_buffer_take(struct kfusd_device *device, struct kfusd_buffer *buffer,
		      size_t size)
{
	int i;

	buffer->data = NULL;
	spin_lock(&device->pool_lock);
	for (i = 0; i < KFUSD_SPARE_BUFFERS; i++) {
		if (device->spares[i].data && device->spares[i].size >= size) {
			*buffer = device->spares[i];
			device->spares[i].data = NULL;
			break;
		}
	}
	spin_unlock(&device->pool_lock);
	if (buffer->data)
		return 0;
	size = kfusd_buffer_size(size);
	buffer->data = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	buffer->size = size;
	return buffer->data ? 0 : -ENOMEM;
}

void kfusd_buffer_give(struct kfusd_device *device, struct kfusd_buffer *buffer)
{
	int i;

	if (!buffer->data)
		return;
	spin_lock(&device->pool_lock);
	for (i = 0; i < KFUSD_SPARE_BUFFERS; i++) {
		/* The larger one serves more requests. */
		if (!device->spares[i].data ||
		    device->spares[i].size < buffer->size) {
			swap(device->spares[i], *buffer);
			break;
		}
	}
	spin_unlock(&device->pool_lock);
	kvfree(buffer->data);
	buffer->data = NULL;
}

void kfusd_buffers_free(struct kfusd_device *device)
{
	int i;

	for (i = 0; i < KFUSD_SPARE_BUFFERS; i++) {
		kvfree(device->spares[i].data);
		device->spares[i].data = NULL;
	}
}
