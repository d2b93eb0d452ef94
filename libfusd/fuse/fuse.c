// SPDX-License-Identifier: BSD-3-Clause
/*
 * The fuse transport: a device is a FUSE mount over one node. Works
 * on any machine with /dev/fuse, in containers too.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "attendant.h"
#include "interrupt.h"
#include "ioctl.h"
#include "node.h"
#include "operation.h"
#include "passthrough.h"
#include "poll.h"
#include "proc.h"
#include "program.h"
#include "receive.h"
#include "session.h"
#include "death_watcher.h"

/* Attributes change only through this session, which tells the kernel. */
#define ATTRIBUTE_SECONDS 86400.0

/* The number of /dev/fuse, one of the kernel's fixed ones. */
#define FUSE_DEVICE makedev(10, 229)

/* A device's transport_data. */
struct fuse_device {
	struct fusd_session session; /* first */
	struct stat attributes;	     /* device->lock */
	struct fusd_node node;
	char root[PATH_MAX];
};

static struct fuse_device *fuse_device(struct fusd_device *device)
{
	return device->transport_data;
}

static void on_init(void *userdata, struct fuse_conn_info *conn)
{
	fusd_session_init(userdata, conn);
	/* So "echo > device" sends no truncation of its own. */
	conn->want |= conn->capable & FUSE_CAP_ATOMIC_O_TRUNC;
}

static void reply_attributes(fuse_req_t fuse, struct fusd_device *device)
{
	struct stat attributes;

	pthread_mutex_lock(&device->lock);
	attributes = fuse_device(device)->attributes;
	pthread_mutex_unlock(&device->lock);
	fuse_reply_attr(fuse, &attributes, ATTRIBUTE_SECONDS);
}

static void on_getattr(fuse_req_t fuse, fuse_ino_t inode,
		       struct fuse_file_info *info)
{
	(void)inode;
	(void)info;
	reply_attributes(fuse, fuse_req_userdata(fuse));
}

/* chmod and chown hold; a size, as a device has none, is accepted. */
static void on_setattr(fuse_req_t fuse, fuse_ino_t inode, struct stat *wanted,
		       int set, struct fuse_file_info *info)
{
	struct fusd_device *device = fuse_req_userdata(fuse);
	struct stat *attributes = &fuse_device(device)->attributes;

	(void)inode;
	(void)info;
	pthread_mutex_lock(&device->lock);
	if (set & FUSE_SET_ATTR_MODE)
		attributes->st_mode = S_IFREG | (wanted->st_mode & 07777);
	if (set & FUSE_SET_ATTR_UID)
		attributes->st_uid = wanted->st_uid;
	if (set & FUSE_SET_ATTR_GID)
		attributes->st_gid = wanted->st_gid;
	pthread_mutex_unlock(&device->lock);
	reply_attributes(fuse, device);
}

static void on_open(fuse_req_t fuse, fuse_ino_t inode,
		    struct fuse_file_info *info)
{
	(void)inode;
	fusd_operation_open(fuse, info);
}

static void on_release(fuse_req_t fuse, fuse_ino_t inode,
		       struct fuse_file_info *info)
{
	(void)inode;
	fusd_operation_release(fuse, info);
}

static void on_ioctl(fuse_req_t fuse, fuse_ino_t inode, unsigned int request,
		     void *argument, struct fuse_file_info *info,
		     unsigned int flags, const void *in_data, size_t in_size,
		     size_t out_size)
{
	(void)inode;
	fusd_ioctl_receive(fuse, request, argument, info, flags, in_data,
			   in_size, out_size);
}

static void on_poll(fuse_req_t fuse, fuse_ino_t inode,
		    struct fuse_file_info *info, struct fuse_pollhandle *handle)
{
	(void)inode;
	fusd_poll_receive(fuse, info, handle);
}

