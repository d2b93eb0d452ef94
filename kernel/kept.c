// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Answers that a driver was told are taken, and that no read has had yet: by
 * rule 5 of interrupt.c they are for whoever reads their open file next.
 */
#include "kfusd.h"

#define MOST_KEPT 16

void kfusd_count_earlier(struct kfusd_file *file, int change)
{
	WRITE_ONCE(file->earlier_count, file->earlier_count + change);
}

void kfusd_add_kept(struct kfusd_request *answer)
{
	struct kfusd_file *file = answer->file;

	list_add_tail(&answer->entry, &file->kept);
	file->kept_count++;
	kfusd_count_earlier(file, 1);
	wake_up_all(&file->poll_wait);
}

/* Under device->lock. The reference is the caller's from now on. */
static void kfusd_remove_kept(struct kfusd_request *answer)
{
	list_del_init(&answer->entry);
	answer->file->kept_count--;
	kfusd_count_earlier(answer->file, -1);
}

bool kfusd_is_same_place(const struct kfusd_request *one,
			 const struct kfusd_request *other)
{
	/* Transfers may have moved the file position for both. */
	return one->offset == other->offset ||
	       (one->is_at_position && other->is_at_position);
}

struct kfusd_request *kfusd_take_kept(const struct kfusd_request *call)
{
	struct kfusd_file *file = call->file;
	struct kfusd_request *kept, *found = NULL;

	if (call->call.subcmd != FUSD_READ || !call->length)
		return NULL;
	spin_lock(&file->device->lock);
	list_for_each_entry(kept, &file->kept, entry) {
		if (!kfusd_is_same_place(kept, call))
			continue;
		kfusd_remove_kept(kept);
		found = kept;
		/*
		 * The driver is not asked for this read, and tells no change
		 * after it: who waits for edges looks anew.
		 */
		wake_up_all(&file->poll_wait);
		break;
	}
	spin_unlock(&file->device->lock);
	return found;
}

bool kfusd_has_kept(const struct kfusd_file *file, loff_t position)
{
	const struct kfusd_request *kept;

	lockdep_assert_held(&file->device->lock);
	list_for_each_entry(kept, &file->kept, entry) {
		if (kept->is_at_position || kept->offset == position)
			return true;
	}
	return false;
}

void kfusd_pin_kept(struct kfusd_file *file)
{
	struct kfusd_request *kept;

	list_for_each_entry(kept, &file->kept, entry)
		kept->is_at_position = false;
}

bool kfusd_is_kept_full(const struct kfusd_file *file)
{
	return file->kept_count >= MOST_KEPT;
}

void kfusd_keep_answer(struct kfusd_request *answer, size_t consumed)
{
	struct kfusd_file *file = answer->file;
	bool is_full;

	answer->reply_data += consumed;
	answer->retval -= consumed;
	/* If the answer moves the position with the data, so do its parts. */
	if (answer->reply_offset >= answer->offset + (loff_t)consumed)
		answer->offset += consumed;
	spin_lock(&file->device->lock);
	is_full = kfusd_is_kept_full(file);
	if (!is_full) {
		kfusd_add_kept(answer);
		/* Before other answers, so that the order of the data stays. */
		list_move(&answer->entry, &file->kept);
	}
	spin_unlock(&file->device->lock);
	if (is_full)
		kfusd_request_put(answer);
}

void kfusd_drop_kept(struct kfusd_file *file, struct list_head *dropped)
{
	struct kfusd_request *kept, *next;

	list_for_each_entry_safe(kept, next, &file->kept, entry) {
		kfusd_remove_kept(kept);
		list_add_tail(&kept->entry, dropped);
	}
}
