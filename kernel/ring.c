// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/* The area that a driver maps: its memory, its slots, its mapping. */
#include <linux/anon_inodes.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/time64.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "ring.h"

#define SMALL_SLOTS GENMASK_ULL(FUSD_RING_SMALL_SLOTS - 1, 0)
#define LARGE_SLOTS GENMASK_ULL(FUSD_RING_SLOTS - 1, FUSD_RING_SMALL_SLOTS)
#define LARGE_OFFSET \
	(FUSD_RING_SLOTS_OFFSET + FUSD_RING_SMALL_SLOTS * FUSD_RING_SMALL_SIZE)
#define RING_GFP (GFP_KERNEL_ACCOUNT | __GFP_ZERO)

u64 kfusd_ring_area_size(const struct kfusd_ring *ring)
{
	return LARGE_OFFSET + (u64)ring->large_size *
				      (FUSD_RING_SLOTS - FUSD_RING_SMALL_SLOTS);
}

static void *kfusd_slot_new(const struct kfusd_ring *ring, int slot)
{
	if (slot < FUSD_RING_SMALL_SLOTS)
		return alloc_pages_exact(FUSD_RING_SMALL_SIZE, RING_GFP);
	return __vmalloc(ring->large_size, RING_GFP);
}

static void kfusd_free_ring(struct kref *ref)
{
	struct kfusd_ring *ring = container_of(ref, struct kfusd_ring, ref);
	int slot;

	for (slot = 0; slot < FUSD_RING_SLOTS; slot++) {
		if (slot >= FUSD_RING_SMALL_SLOTS)
			vfree(ring->slots[slot]);
		else if (ring->slots[slot])
			free_pages_exact(ring->slots[slot],
					 FUSD_RING_SMALL_SIZE);
	}
	free_page((unsigned long)ring->shared);
	kfree(ring);
}

static void kfusd_ring_put(struct kfusd_ring *ring)
{
	kref_put(&ring->ref, kfusd_free_ring);
}

/* A place in the area; NULL: the driver was never given anything there. */
static struct page *kfusd_ring_page(const struct kfusd_ring *ring, u64 offset)
{
	void *memory;
	int slot;

	if (offset < FUSD_RING_SLOTS_OFFSET)
		return virt_to_page(ring->shared);
	if (offset < LARGE_OFFSET) {
		offset -= FUSD_RING_SLOTS_OFFSET;
		slot = offset / FUSD_RING_SMALL_SIZE;
		offset %= FUSD_RING_SMALL_SIZE;
	} else {
		offset -= LARGE_OFFSET;
		slot = FUSD_RING_SMALL_SLOTS + (u32)offset / ring->large_size;
		offset = (u32)offset % ring->large_size;
	}
	if (slot >= FUSD_RING_SLOTS)
		return NULL;
	/* Pairs with kfusd_slot_take(): the memory is zero. */
	memory = smp_load_acquire(&ring->slots[slot]);
	if (!memory)
		return NULL;
	memory += offset;
	return is_vmalloc_addr(memory) ? vmalloc_to_page(memory) :
					 virt_to_page(memory);
}

static vm_fault_t kfusd_ring_fault(struct vm_fault *fault)
{
	struct kfusd_ring *ring = fault->vma->vm_file->private_data;
	struct page *page =
		kfusd_ring_page(ring, (u64)fault->pgoff << PAGE_SHIFT);

	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	fault->page = page;
	return 0;
}

static const struct vm_operations_struct kfusd_ring_vm_operations = {
	.fault = kfusd_ring_fault,
};

static int kfusd_ring_release(struct inode *inode, struct file *filp)
{
	kfusd_ring_put(filp->private_data);
	return 0;
}

static const struct file_operations kfusd_ring_file_operations = {
	.owner = THIS_MODULE,
	.release = kfusd_ring_release,
};

