/* SPDX-License-Identifier: BSD-3-Clause */
/* A part of driver.c: its devices "sync" and "held-sync". */

/* sync: seek, flush and fsync answer what the command "result" says. */

static loff_t sync_seek(struct fusd_file_info *file, loff_t offset, int whence)
{
	say("seek %lld %d %lld\n", (long long)offset, whence,
	    (long long)*fusd_get_offset(file));
	return result;
}

static int sync_flush(struct fusd_file_info *file)
{
	(void)file;
	say("flush\n");
	return (int)result;
}

static int sync_fsync(struct fusd_file_info *file, int datasync)
{
	(void)file;
	say("fsync %d\n", datasync);
	return (int)result;
}

static struct fusd_file_operations sync_ops = {
	.open = say_open,
	.close = say_close,
	.read = memory_read,
	.write = memory_write,
	.seek = sync_seek,
	.flush = sync_flush,
	.fsync = sync_fsync,
};

/* held-sync: they, and a write, wait for the command "answer". */

static loff_t held_seek(struct fusd_file_info *file, loff_t offset, int whence)
{
	(void)offset;
	(void)whence;
	return hold(file, "seek");
}

static int held_flush(struct fusd_file_info *file)
{
	return hold(file, "flush");
}

static int held_fsync(struct fusd_file_info *file, int datasync)
{
	(void)datasync;
	return hold(file, "fsync");
}

static struct fusd_file_operations held_sync_ops = {
	.open = say_open,
	.close = say_close,
	.write = hold_write,
	.unblock = hold_unblock,
	.seek = held_seek,
	.flush = held_flush,
	.fsync = held_fsync,
};
