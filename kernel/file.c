// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Open files, and what the users who opened them may have.
 *
 * What clients can make wait is limited for each device: open files, those
 * being opened and closed among them, and the bytes of requests at the size
 * that they take. A user may have as much of either as is left for all others,
 * so that nobody can use it up: the first half is the first user's, half of the
 * rest the next one's. Only the privileged (CAP_SYS_RESOURCE) may have all.
 * Everything is charged to the user who opened the file.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/moduleparam.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "kfusd.h"

static unsigned int kfusd_max_open_files = 16384;
module_param_named(max_open_files, kfusd_max_open_files, uint, 0644);
MODULE_PARM_DESC(max_open_files,
		 "open files of a device; beyond ENFILE (default 16384)");

static unsigned long kfusd_max_queued_bytes = 256UL << 20;
module_param_named(max_queued_bytes, kfusd_max_queued_bytes, ulong, 0644);
MODULE_PARM_DESC(max_queued_bytes,
		 "bytes of a device's requests; beyond ENOBUFS (256 MiB)");

struct kfusd_ids kfusd_ids_of_current(const struct kfusd_device *device)
{
	struct kfusd_ids ids = {
		.pid = pid_nr_ns(task_pid(current), device->pid_ns),
		.uid = __kuid_val(current_fsuid()),
		.gid = __kgid_val(current_fsgid()),
	};

	if (device->user_ns != &init_user_ns) {
		ids.uid = from_kuid_munged(device->user_ns, current_fsuid());
		ids.gid = from_kgid_munged(device->user_ns, current_fsgid());
	}
	return ids;
}

static struct kfusd_user *kfusd_new_user(void)
{
	struct kfusd_user *user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);

	if (!user)
		return NULL;
	INIT_LIST_HEAD(&user->entry);
	user->uid = current_uid();
	user->is_privileged =
		ns_capable_noaudit(&init_user_ns, CAP_SYS_RESOURCE);
	return user;
}

/* Under device->lock: the device's record of the same user, if there is one. */
static struct kfusd_user *kfusd_find_user(struct kfusd_device *device,
					  const struct kfusd_user *wanted)
{
	struct kfusd_user *user;

	list_for_each_entry(user, &device->users, entry) {
		if (uid_eq(user->uid, wanted->uid) &&
		    user->is_privileged == wanted->is_privileged)
			return user;
	}
	return NULL;
}

/*
 * Under device->lock: whether this thread would wait for itself. A thread
 * serves the device if it received last. As long as no thread has received, the
 * one that registered will serve if there is no other: neither a thread of its
 * process nor a process that shares the control file.
 */
static bool kfusd_is_server(const struct kfusd_device *device)
{
	if (device->server)
		return device->server == task_pid(current);
	return device->registrar == task_pid(current) &&
	       thread_group_empty(current) && file_count(device->control) == 1;
}

bool kfusd_may_wait_to_close(const struct kfusd_file *file)
{
	return !(current->flags & (PF_KTHREAD | PF_EXITING)) &&
	       READ_ONCE(file->device->server) != task_pid(current);
}

/* Under device->lock. */
static int kfusd_may_have_file(const struct kfusd_device *device,
			       const struct kfusd_user *user)
{
	unsigned int share = user->is_privileged ? 0 : user->files;

	if (device->state != KFUSD_LIVE)
		return -ENXIO;
	if (device->charged_files + share >= kfusd_max_open_files)
		return -ENFILE;
	return 0;
}

/* Under device->lock. */
static void kfusd_charge_user(struct kfusd_file *file, struct kfusd_user *user)
{
	struct kfusd_device *device = file->device;

	user->files++;
	device->charged_files++;
	file->user = user;
	file->id = ++device->last_file_id;
}

/* Takes over fresh, unless it becomes the device's record of that user. */
static int kfusd_charge_file(struct kfusd_file *file, struct kfusd_user *fresh)
{
	struct kfusd_device *device = file->device;
	struct kfusd_user *user;
	int error;

	spin_lock(&device->lock);
	user = kfusd_find_user(device, fresh);
	error = kfusd_may_have_file(device, user ? user : fresh);
	/* Nobody would be left to answer. */
	if (!error && kfusd_is_server(device))
		error = -EDEADLK;
	if (!error) {
		if (!user) {
			user = fresh;
			list_add(&user->entry, &device->users);
			fresh = NULL;
		}
		kfusd_charge_user(file, user);
	}
	spin_unlock(&device->lock);
	kfree(fresh);
	return error;
}