static void on_lseek(fuse_req_t fuse, fuse_ino_t inode, off_t offset,
		     int whence, struct fuse_file_info *info)
{
	(void)inode;
	fusd_operation_seek(fuse, offset, whence, info);
}

static void on_flush(fuse_req_t fuse, fuse_ino_t inode,
		     struct fuse_file_info *info)
{
	(void)inode;
	fusd_operation_flush(fuse, info);
}

static void on_fsync(fuse_req_t fuse, fuse_ino_t inode, int datasync,
		     struct fuse_file_info *info)
{
	(void)inode;
	fusd_operation_sync(fuse, datasync, info);
}

static const struct fuse_lowlevel_ops operations = {
	.init = on_init,
	.getattr = on_getattr,
	.setattr = on_setattr,
	.open = on_open,
	.release = on_release,
	.ioctl = on_ioctl,
	.poll = on_poll,
};

/* What a driver does not have is not among them: the kernel asks but once. */
static struct fuse_lowlevel_ops
operations_of(const struct fusd_file_operations *ops)
{
	struct fuse_lowlevel_ops own = operations;

	if (ops->seek)
		own.lseek = on_lseek;
	if (ops->flush)
		own.flush = on_flush;
	if (ops->fsync)
		own.fsync = on_fsync;
	return own;
}

/* Containers mask a device by another file that is mounted over it. */
static bool is_masked(void)
{
	struct stat status;

	return stat("/dev/fuse", &status) < 0 || !S_ISCHR(status.st_mode) ||
	       status.st_rdev != FUSE_DEVICE;
}

static int fuse_check(void)
{
	char program[PATH_MAX];
	int fd;

	if (access("/dev/fuse", F_OK) < 0 && !fusd_proc_takes_modules())
		return fusd_fail(ENODEV,
				 "there is no /dev/fuse: start the container "
				 "with --device /dev/fuse; outside of one, "
				 "boot a kernel with CONFIG_FUSE_FS");
	if (access("/dev/fuse", F_OK) < 0)
		return fusd_fail_with_advice(
			ENODEV, "modprobe fuse",
			"there is no /dev/fuse: run \"modprobe "
			"fuse\" as root, or start the "
			"container with --device /dev/fuse");
	if (is_masked())
		return fusd_fail(ENODEV,
				 "/dev/fuse is not the kernel's device but a "
				 "file that masks it: start the container "
				 "with --device /dev/fuse, outside of one "
				 "unmount /dev/fuse");
	if (geteuid() != 0 && access("/dev/fuse", R_OK | W_OK) < 0)
		return fusd_fail_with_advice(
			errno, "chmod 666 /dev/fuse",
			"this user may not open /dev/fuse: run the "
			"driver as root, or let all users have it "
			"(\"chmod 666 /dev/fuse\" as root)");
	if (geteuid() != 0)
		return fusd_may_mount() || !fusd_program_fusermount(
						   program, sizeof(program)) ?
			       0 :
			       fusd_fail(EPERM,
					 "only root may mount without "
					 "fusermount3: install the package "
					 "fuse3, or run the driver as root");
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fusd_fail(errno,
				 "/dev/fuse does not open (%s): start the "
				 "container with --device /dev/fuse",
				 strerror(errno));
	close(fd);
	return 0;
}

static struct fuse_session *new_session(struct fusd_device *device)
{
	const struct fuse_lowlevel_ops own = operations_of(&device->ops);
	struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *session = NULL;

	fusd_session_redirect_log();
	if (!fuse_opt_add_arg(&arguments, "fusd"))
		session =
			fuse_session_new(&arguments, &own, sizeof(own), device);
	fuse_opt_free_args(&arguments);
	return session;
}

/* The kernel's first message waits already: agree on the limits. */
static bool agree(struct fusd_device *device)
{
	struct fusd_request *request;

	return fusd_receive(device, &request) == 1;
}

/*
 * The kernel refuses a stream that has a backing file. Of a backing file it
 * looks at no seals, and would let clients write to what is sealed.
 */
