/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Differences between kernels from 5.10 on; the only version tests. Each names
 * the upstream change it is for.
 */
#ifndef KFUSD_COMPAT_H
#define KFUSD_COMPAT_H

#include <linux/device.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/version.h>

/* 6.4, "driver core: class: remove module * from class_create()" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define kfusd_class_create(name) class_create(THIS_MODULE, name)
#else
#define kfusd_class_create(name) class_create(name)
#endif

/* 6.2, "driver core: make struct class.devnode() take a const *" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define KFUSD_DEVNODE_CONST
#else
#define KFUSD_DEVNODE_CONST const
#endif

/* 6.3, "mm: introduce vma->vm_flags wrapper functions" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void kfusd_vm_flags_mod(struct vm_area_struct *vma,
				      unsigned long set, unsigned long clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#else
static inline void kfusd_vm_flags_mod(struct vm_area_struct *vma,
				      unsigned long set, unsigned long clear)
{
	vm_flags_mod(vma, set, clear);
}
#endif

/* 5.11, "mm: introduce vma_set_file function" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
static inline void kfusd_vma_set_file(struct vm_area_struct *vma,
				      struct file *file)
{
	get_file(file);
	swap(vma->vm_file, file);
	fput(file);
}
#else
#define kfusd_vma_set_file vma_set_file
#endif

/* 6.17, "mm: rename call_mmap/mmap_prepare to vfs_mmap/mmap_prepare" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define kfusd_call_mmap call_mmap
#else
#define kfusd_call_mmap vfs_mmap
#endif

/* 6.5, "splice: Remove generic_file_splice_read()" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define kfusd_splice_read generic_file_splice_read
#else
#define kfusd_splice_read copy_splice_read
#endif

#endif /* KFUSD_COMPAT_H */
