// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Mapping a driver's memory into a client.
 *
 * The driver names memory of its own that it has mapped shared, and the
 * client's mapping is made one of the file behind it, so that both have the
 * same pages, no page is pinned, and the mapping survives the driver.
 *
 * mmap(2) has made its checks on the device's file, not on the one that is
 * mapped. So only files are mapped that need no other checks than those made
 * here: shared anonymous memory, and memfds, whose seals are honoured. All
 * other files are refused, huge pages, devices and files with a name among
 * them, and nothing is executable. Only the process that registered the device
 * has memory to give: another process that can be made to write to a control
 * descriptor does not.
 */
#include <linux/fcntl.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include "kfusd.h"

/* A file of shared memory without a name, to compare a driver's with. */
static struct file *kfusd_shared_memory;

static struct workqueue_struct *kfusd_seal_guards;

int kfusd_mmap_init(void)
{
	kfusd_seal_guards = alloc_workqueue("kfusd_mmap", WQ_UNBOUND, 0);
	if (!kfusd_seal_guards)
		return -ENOMEM;
	kfusd_shared_memory = shmem_file_setup("kfusd", 0, VM_NORESERVE);
	if (!IS_ERR(kfusd_shared_memory))
		return 0;
	destroy_workqueue(kfusd_seal_guards);
	return PTR_ERR(kfusd_shared_memory);
}

void kfusd_mmap_exit(void)
{
	destroy_workqueue(kfusd_seal_guards);
	fput(kfusd_shared_memory);
}

static bool kfusd_is_shared_memory(const struct file *file)
{
	/* System V's is such a file in a wrapper that counts; not wanted. */
	return file->f_op == kfusd_shared_memory->f_op &&
	       file_inode(file)->i_sb == file_inode(kfusd_shared_memory)->i_sb;
}

/* Under the driver's mmap_lock. */
static int kfusd_take_mapping(struct kfusd_request *request,
			      unsigned long address, size_t length)
{
	struct vm_area_struct *vma = find_vma(current->mm, address);

	if (!vma || vma->vm_start > address || vma->vm_end - address < length)
		return -EINVAL;
	/* Private memory has no file to share, or shares only what it was. */
	if (!(vma->vm_flags & VM_MAYSHARE) || !vma->vm_file ||
	    !kfusd_is_shared_memory(vma->vm_file))
		return -EINVAL;
	request->map_file = get_file(vma->vm_file);
	request->map_pgoff =
		vma->vm_pgoff + ((address - vma->vm_start) >> PAGE_SHIFT);
	request->map_length = length;
	request->map_flags = vma->vm_flags;
	return 0;
}

int kfusd_find_mapping(struct kfusd_request *request, unsigned long address,
		       size_t length)
{
	int error;

	if (!current->mm || current->mm != request->file->device->mm)
		return -EINVAL;
	if (!length || length > SIZE_MAX - PAGE_SIZE || offset_in_page(address))
		return -EINVAL;
	if (mmap_read_lock_killable(current->mm))
		return -EINTR;
	error = kfusd_take_mapping(request, address, PAGE_ALIGN(length));
	mmap_read_unlock(current->mm);
	return error;
}