static bool may_share_memory(const struct fusd_device *device)
{
	return device->shared_memory >= 0 && !device->is_stream &&
	       !fusd_shared_memory_is_sealed(device);
}

/* Gives libfuse the connection of a mount that it did not make. */
static int start_session(struct fusd_device *device, int connection)
{
	struct fuse_session *session = fuse_device(device)->session.fuse;
	bool is_agreed;
	char path[32];

	snprintf(path, sizeof(path), "/dev/fd/%d", connection);
	if (fuse_session_mount(session, path) < 0) {
		close(connection);
		return fusd_fail(EIO, "libfuse does not take a connection");
	}
	device->fd = connection;
	is_agreed = may_share_memory(device) ?
			    fusd_passthrough_agree(device, agree) :
			    agree(device);
	if (!is_agreed)
		return fusd_fail(EPROTO, "no agreement with FUSE on %s",
				 device->path);
	if (fcntl(device->fd, F_SETFL,
		  fcntl(device->fd, F_GETFL) | O_NONBLOCK) < 0)
		return fusd_fail(errno, "fcntl on /dev/fuse: %s",
				 strerror(errno));
	return 0;
}

/* The number of the file system that was mounted; no message asks for it. */
static dev_t find_device_number(const char *path)
{
	struct statx status;

	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE, &status) < 0)
		return 0;
	return makedev(status.stx_dev_major, status.stx_dev_minor);
}

static int mount_device(struct fusd_device *device, const char *root)
{
	struct fusd_node *node = &fuse_device(device)->node;
	int connection = fusd_node_mount(root, device->path, node);
	int error;

	if (connection < 0)
		return connection;
	error = start_session(device, connection);
	if (error)
		fusd_node_remove(root, device->path, node);
	else
		fuse_device(device)->session.node.device_number =
			find_device_number(device->path);
	return error;
}

/*
 * Programs look at a regular file's size before they map it. One without blocks
 * looks as if all of it were a hole.
 */
static void set_size(struct fusd_device *device)
{
	struct stat *attributes = &fuse_device(device)->attributes;

	attributes->st_size = fusd_shared_memory_size(device);
	attributes->st_blocks = (attributes->st_size + 511) / 512;
}

static int open_node(struct fusd_device *device)
{
	const char *root = fuse_device(device)->root;
	int error;

	if (asprintf(&device->path, "%s/%s", root, device->name) < 0) {
		device->path = NULL;
		return fusd_fail(ENOMEM, "no memory for a path");
	}
	if (fusd_registry_has_path(device->path))
		return fusd_fail(EEXIST, "%s is a device of this process",
				 device->path);
	error = fusd_watcher_start(root);
	if (error)
		return fusd_fail(-error,
				 "cannot start /bin/sh to watch over "
				 "%s: %s",
				 device->path, strerror(-error));
	error = mount_device(device, root);
	if (error)
		fusd_watcher_stop(root);
	else if (fuse_device(device)->session.backing_id)
		set_size(device);
	return error;
}

/* Without asking the driver, which is this process. */
static bool name_connection(struct fusd_device *device,
			    char name[FUSD_CONNECTION_SIZE])
{
	struct statx status;

	if (statx(AT_FDCWD, device->path,
		  AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, STATX_INO,
		  &status) < 0)
		return false;
	snprintf(name, FUSD_CONNECTION_SIZE, "fuse:%u", status.stx_dev_minor);
	return true;
}

/* As chown(2) does of a file that the driver has made. */
static int check_owner(const struct fusd_device *device)
{
	bool is_own = !device->owner || device->owner == geteuid();

	if (geteuid() == 0 ||
	    (is_own && (!device->group || device->group == getegid() ||
			group_member(device->group))))
		return 0;
	return fusd_fail(EPERM,
			 "only root may give device \"%s\" to another user, or "
			 "to a group that the driver is not in",
			 device->name);
}