static void kfusd_uncharge_file(struct kfusd_file *file)
{
	struct kfusd_device *device = file->device;
	struct kfusd_user *user = file->user;
	bool is_last;

	spin_lock(&device->lock);
	device->charged_files--;
	is_last = --user->files == 0;
	if (is_last)
		list_del(&user->entry);
	spin_unlock(&device->lock);
	if (is_last)
		kfree(user);
}

/* Not charged, and without its reference to device. NULL: no memory. */
static struct kfusd_file *kfusd_make_file(struct kfusd_device *device,
					  const struct kfusd_ids *opener)
{
	struct kfusd_file *file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);

	if (!file)
		return NULL;
	kref_init(&file->ref);
	INIT_LIST_HEAD(&file->entry);
	INIT_LIST_HEAD(&file->kept);
	file->parked = RB_ROOT;
	init_waitqueue_head(&file->poll_wait);
	file->device = device;
	file->opener = *opener;
	return file;
}

/* What was not charged is freed if that gave an error. */
static struct kfusd_file *kfusd_charged_file(struct kfusd_file *file, int error)
{
	if (error) {
		kfree(file);
		return ERR_PTR(error);
	}
	kref_get(&file->device->ref);
	return file;
}

struct kfusd_file *kfusd_file_new(struct kfusd_device *device)
{
	const struct kfusd_ids opener = kfusd_ids_of_current(device);
	struct kfusd_user *fresh = kfusd_new_user();
	struct kfusd_file *file = kfusd_make_file(device, &opener);

	if (!fresh || !file) {
		kfree(fresh);
		kfree(file);
		return ERR_PTR(-ENOMEM);
	}
	return kfusd_charged_file(file, kfusd_charge_file(file, fresh));
}

struct kfusd_file *kfusd_file_new_child(struct kfusd_file *parent,
					const struct kfusd_ids *ids)
{
	struct kfusd_device *device = parent->device;
	struct kfusd_file *file = kfusd_make_file(device, ids);
	int error;

	if (!file)
		return ERR_PTR(-ENOMEM);
	spin_lock(&device->lock);
	error = kfusd_may_have_file(device, parent->user);
	if (!error)
		kfusd_charge_user(file, parent->user);
	spin_unlock(&device->lock);
	return kfusd_charged_file(file, error);
}

static void kfusd_free_file(struct kref *ref)
{
	struct kfusd_file *file = container_of(ref, struct kfusd_file, ref);
	struct kfusd_device *device = file->device;

	kfusd_uncharge_file(file);
	kfree(file);
	kfusd_device_put(device);
}

void kfusd_file_get(struct kfusd_file *file)
{
	kref_get(&file->ref);
}

void kfusd_file_put(struct kfusd_file *file)
{
	kref_put(&file->ref, kfusd_free_file);
}

void kfusd_file_list(struct kfusd_file *file)
{
	struct kfusd_device *device = file->device;

	spin_lock(&device->lock);
	device->open_files++;
	list_add(&file->entry, &device->files);
	spin_unlock(&device->lock);
}

void kfusd_file_unlist(struct kfusd_file *file)
{
	struct kfusd_device *device = file->device;

	spin_lock(&device->lock);
	device->open_files--;
	list_del_init(&file->entry);
	spin_unlock(&device->lock);
}

bool kfusd_charge_request(struct kfusd_request *request, size_t bytes)
{
	struct kfusd_user *user = request->file->user;
	unsigned long total, share;

	request->charged += bytes;
	total = atomic_long_add_return(bytes, &request->file->device->bytes);
	share = atomic_long_add_return(bytes, &user->bytes);
	return total + (user->is_privileged ? 0 : share) <=
	       READ_ONCE(kfusd_max_queued_bytes);
}

void kfusd_uncharge_request(struct kfusd_request *request)
{
	if (!request->charged)
		return;
	atomic_long_sub(request->charged, &request->file->device->bytes);
	atomic_long_sub(request->charged, &request->file->user->bytes);
	request->charged = 0;
}
