// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Mapping a driver's memory into a client.
 *
 * The driver names memory of its own that it has mapped shared. Such memory
 * has a file behind it, be it an anonymous one, and the client's mapping is
 * made one of that file, so that both have the same pages, no page is pinned,
 * and the mapping survives the driver.
 */
#include <linux/mm.h>
#include <linux/mman.h>

#include "kfusd.h"

/* Under the driver's mmap_lock. */
static int take_mapping(struct kfusd_request *request, unsigned long address,
			size_t length)
{
	struct vm_area_struct *vma = find_vma(current->mm, address);

	if (!vma || vma->vm_start > address || vma->vm_end - address < length)
		return -EINVAL;
	/* Private memory has no file to share, or shares only what it was. */
	if (!(vma->vm_flags & VM_MAYSHARE) || !vma->vm_file ||
	    !S_ISREG(file_inode(vma->vm_file)->i_mode))
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

	length = PAGE_ALIGN(length);
	if (!length || offset_in_page(address) || !current->mm)
		return -EINVAL;
	if (mmap_read_lock_killable(current->mm))
		return -EINTR;
	error = take_mapping(request, address, length);
	mmap_read_unlock(current->mm);
	return error;
}

/* What the driver may not do with the memory, the client may not either. */
static int limit_access(struct vm_area_struct *vma,
			const struct kfusd_request *request)
{
	unsigned long forbidden =
		(VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC) & ~request->map_flags;

	if (!(vma->vm_flags & VM_SHARED))
		/* A private copy may be written. */
		forbidden &= ~VM_MAYWRITE;
	if (((vma->vm_flags & VM_READ) && (forbidden & VM_MAYREAD)) ||
	    ((vma->vm_flags & VM_WRITE) && (forbidden & VM_MAYWRITE)) ||
	    ((vma->vm_flags & VM_EXEC) && (forbidden & VM_MAYEXEC)))
		return -EACCES;
	/* As do_mmap() does it where a file is not open for writing. */
	if (forbidden & VM_MAYWRITE)
		forbidden |= VM_SHARED;
	/* It must not grow over what the driver gave. */
	kfusd_vm_flags_mod(vma, VM_DONTEXPAND, forbidden);
	return 0;
}

static int map(struct vm_area_struct *vma, struct kfusd_request *request)
{
	int error;

	if (request->retval < 0)
		return request->retval;
	if (vma->vm_end - vma->vm_start > request->map_length)
		return -EINVAL;
	error = limit_access(vma, request);
	if (error)
		return error;
	kfusd_vma_set_file(vma, request->map_file);
	vma->vm_pgoff = request->map_pgoff;
	return kfusd_call_mmap(request->map_file, vma);
}

/* mmap(2)'s own bits, from what became of them. */
static unsigned long protection(const struct vm_area_struct *vma)
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
	 * This holds the client's mmap_lock until the driver answers. A driver
	 * that maps its own device would wait for itself at its first page
	 * fault.
	 */
	if (READ_ONCE(file->device->server_mm) == current->mm)
		return -EDEADLK;
	request = kfusd_request_new(file, FUSD_MMAP, 0, filp->f_flags);
	if (IS_ERR(request))
		return PTR_ERR(request);
	request->length = vma->vm_end - vma->vm_start;
	request->mmprot = protection(vma);
	request->mmflags = vma->vm_flags & VM_SHARED ? MAP_SHARED : MAP_PRIVATE;
	request->mmoffset = vma->vm_pgoff << PAGE_SHIFT;
	request = kfusd_call(request);
	if (IS_ERR(request))
		return PTR_ERR(request);
	error = map(vma, request);
	kfusd_request_put(request);
	return error;
}
