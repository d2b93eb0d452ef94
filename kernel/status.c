// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * /dev/fusd/status: the list of devices, as text or as fusd_status_t records.
 *
 * A read from the start takes a snapshot, the reads that follow give the rest
 * of it, and after the end of file the next one starts anew.
 */
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "operations.h"

/* No line of text is longer, the last one included. */
#define LINE_SIZE 96

struct kfusd_status_reader {
	struct mutex lock; /* one reader of the descriptor at a time */
	bool is_binary;	   /* lock */
	char *snapshot;	   /* lock; kvmalloc'ed, or NULL */
	size_t size, used; /* lock; of the snapshot, and read of it */
	int seen;	   /* kfusd_devices_generation of the last snapshot */
};

/* A device as the namespace of the reader, this thread, sees it. */
static fusd_status_t kfusd_describe_device(struct kfusd_device *device)
{
	fusd_status_t status = {
		.zombie = device->state == KFUSD_GONE,
		.pid = pid_vnr(device->driver),
	};

	strscpy(status.name, device->name, sizeof(status.name));
	spin_lock(&device->lock);
	status.num_open = device->open_files;
	spin_unlock(&device->lock);
	return status;
}

static void kfusd_append_text(struct kfusd_status_reader *reader,
			      const fusd_status_t *status)
{
	reader->size +=
		scnprintf(reader->snapshot + reader->size, LINE_SIZE,
			  "%7d %5d %s%s\n", status->pid, status->num_open,
			  status->name, status->zombie ? " (zombie)" : "");
}

/* Under kfusd_devices_lock. */
static int kfusd_fill_snapshot(struct kfusd_status_reader *reader)
{
	struct kfusd_device *device;
	unsigned int devices = 0, clients = 0;

	list_for_each_entry(device, &kfusd_devices, entry)
		devices++;
	reader->size = 0;
	reader->used = 0;
	reader->snapshot = kvmalloc((devices + 2) * LINE_SIZE, GFP_KERNEL);
	if (!reader->snapshot)
		return -ENOMEM;
	if (!reader->is_binary)
		reader->size = scnprintf(reader->snapshot, LINE_SIZE,
					 "%7s %5s %s\n", "PID", "Open", "Name");
	list_for_each_entry(device, &kfusd_devices, entry) {
		fusd_status_t status = kfusd_describe_device(device);

		clients += status.num_open;
		if (reader->is_binary) {
			memcpy(reader->snapshot + reader->size, &status,
			       sizeof(status));
			reader->size += sizeof(status);
		} else {
			kfusd_append_text(reader, &status);
		}
	}
	if (!reader->is_binary)
		reader->size +=
			scnprintf(reader->snapshot + reader->size, LINE_SIZE,
				  "%u devices, %u clients\n", devices, clients);
	return 0;
}

static void kfusd_drop_snapshot(struct kfusd_status_reader *reader)
{
	kvfree(reader->snapshot);
	reader->snapshot = NULL;
}

static int kfusd_take_snapshot(struct kfusd_status_reader *reader)
{
	int error;

	WRITE_ONCE(reader->seen, atomic_read(&kfusd_devices_generation));
	if (mutex_lock_interruptible(&kfusd_devices_lock))
		return -ERESTARTSYS;
	error = kfusd_fill_snapshot(reader);
	mutex_unlock(&kfusd_devices_lock);
	return error;
}

static ssize_t kfusd_read_snapshot(struct kfusd_status_reader *reader,
				   char __user *buffer, size_t length)
{
	int error;

	if (!reader->snapshot) {
		error = kfusd_take_snapshot(reader);
		if (error)
			return error;
	}
	length = min(length, reader->size - reader->used);
	if (copy_to_user(buffer, reader->snapshot + reader->used, length))
		return -EFAULT;
	reader->used += length;
	return length;
}

static ssize_t kfusd_status_read(struct file *filp, char __user *buffer,
				 size_t length, loff_t *position)
{
	struct kfusd_status_reader *reader = filp->private_data;
	ssize_t result;

	if (!length)
		return 0;
	if (mutex_lock_interruptible(&reader->lock))
		return -ERESTARTSYS;
	result = kfusd_read_snapshot(reader, buffer, length);
	/* The end of file was seen. */
	if (result == 0)
		kfusd_drop_snapshot(reader);
	mutex_unlock(&reader->lock);
	return result;
}

static __poll_t kfusd_status_poll(struct file *filp, poll_table *table)
{
	struct kfusd_status_reader *reader = filp->private_data;

	poll_wait(filp, &kfusd_devices_wait, table);
	return READ_ONCE(reader->seen) !=
			       atomic_read(&kfusd_devices_generation) ?
		       EPOLLIN | EPOLLRDNORM :
		       0;
}

static long kfusd_status_ioctl(struct file *filp, unsigned int request,
			       unsigned long argument)
{
	struct kfusd_status_reader *reader = filp->private_data;

	if (request != FUSD_STATUS_USE_BINARY)
		return -ENOTTY;
	if (mutex_lock_interruptible(&reader->lock))
		return -ERESTARTSYS;
	reader->is_binary = true;
	kfusd_drop_snapshot(reader);
	mutex_unlock(&reader->lock);
	return 0;
}

/* Any seek is one to the start: of a new snapshot. */
static loff_t kfusd_status_llseek(struct file *filp, loff_t offset, int whence)
{
	struct kfusd_status_reader *reader = filp->private_data;

	if (whence != SEEK_SET || offset != 0)
		return -EINVAL;
	if (mutex_lock_interruptible(&reader->lock))
		return -ERESTARTSYS;
	kfusd_drop_snapshot(reader);
	mutex_unlock(&reader->lock);
	return 0;
}

static int kfusd_status_open(struct inode *inode, struct file *filp)
{
	struct kfusd_status_reader *reader =
		kzalloc(sizeof(*reader), GFP_KERNEL);

	if (!reader)
		return -ENOMEM;
	mutex_init(&reader->lock);
	filp->private_data = reader;
	return 0;
}

static int kfusd_status_release(struct inode *inode, struct file *filp)
{
	struct kfusd_status_reader *reader = filp->private_data;

	kfusd_drop_snapshot(reader);
	kfree(reader);
	return 0;
}

static const struct file_operations kfusd_status_operations = {
	.owner = THIS_MODULE,
	.open = kfusd_status_open,
	.release = kfusd_status_release,
	.read = kfusd_status_read,
	.poll = kfusd_status_poll,
	.llseek = kfusd_status_llseek,
	.unlocked_ioctl = kfusd_status_ioctl,
	.compat_ioctl = kfusd_status_ioctl,
};

static struct miscdevice kfusd_status = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "fusd_status",
	.nodename = FUSD_STATUS_FILENAME,
	.mode = 0444,
	.fops = &kfusd_status_operations,
};

int kfusd_status_init(void)
{
	return misc_register(&kfusd_status);
}

void kfusd_status_exit(void)
{
	misc_deregister(&kfusd_status);
}
