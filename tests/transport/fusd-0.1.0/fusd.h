/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FUSD 0.1.0's interface, as its headers had it, without their comments: what
 * programs were compiled with then, which must go on with today's library. It
 * never changes.
 */
/* clang-format off */
#ifndef FUSD_MSG_H
#define FUSD_MSG_H
#if defined(__KERNEL__) && defined(KBUILD_MODNAME)
#define FUSD_IN_KERNEL
#endif
#ifdef FUSD_IN_KERNEL
#include <linux/ioctl.h>
#include <linux/stddef.h>
#include <linux/types.h>
#else
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#endif
#define FUSD_MAX_NAME_LENGTH 47
#define FUSD_MSG_MAGIC 0x7a6b93cd
#define MAX_RW_SIZE (128 * 1024)
#define DEFAULT_DEV_ROOT "/dev/"
#define FUSD_CONTROL_FILENAME "fusd/control"
#define FUSD_STATUS_FILENAME "fusd/status"
#define FUSD_CONTROL_DEVNAME DEFAULT_DEV_ROOT FUSD_CONTROL_FILENAME
#define FUSD_STATUS_DEVNAME DEFAULT_DEV_ROOT FUSD_STATUS_FILENAME
#define FUSD_STATUS_USE_BINARY _IO('F', 100)
#define FUSD_REGISTER_DEVICE 0
#define FUSD_UNREGISTER_DEVICE 1
#define FUSD_FOPS_CALL 2
#define FUSD_FOPS_REPLY 3
#define FUSD_FOPS_NONBLOCK 4
#define FUSD_FOPS_NONBLOCK_REPLY 5
#define FUSD_FOPS_CALL_DROPREPLY 6
#define FUSD_OPEN 100
#define FUSD_CLOSE 101
#define FUSD_READ 102
#define FUSD_WRITE 103
#define FUSD_IOCTL 104
#define FUSD_POLL_DIFF 105
#define FUSD_UNBLOCK 106
#define FUSD_MMAP 107
#define FUSD_NOREPLY 0x1000
#define FUSD_NOTIFY_INPUT 0x1
#define FUSD_NOTIFY_OUTPUT 0x2
#define FUSD_NOTIFY_EXCEPT 0x4
#define FUSD_NOTIFY_ERROR 0x8
#define FUSD_NOTIFY_HANGUP 0x10
#define FUSD_NOTIFY_ALL \
 (FUSD_NOTIFY_INPUT | FUSD_NOTIFY_OUTPUT | FUSD_NOTIFY_EXCEPT | \
  FUSD_NOTIFY_ERROR | FUSD_NOTIFY_HANGUP)
#define FUSD_PACKED __attribute__((packed))
typedef struct {
 char name[FUSD_MAX_NAME_LENGTH + 1];
 char clazz[FUSD_MAX_NAME_LENGTH + 1];
 char devname[FUSD_MAX_NAME_LENGTH + 1];
 mode_t mode;
 void *device_info;
} FUSD_PACKED register_msg_t;
typedef struct {
 pid_t pid;
 uid_t uid;
 gid_t gid;
 unsigned long flags;
 void *device_info;
 void *private_info;
 ssize_t retval;
 unsigned long length;
 unsigned long offset;
 unsigned int cmd;
 unsigned long mmprot;
 unsigned long mmflags;
 unsigned long mmoffset;
 union {
  unsigned long arg;
  void *ptr_arg;
 } FUSD_PACKED arg;
 void *fusd_file;
 long transid;
 int hint;
} FUSD_PACKED fops_msg_t;
typedef struct {
 int magic;
 short int cmd;
 short int subcmd;
 char *data;
 int datalen;
 union {
  register_msg_t register_msg;
  fops_msg_t fops_msg;
 } FUSD_PACKED parm;
} FUSD_PACKED fusd_msg_t;
typedef struct {
 char name[FUSD_MAX_NAME_LENGTH + 1];
 int zombie;
 pid_t pid;
 int num_open;
} FUSD_PACKED fusd_status_t;
#if defined(FUSD_IN_KERNEL) || (defined(__cplusplus) && __cplusplus >= 201103L)
#define FUSD_ASSERT_LAYOUT(condition) static_assert(condition, #condition)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define FUSD_ASSERT_LAYOUT(condition) _Static_assert(condition, #condition)
#else
#define FUSD_ASSERT_LAYOUT(condition) \
 extern int fusd_layout_assertion[(condition) ? 1 : -1]
#endif
#define FUSD_ASSERT_OFFSET(type,member,bytes) \
 FUSD_ASSERT_LAYOUT(offsetof(type, member) == (bytes))