static int fuse_open_device(struct fusd_device *device,
			    const struct fusd_options *options)
{
	struct fuse_device *fuse = calloc(1, sizeof(*fuse));
	struct timespec now;
	int error;

	(void)options; /* A class means nothing to a file. */
	if (!fuse)
		return fusd_fail(ENOMEM, "no memory for a device");
	device->transport_data = fuse;
	fuse->session.name_connection = name_connection;
	fusd_awaiting_init(&fuse->session.awaiting);
	pthread_mutex_init(&fuse->session.descriptor_file.lock, NULL);
	clock_gettime(CLOCK_REALTIME, &now);
	fuse->attributes.st_atim = now;
	fuse->attributes.st_mtim = now;
	fuse->attributes.st_ctim = now;
	fuse->attributes.st_ino = FUSE_ROOT_ID;
	fuse->attributes.st_nlink = 1;
	fuse->attributes.st_mode = S_IFREG | device->mode;
	fuse->attributes.st_uid = device->owner ? device->owner : geteuid();
	fuse->attributes.st_gid = device->group ? device->group : getegid();
	error = check_owner(device);
	if (!error)
		error = fusd_node_root(fuse->root, sizeof(fuse->root));
	if (error)
		goto free_fuse;
	fuse->session.fuse = new_session(device);
	if (!fuse->session.fuse) {
		error = fusd_fail(ENOMEM,
				  "libfuse makes no session for device \"%s\": "
				  "a process may have 1,000 devices or so on "
				  "fuse; if it has fewer, memory is short",
				  device->name);
		goto free_fuse;
	}
	error = open_node(device);
	/*
	 * A descriptor of the device may have come to this process from a
	 * client. Who waits for a flush cannot be killed.
	 */
	if (!error && device->ops.flush)
		fusd_session_guard(device);
	if (!error)
		return 0;
	fuse_session_destroy(fuse->session.fuse);
free_fuse:
	free(fuse);
	return error;
}

static void fuse_remove_node(struct fusd_device *device)
{
	struct fuse_device *fuse = fuse_device(device);

	fusd_node_remove(fuse->root, device->path, &fuse->node);
	fusd_watcher_stop(fuse->root);
}

/* /dev/fuse, just opened: libfuse sees that there is nothing to unmount. */
static void fuse_disconnect(struct fusd_device *device)
{
	fusd_session_disconnect(device, "/dev/fuse", O_RDWR);
}

static void fuse_close_device(struct fusd_device *device)
{
	fusd_session_close(device);
	free(fuse_device(device));
}

static void fuse_forget(void)
{
	fusd_watcher_forget();
	fusd_node_forget();
}

const struct fusd_transport fusd_transport_fuse = {
	.name = "fuse",
	.summary = "files that behave as devices, through the kernel's FUSE",
	.check = fuse_check,
	.open_device = fuse_open_device,
	.take_block = fusd_session_take_block,
	.give_block = fusd_block_give,
	.receive = fusd_receive,
	.await = fusd_receive_awaited,
	.end_waits = fusd_receive_end_waits,
	.refresh = fusd_operation_refresh,
	.hold = fusd_interrupt_hold,
	.queued = fusd_interrupt_queued,
	.waited = fusd_operation_renew,
	.unblock = fusd_interrupt_unblock,
	.commit = fusd_operation_commit,
	.follow = fusd_poll_follow,
	.reply = fusd_operation_reply,
	.fetch = fusd_ioctl_fetch,
	.store = fusd_ioctl_store,
	.remove_node = fuse_remove_node,
	.disconnect = fuse_disconnect,
	.lines_up_transfers = true,
	.wake_dispatchers = fusd_session_wake,
	.callback_begins = fusd_attendance_begin,
	.callback_ends = fusd_attendance_end,
	.close_device = fuse_close_device,
	.forget = fuse_forget,
};
