/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Differences between kernels from 5.10 on; the only version tests. Each names
 * the upstream change it is for.
 */
#ifndef KFUSD_COMPAT_H
#define KFUSD_COMPAT_H

#include <linux/device.h>
#include <linux/file.h>
#include <linux/freezer.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/version.h>

/* 6.4, "driver core: class: remove module * from class_create()" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define kfusd_class_create(name) class_create(THIS_MODULE, name)
#else
#define kfusd_class_create(name) class_create(name)
#endif

/*
 * 6.2, "driver core: make struct class.devnode() take a const *", and the same
 * for dev_uevent()
 */
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

/*
 * 6.1, "freezer,sched: Rewrite core freezer logic": before it, a task that
 * waits uninterruptibly had to say that it does not count for the freezer.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#define KFUSD_TASK_KILLABLE TASK_KILLABLE
#define kfusd_freezer_do_not_count freezer_do_not_count
#define kfusd_freezer_count freezer_count
#else
#define KFUSD_TASK_KILLABLE (TASK_KILLABLE | TASK_FREEZABLE)
static inline void kfusd_freezer_do_not_count(void)
{
}

static inline void kfusd_freezer_count(void)
{
}

#endif

/*
 * What default_wake_function() takes to say that the waker is about to sleep:
 * the scheduler's WF_SYNC, and since 6.6, "sched: add WF_CURRENT_CPU and
 * externise ttwu", that the other thread may have its CPU. It keeps the names
 * to itself, so this is for kernels whose numbers were looked up.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#define KFUSD_WF_HAND_OVER 0
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
#define KFUSD_WF_HAND_OVER 0x10
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define KFUSD_WF_HAND_OVER (0x10 | 0x40)
#else
#define KFUSD_WF_HAND_OVER 0
#endif

/* 6.15, "kernfs: Use RCU to access kernfs_node::parent." */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
#define kfusd_kernfs_parent(node) ((node)->parent)
#else
#define kfusd_kernfs_parent(node) rcu_access_pointer((node)->__parent)
#endif

#endif /* KFUSD_COMPAT_H */