#if defined(__LP64__)
FUSD_ASSERT_LAYOUT(sizeof(register_msg_t) == 156);
FUSD_ASSERT_OFFSET(register_msg_t, name, 0);
FUSD_ASSERT_OFFSET(register_msg_t, clazz, 48);
FUSD_ASSERT_OFFSET(register_msg_t, devname, 96);
FUSD_ASSERT_OFFSET(register_msg_t, mode, 144);
FUSD_ASSERT_OFFSET(register_msg_t, device_info, 148);
FUSD_ASSERT_LAYOUT(sizeof(fops_msg_t) == 116);
FUSD_ASSERT_OFFSET(fops_msg_t, pid, 0);
FUSD_ASSERT_OFFSET(fops_msg_t, uid, 4);
FUSD_ASSERT_OFFSET(fops_msg_t, gid, 8);
FUSD_ASSERT_OFFSET(fops_msg_t, flags, 12);
FUSD_ASSERT_OFFSET(fops_msg_t, device_info, 20);
FUSD_ASSERT_OFFSET(fops_msg_t, private_info, 28);
FUSD_ASSERT_OFFSET(fops_msg_t, retval, 36);
FUSD_ASSERT_OFFSET(fops_msg_t, length, 44);
FUSD_ASSERT_OFFSET(fops_msg_t, offset, 52);
FUSD_ASSERT_OFFSET(fops_msg_t, cmd, 60);
FUSD_ASSERT_OFFSET(fops_msg_t, mmprot, 64);
FUSD_ASSERT_OFFSET(fops_msg_t, mmflags, 72);
FUSD_ASSERT_OFFSET(fops_msg_t, mmoffset, 80);
FUSD_ASSERT_OFFSET(fops_msg_t, arg, 88);
FUSD_ASSERT_OFFSET(fops_msg_t, fusd_file, 96);
FUSD_ASSERT_OFFSET(fops_msg_t, transid, 104);
FUSD_ASSERT_OFFSET(fops_msg_t, hint, 112);
FUSD_ASSERT_LAYOUT(sizeof(fusd_msg_t) == 176);
FUSD_ASSERT_OFFSET(fusd_msg_t, magic, 0);
FUSD_ASSERT_OFFSET(fusd_msg_t, cmd, 4);
FUSD_ASSERT_OFFSET(fusd_msg_t, subcmd, 6);
FUSD_ASSERT_OFFSET(fusd_msg_t, data, 8);
FUSD_ASSERT_OFFSET(fusd_msg_t, datalen, 16);
FUSD_ASSERT_OFFSET(fusd_msg_t, parm, 20);
FUSD_ASSERT_LAYOUT(sizeof(fusd_status_t) == 60);
FUSD_ASSERT_OFFSET(fusd_status_t, name, 0);
FUSD_ASSERT_OFFSET(fusd_status_t, zombie, 48);
FUSD_ASSERT_OFFSET(fusd_status_t, pid, 52);
FUSD_ASSERT_OFFSET(fusd_status_t, num_open, 56);
#endif
#undef FUSD_PACKED
#undef FUSD_ASSERT_OFFSET
#undef FUSD_ASSERT_LAYOUT
#endif
#ifndef FUSD_H
#define FUSD_H
#ifndef FUSD_IN_KERNEL
#include <string.h>
#include <sys/select.h>
#include <sys/types.h>
#if defined(__GLIBC__) && !defined(__USE_MISC)
typedef __loff_t loff_t;
#elif !defined(__GLIBC__) && !defined(loff_t)
#define loff_t off_t
#endif
#ifdef __cplusplus
extern "C" {
#endif
struct fusd_file_info {
 void *device_info;
 void *private_data;
 unsigned int flags;
 pid_t pid;
 uid_t uid;
 gid_t gid;
 int fd;
 fusd_msg_t *fusd_msg;
};
struct fusd_file_operations {
 int (*open)(struct fusd_file_info *file);
 int (*close)(struct fusd_file_info *file);
 ssize_t (*read)(struct fusd_file_info *file, char *buffer,
   size_t length, loff_t *offset);
 ssize_t (*write)(struct fusd_file_info *file, const char *buffer,
    size_t length, loff_t *offset);
 int (*ioctl)(struct fusd_file_info *file, int request, void *data);
 int (*poll_diff)(struct fusd_file_info *file,
    unsigned int cached_state);
 int (*unblock)(struct fusd_file_info *file);
 int (*mmap)(struct fusd_file_info *file, int offset, size_t length,
      int prot, int flags, void **addr, size_t *out_length);
};
typedef struct fusd_file_info fusd_file_info_t;
typedef struct fusd_file_operations fusd_file_operations_t;
#ifndef FUSD_KOR_API
int fusd_register(const char *name, mode_t mode, void *device_info,
    struct fusd_file_operations *fops);
#else
#define FUSD_KOR_HACKED_VERSION
int fusd_register(const char *name, const char *clazz, const char *devname,
    mode_t mode, void *device_info,
    struct fusd_file_operations *fops)
 __asm__("fusd_register_kor");
#endif
int fusd_register_simply(const char *name, const char *clazz,
    const char *devname, mode_t mode, void *device_info,
    const struct fusd_file_operations *fops,
    size_t fops_size);
#ifdef __cplusplus
#define FUSD_OPS(...) fusd_ops_copy(fusd_file_operations{ __VA_ARGS__ })
static inline struct fusd_file_operations *
fusd_ops_copy(const struct fusd_file_operations &ops)
{
 return const_cast<struct fusd_file_operations *>(&ops);
}
#else
#define FUSD_OPS(...) (&(struct fusd_file_operations){ __VA_ARGS__ })
#endif
#ifndef FUSD_KOR_API
#define fusd_simple_register(name,mode,device_info,...) \
 fusd_register_simply((name), NULL, NULL, (mode), (device_info), \
        FUSD_OPS(__VA_ARGS__), \
        sizeof(struct fusd_file_operations))
#else
#define fusd_simple_register(name,clazz,devname,mode,device_info,...) \
 fusd_register_simply((name), (clazz), (devname), (mode), \
        (device_info), FUSD_OPS(__VA_ARGS__), \
        sizeof(struct fusd_file_operations))
#endif
int fusd_unregister(int fd);
int fusd_return(struct fusd_file_info *file, ssize_t retval);
void fusd_destroy(struct fusd_file_info *file);
int fusd_dispatch(int fd);
void fusd_run(void);
void fusd_fdset_add(fd_set *set, int *max);
void fusd_dispatch_fdset(fd_set *set);
char *fusd_unparse_flags(int flags);
#ifndef FUSD_GET_H
#define FUSD_GET_H
static inline int fusd_get_call_type(struct fusd_file_info *file)
{
 return file->fusd_msg->subcmd;
}
static inline char *fusd_get_read_buffer(struct fusd_file_info *file)
{
 return file->fusd_msg->data;
}
static inline const char *fusd_get_write_buffer(struct fusd_file_info *file)
{
 return file->fusd_msg->data;
}
static inline size_t fusd_get_length(struct fusd_file_info *file)
{
 return file->fusd_msg->parm.fops_msg.length;
}
static inline loff_t *fusd_get_offset(struct fusd_file_info *file)
{
 return (loff_t *)(void *)((char *)file->fusd_msg +
      offsetof(fusd_msg_t, parm) +
      offsetof(fops_msg_t, offset));
}
static inline int fusd_get_ioctl_request(struct fusd_file_info *file)
{
 return (int)file->fusd_msg->parm.fops_msg.cmd;
}
#ifndef FUSD_KOR_API
static inline int fusd_get_ioctl_arg(struct fusd_file_info *file)
{
 return (int)file->fusd_msg->parm.fops_msg.arg.arg;
}
#else
static inline unsigned long fusd_get_ioctl_arg(struct fusd_file_info *file)
{
 return file->fusd_msg->parm.fops_msg.arg.arg;
}
#endif
static inline void *fusd_get_ioctl_buffer(struct fusd_file_info *file)
{
 return file->fusd_msg->data;
}
static inline int fusd_get_poll_diff_cached_state(struct fusd_file_info *file)
{
 return (int)file->fusd_msg->parm.fops_msg.cmd;
}
static inline long fusd_get_transaction(struct fusd_file_info *file)
{
 return file->fusd_msg->parm.fops_msg.transid;
}
#endif
static inline unsigned int fusd_get_ioctl_number(struct fusd_file_info *file)
{
 return file->fusd_msg->parm.fops_msg.cmd;
}
#ifndef FUSD_OPTIONS_H
#define FUSD_OPTIONS_H
#ifdef __cplusplus
extern "C" {
#endif
struct fusd_options {
 size_t size;
 const char *transport;
 const char *clazz;
 const char *devname;
};
int fusd_register_sized(const char *name, mode_t mode, void *device_info,
   const struct fusd_file_operations *fops,
   size_t fops_size, const struct fusd_options *options);
static inline int fusd_register_with(const char *name, mode_t mode,
         void *device_info,
         const struct fusd_file_operations *fops,
         const struct fusd_options *options)
{
 return fusd_register_sized(name, mode, device_info, fops, sizeof(*fops),
       options);
}
#ifdef __cplusplus
}
#endif
#endif
ssize_t fusd_device_path(int fd, char *path, size_t size);
const char *fusd_device_transport(int fd);
int fusd_transport_check(const char *transport, char *reason, size_t size);
const char *fusd_error(void);
int fusd_return_data(struct fusd_file_info *file, const void *data,
       size_t length);
void fusd_stop(void);
struct fusd_buffer;
struct fusd_buffer *fusd_buffer_acquire(struct fusd_file_info *file);
void fusd_buffer_release(struct fusd_buffer *buffer);
#define FUSD_CLIENT_READ 0x1
#define FUSD_CLIENT_WRITE 0x2
#define FUSD_RETRY 0x1001
void *fusd_client_memory(struct fusd_file_info *file, unsigned long address,
    size_t length, int access);
void fusd_set_log(void (*log)(int priority, const char *message, void *data),
    void *data);
void fusd_forget_devices(void);
const char *fusd_version(void);
#ifdef __cplusplus
}
#endif
#endif
#endif