static bool kfusd_is_sealed(const struct file *file)
{
	return READ_ONCE(SHMEM_I(file_inode(file))->seals) &
	       (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
}

/* What the driver may not do with the memory, the client may not either. */
static int kfusd_limit_access(struct vm_area_struct *vma,
			      const struct kfusd_request *request)
{
	unsigned long forbidden =
		VM_MAYEXEC | ((VM_MAYREAD | VM_MAYWRITE) & ~request->map_flags);

	if (!(vma->vm_flags & VM_SHARED)) {
		/* A private copy may be written. */
		forbidden &= ~VM_MAYWRITE;
	} else if (kfusd_is_sealed(request->map_file)) {
		if (vma->vm_flags & VM_WRITE)
			return -EPERM;
		forbidden |= VM_MAYWRITE;
	}
	if (((vma->vm_flags & VM_READ) && (forbidden & VM_MAYREAD)) ||
	    ((vma->vm_flags & VM_WRITE) && (forbidden & VM_MAYWRITE)) ||
	    (vma->vm_flags & VM_EXEC))
		return -EACCES;
	/* do_mmap() does the same for a file that is not open for writing. */
	if (forbidden & VM_MAYWRITE)
		forbidden |= VM_SHARED;
	/* The mapping must not grow beyond what the driver gave. */
	kfusd_vm_flags_mod(vma, VM_DONTEXPAND, forbidden);
	return 0;
}

/* Keeps a file from being sealed until a mapping of it is in its place. */
struct kfusd_seal_guard {
	struct work_struct work;
	struct mm_struct *mm; /* the client's; a reference */
	struct file *file;    /* a reference, counted writable */
};

static void kfusd_end_guard(struct work_struct *work)
{
	struct kfusd_seal_guard *guard =
		container_of(work, struct kfusd_seal_guard, work);

	/* mmap(2) holds the lock until the mapping is in its place. */
	mmap_read_lock(guard->mm);
	mmap_read_unlock(guard->mm);
	mapping_unmap_writable(guard->file->f_mapping);
	fput(guard->file);
	mmput(guard->mm);
	kfree(guard);
}

/*
 * Counts a file that is mapped shared and may be written: 0, -EPERM if it is
 * sealed, -ENOMEM. mmap(2) counts the device's file, and the mapped one only
 * when the mapping is in its place, so that a seal could come in between.
 */
static int kfusd_guard_seal(const struct vm_area_struct *vma, struct file *file)
{
	struct kfusd_seal_guard *guard;
	int error;

	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) !=
	    (VM_SHARED | VM_MAYWRITE))
		return 0;
	guard = kmalloc(sizeof(*guard), GFP_KERNEL);
	if (!guard)
		return -ENOMEM;
	error = mapping_map_writable(file->f_mapping);
	if (error) {
		kfree(guard);
		return error;
	}
	INIT_WORK(&guard->work, kfusd_end_guard);
	guard->file = get_file(file);
	guard->mm = current->mm;
	mmget(guard->mm);
	queue_work(kfusd_seal_guards, &guard->work);
	return 0;
}

static int kfusd_map_memory(struct vm_area_struct *vma,
			    struct kfusd_request *request)
{
	int error;

	if (request->retval < 0)
		return request->retval;
	if (vma->vm_end - vma->vm_start > request->map_length)
		return -EINVAL;
	error = kfusd_limit_access(vma, request);
	if (!error)
		error = kfusd_guard_seal(vma, request->map_file);
	if (error)
		return error;
	kfusd_vma_set_file(vma, request->map_file);
	vma->vm_pgoff = request->map_pgoff;
	return kfusd_call_mmap(request->map_file, vma);
}

/* mmap(2)'s bits of protection, from the flags that they became. */
static unsigned long kfusd_protection_bits(const struct vm_area_struct *vma)
{
	return (vma->vm_flags & VM_READ ? PROT_READ : 0) |
	       (vma->vm_flags & VM_WRITE ? PROT_WRITE : 0) |
	       (vma->vm_flags & VM_EXEC ? PROT_EXEC : 0);
}

int kfusd_client_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct kfusd_file *file = filp->private_data;
	struct kfusd_request *request;
	int error;

	/*
	 * mmap(2) holds the client's mmap_lock while it waits. A driver that
	 * maps its own device would wait for itself at its first page fault.
	 */
	if (current->mm == READ_ONCE(file->device->server_mm) ||
	    current->mm == file->device->mm)
		return -EDEADLK;
	request = kfusd_request_new(file, FUSD_MMAP, 0, filp->f_flags);
	if (IS_ERR(request))
		return PTR_ERR(request);
	request->length = vma->vm_end - vma->vm_start;
	request->offset = filp->f_pos;
	request->is_at_position = true;
	request->mmprot = kfusd_protection_bits(vma);
	/* What is shared is not VM_SHARED if the file is open to be read. */
	request->mmflags =
		vma->vm_flags & VM_MAYSHARE ? MAP_SHARED : MAP_PRIVATE;
	request->mmoffset = vma->vm_pgoff << PAGE_SHIFT;
	request = kfusd_call_driver(request);
	if (IS_ERR(request))
		return PTR_ERR(request);
	error = kfusd_map_memory(vma, request);
	kfusd_request_put(request);
	return error;
}