int kfusd_ring_map(struct kfusd_ring *ring, struct vm_area_struct *vma)
{
	const u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;

	if (!(vma->vm_flags & VM_SHARED) || vma->vm_flags & VM_EXEC ||
	    offset + (vma->vm_end - vma->vm_start) > kfusd_ring_area_size(ring))
		return -EINVAL;
	/* Whoever has the mapping keeps the memory, not the control file. */
	kfusd_vma_set_file(vma, ring->file);
	kfusd_vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTDUMP, VM_MAYEXEC);
	vma->vm_ops = &kfusd_ring_vm_operations;
	return 0;
}

static struct kfusd_ring *kfusd_ring_alloc(u32 max_transfer, u32 spin_us)
{
	struct kfusd_ring *ring = kzalloc(sizeof(*ring), GFP_KERNEL_ACCOUNT);

	if (!ring)
		return NULL;
	ring->shared = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!ring->shared) {
		kfree(ring);
		return NULL;
	}
	kref_init(&ring->ref);
	spin_lock_init(&ring->lock);
	mutex_init(&ring->posted_lock);
	ring->max_transfer = max_transfer;
	ring->large_size = PAGE_ALIGN(max_transfer) + FUSD_RING_SPARE_SIZE;
	ring->spin_us = spin_us;
	ring->driver_spin_ns = spin_us * NSEC_PER_USEC;
	ring->client_spin_ns = ring->driver_spin_ns;
	ring->most_at_once = FUSD_RING_REPLIES;
	return ring;
}

struct kfusd_ring *kfusd_ring_new(u32 max_transfer, u32 spin_us)
{
	struct kfusd_ring *ring = kfusd_ring_alloc(max_transfer, spin_us);
	struct file *file;

	if (!ring)
		return ERR_PTR(-ENOMEM);
	file = anon_inode_getfile("[fusd_ring]", &kfusd_ring_file_operations,
				  ring, O_RDWR);
	if (IS_ERR(file)) {
		kfusd_ring_put(ring);
		return ERR_CAST(file);
	}
	/* The first reference is the file's. */
	kref_get(&ring->ref);
	ring->file = file;
	return ring;
}

void kfusd_ring_drop(struct kfusd_ring *ring)
{
	if (!ring)
		return;
	fput(ring->file);
	kfusd_ring_put(ring);
}

int kfusd_slot_take(struct kfusd_ring *ring, size_t size)
{
	const u64 fitting =
		size < FUSD_RING_SMALL_SIZE ? SMALL_SLOTS : LARGE_SLOTS;
	void *memory;
	u64 free;
	int slot;

	if (size >= ring->large_size)
		return -1;
	spin_lock(&ring->lock);
	free = fitting & ~(ring->with_request | ring->with_driver);
	if (unlikely(!free)) {
		spin_unlock(&ring->lock);
		return -1;
	}
	/* The lowest: it was in use last, most often. */
	slot = __ffs64(free);
	ring->with_request |= BIT_ULL(slot);
	ring->with_driver |= BIT_ULL(slot);
	spin_unlock(&ring->lock);
	if (likely(ring->slots[slot]))
		return slot;
	memory = kfusd_slot_new(ring, slot);
	if (!memory) {
		kfusd_slot_give(ring, slot, false);
		return -1;
	}
	/* Pairs with kfusd_ring_page(), which may look at any moment. */
	smp_store_release(&ring->slots[slot], memory);
	return slot;
}

void kfusd_slot_give(struct kfusd_ring *ring, int slot, bool was_received)
{
	spin_lock(&ring->lock);
	ring->with_request &= ~BIT_ULL(slot);
	if (!was_received)
		ring->with_driver &= ~BIT_ULL(slot);
	spin_unlock(&ring->lock);
}

void kfusd_slots_take_back(struct kfusd_ring *ring)
{
	u32 *words = ring->shared->released;
	u64 released;

	if (!(READ_ONCE(words[0]) | READ_ONCE(words[1])))
		return;
	released = xchg(&words[0], 0) | (u64)xchg(&words[1], 0) << 32;
	spin_lock(&ring->lock);
	ring->with_driver &= ~released;
	spin_unlock(&ring->lock);
}
