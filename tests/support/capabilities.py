# SPDX-License-Identifier: BSD-3-Clause
"""Which lines of the contract each transport keeps, and what happens instead.

The contract suite asserts both; docs/capabilities.md is made from this list:
    python tests/support/capabilities.py > docs/capabilities.md
"""

from pyfusd._core import transport_summaries

TRANSPORTS = tuple(transport_summaries())


def libfuse(instead):
    """What happens on both transports of libfuse."""
    return dict.fromkeys(("cuse", "fuse"), instead)


# Each: id, what a driver or client relies on, {transport: what happens instead}
OPENING = [
    ("open-close", "exactly one close for each successful open, none for a failed", {}),
    (
        "close-caller",
        "a close tells the process, user and group that closed",
        libfuse("pid, uid and gid are 0"),
    ),
    (
        "close-synchronous",
        "close(2) returns after the driver's close",
        {"fuse": "the driver learns of it soon after close(2) returned"},
    ),
    (
        "flush",
        "each close(2) of a descriptor calls the driver's flush, and gives what that "
        "answers",
        {"cuse": "close gives 0, and the driver is not asked"},
    ),
    (
        "flush-own",
        "closes in the driver's own process call its flush, too",
        {
            "cuse": "as for any other",
            "fuse": "not for an open file that this process has opened",
        },
    ),
    (
        "flush-signal",
        "a close that waits for the driver's flush is ended by nothing but a kill",
        {
            "cuse": "it does not wait",
            "fuse": "a signal that the client handles ends it with EINTR, unless the "
            "driver's unblock answers",
        },
    ),
    (
        "flags-back",
        "O_NONBLOCK and O_APPEND of the client's open file are as the driver sets them",
        libfuse("the client's open file keeps its flags"),
    ),
    (
        "flags-now",
        "ioctl and poll tell the open file's flags and position as they are",
        libfuse(
            "libfusd takes them from the client's `/proc`, if the driver's user may "
            "read that; else, and in a poll of a client that has the device open "
            "several times, they are those of its last read or write"
        ),
    ),
    (
        "open-never-waits",
        "while a callback runs, clients can open a device without an open callback",
        dict.fromkeys(("kfusd", "cuse"), "open(2) waits until the callback returned"),
    ),
    (
        "look-never-waits",
        "while a callback runs, stat, `ls -l`, statfs and getxattr have their answers",
        {},
    ),
    (
        "self-open",
        "a thread that opens the device it serves gets EDEADLK",
        libfuse("it waits for itself, until it is killed"),
    ),
    (
        "direct",
        "a client may open it with O_DIRECT",
        dict.fromkeys(("kfusd", "cuse"), "EINVAL, as from any character device"),
    ),
]
TRANSFERS = [
    (
        "transfer",
        "reads and writes of any length; beyond 128 KiB they are short",
        {
            "cuse": "a longer one becomes several requests, one after the other; so "
            "does one of more than 124 KiB that does not begin on a page"
        },
    ),
    (
        "long-transfer",
        "a driver may have up to 1 MiB in one request (max_transfer)",
        {"cuse": "the kernel carries 128 KiB, whatever the driver asks for"},
    ),
    (
        "pieces",
        "a readv or writev of many pieces is one request",
        libfuse(
            "the kernel makes several of it if the pieces are in more than 32 pages of "
            "memory; if the driver holds one that is not the first, a read ends with "
            "what came before"
        ),
    ),
    (
        "transfer-empty",
        "reads and writes of no bytes reach the driver",
        libfuse("the kernel answers them itself, with 0"),
    ),
    (
        "splice",
        "splice and sendfile give what reads give",
        {
            "cuse": "the kernel gives EINVAL, after which programs read",
            "fuse": "they give nothing, as the file has the size 0; so do tar and "
            "Python's `shutil.copyfile`, while cat, cp, dd and `shutil.copyfileobj` "
            "read",
        },
    ),
    (
        "errno",
        "an errno reaches the client, and EIO in place of a number that errno(3) lacks",
        {},
    ),
    (
        "position",
        "the driver's `*offset` is the file position, as are pread, pwrite",
        {
            "cuse": "`*offset` follows reads and writes; lseek changes nothing and "
            "returns 0, pread and pwrite are read and write"
        },
    ),
    (
        "position-kernel",
        "lseek and pread go where they say, also if the driver or O_APPEND has moved "
        "the position",
        {
            "cuse": "an append goes where the driver left the position",
            "fuse": "the kernel counts on from its own position; a pread at just that "
            "offset is taken for the next read, which goes on where the driver was",
        },
    ),
]
SEEKING = [
    (
        "seek",
        "SEEK_SET, SEEK_CUR and SEEK_END of lseek call the driver's seek",
        {
            "cuse": "lseek changes nothing and returns 0",
            "fuse": "the kernel answers them itself; the size is 0",
        },
    ),
    (
        "seek-data",
        "SEEK_DATA and SEEK_HOLE of lseek call it",
        {"cuse": "lseek changes nothing and returns 0"},
    ),
    (
        "fsync",
        "fsync and fdatasync call the driver's fsync",
        {"cuse": "EINVAL"},
    ),
    (
        "fsync-none",
        "fsync and fdatasync give EINVAL if the driver has no fsync",
        {"fuse": "0"},
    ),
    (
        "sync-beside",
        "a close, a write, an fsync and an lseek wait for no other client's",
        {
            "fuse": "the kernel makes one write, fsync, SEEK_DATA or SEEK_HOLE of a "
            "device at a time; the others, and a close that is to call flush, wait for "
            "it, and cannot be killed meanwhile",
        },
    ),
]
IOCTL = [
    ("ioctl-sized", "`_IOR`, `_IOW` and `_IOWR` requests, up to 16,383 bytes", {}),
    ("ioctl-value", "`_IO` requests with an argument by value", {}),
    (
        "ioctl-legacy",
        "requests without a size, such as TCGETS, reach the driver with the raw "
        "argument",
        {},
    ),
    (
        "ioctl-declared",
        "a driver can say what an ioctl's argument really points at: data in, out or "
        "both, whatever its number codes, up to 128 KiB",
        {},
    ),
    (
        "ioctl-declared-value",
        "a driver can say that an ioctl's argument is a value, though its number codes "
        "data",
        {
            "fuse": "not of `_IOW` and `_IOWR` numbers, such as EVIOCGRAB: the client "
            "gets EFAULT, as the kernel copies first"
        },
    ),
    (
        "ioctl-discard",
        "a driver can answer an ioctl whose number codes data, and give none back",
        {},
    ),
    ("ioctl-32bit", "the driver can tell an ioctl of a 32-bit client", {}),
    (
        "ioctl-descriptor",
        "an ioctl or a read can give its client descriptors: new open files of the "
        "device, and those of the driver's own",
        libfuse("the driver gets ENOTTY: the kernel's protocol carries none"),
    ),
    (
        "client-memory",
        "what an ioctl points at can be read and written by the driver, while the "
        "client's call lasts; 4 MiB in one request unless the driver says otherwise",
        {},
    ),
    (
        "client-memory-at-once",
        "a callback that asks for its client's memory gets it at once",
        {"cuse": "the kernel fetches it: the callback is called again for that"},
    ),
    (
        "ioctl-vfs",
        "FIONREAD reaches the driver",
        {"fuse": "the kernel answers FIONREAD itself, as for any regular file"},
    ),
    (
        "ioctl-kernel",
        "ioctl numbers reach the driver but for those that the kernel answers for "
        "every file: FIOCLEX, FIONCLEX, FIONBIO, FIOASYNC, FIOQSIZE, FIGETBSZ, "
        "FIFREEZE, FITHAW, FICLONE, FICLONERANGE, FIDEDUPERANGE, FS_IOC_FIEMAP, and "
        "since Linux 6.9 FS_IOC_GETFSUUID and FS_IOC_GETFSSYSFSPATH",
        {
            "fuse": "nor do those of regular files: FIBMAP, FIONREAD, "
            "FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_FSGETXATTR, "
            "FS_IOC_FSSETXATTR, FS_IOC_RESVSP and its siblings"
        },
    ),
    (
        "ioctl-enosys",
        "a driver's ENOSYS for an ioctl reaches the client",
        libfuse("ENOTTY; kernels of before 2023 give ENOSYS"),
    ),
]
POLL = [
    ("poll", "poll, select and epoll, with wake-ups when the state changes", {}),
    (
        "poll-error",
        "a driver can say that it broke or was unplugged: POLLERR and POLLHUP",
        {},
    ),
    (
        "sigio",
        "a client that asked for it (fcntl, O_ASYNC) gets SIGIO when the state changes",
        libfuse("none comes"),
    ),
    (
        "poll-never-blocks",
        "a client's poll never waits for the driver",
        libfuse("the first poll after a change waits until the driver was asked"),
    ),
]
WAITING = [
    ("held", "held requests, answered later from any thread", {}),
    (
        "async",
        "Python's `async def` callbacks, cancelled when their client is interrupted",
        {},
    ),
    (
        "concurrent",
        "threads of a client that share an open file do not wait for each other",
        {
            "fuse": "a read or write waits for the one before, as on any regular file, "
            "unless the device is a stream"
        },
    ),
    (
        "stream",
        "a device can be a stream: a write passes a read of the same open file that "
        "waits, and lseek and pread give ESPIPE",
        {"cuse": "lseek gives 0, and pread reads"},
    ),
    (
        "nonblock",
        "a driver can leave O_NONBLOCK to the transport: with the option `nonblock` a "
        "client gets EAGAIN, though the driver is busy, while its poll does not say "
        "that it is ready; so do io_uring and RWF_NOWAIT",
        libfuse(
            "the driver is asked and has to answer EAGAIN; RWF_NOWAIT gives EOPNOTSUPP"
        ),
    ),
    (
        "restart",
        "a signal to a blocked client restarts its call with the same request",
        libfuse(
            "the driver's unblock is called; if that does not answer, the client "
            "gets EINTR"
        ),
    ),
    (
        "suspend",
        "a client that is stopped or frozen while it waits, as when the machine "
        "suspends, sees nothing of it",
        libfuse(
            "it is as if a signal had come: its call fails with EINTR; while a "
            "callback runs, it cannot be frozen and the machine not suspended"
        ),
    ),
    (
        "kill-busy",
        "a client can be killed while the driver's callback runs",
        libfuse("it is gone when the callback has returned"),
    ),
]
DRIVER_S_END = [
    (
        "death-wakes",
        "a killed driver's blocked clients wake at once, with an error",
        {},
    ),
    (
        "death-epipe",
        "a killed driver's clients get EPIPE, and so do later calls on open files",
        libfuse(
            "ECONNABORTED for calls in flight when the driver was killed, ENOTCONN "
            "for later calls"
        ),
    ),
    (
        "death-poll",
        "after its driver's end a client's poll shows POLLPRI, select's exception",
        libfuse("it sees POLLERR alone, which select counts as readable"),
    ),
    (
        "unregister-epipe",
        "unregister gives EPIPE to blocked clients",
        {},
    ),
    ("name-free", "a killed driver's name can be registered again at once", {}),
]
NODE = [
    (
        "any-name",
        "a name may have any characters but control characters",
        {"cuse": 'a name with "!", or with white space at an end, gives EINVAL'},
    ),
    (
        "character-device",
        "the node is a character device",
        {"fuse": "the node is a regular file"},
    ),
    (
        "device-number",
        "the driver can choose the device number",
        {"fuse": "it is ignored: a regular file has none"},
    ),
    (
        "sysfs",
        "a device has attributes in sysfs and variables of its uevents, which the "
        "driver can change",
        libfuse("they are ignored: the kernel's protocol has none"),
    ),
    (
        "shared-memory",
        "clients map the memory that a device shares, a memfd; on fuse since Linux "
        "6.9, if the driver is root and the device no stream",
        {"cuse": "a shared mapping gives ENODEV"},
    ),
    (
        "shared-memory-end",
        "to map a part that it has not gives EINVAL",
        {
            "cuse": "a shared mapping gives ENODEV",
            "fuse": "it can be mapped, and gives SIGBUS, as behind any file's end",
        },
    ),
    (
        "shared-memory-sealed",
        "what is sealed with F_SEAL_FUTURE_WRITE they map to read only",
        {
            "cuse": "a shared mapping gives ENODEV",
            "fuse": "such a mapping gives ENODEV, as the kernel takes no notice of "
            "seals",
        },
    ),
    (
        "mmap",
        "a callback is asked for the memory at each mmap",
        libfuse("a shared mapping gives ENODEV"),
    ),
]
PROGRAMS = [
    (
        "tracepoints",
        "`fusd trace` shows the requests of any driver, also of one in C",
        libfuse("it shows those of drivers in Python"),
    ),
    (
        "busybox",
        "`busybox cat` and `busybox cp` give what cat gives",
        {"fuse": "nothing, as they take the size 0 for the end"},
    ),
    (
        "git",
        "`git hash-object` reads it to its end",
        {"fuse": "it takes the size 0 for the end"},
    ),
    (
        "rsync",
        "`rsync --copy-devices` copies what reads give",
        dict.fromkeys(
            TRANSPORTS,
            "it asks for the size, which no character device has, and copies nothing",
        ),
    ),
    (
        "fromfile",
        "`numpy.fromfile()` and such, which ask for the size, read it if they are "
        "told a count",
        {},
    ),
    (
        "read-pipe",
        "asyncio's `connect_read_pipe()` takes it",
        {"fuse": "ValueError, as for any regular file"},
    ),
    (
        "eject",
        "`eject` sends its requests to the device",
        {
            **dict.fromkeys(("kfusd", "cuse"), "it is for block devices alone"),
            "fuse": "it takes it for a mount, and finds no device that is mounted",
        },
    ),
]
CLIENTS = [
    (
        "client-evtest",
        "evtest and python-evdev show, grab and read an input device "
        "(`EVIOCGNAME(len)`, EVIOCGRAB)",
        {
            "fuse": "they cannot grab it: EVIOCGRAB gives EFAULT",
        },
    ),
    (
        "client-uinput",
        "python-evdev makes a virtual keyboard of uinput (UI_SET_EVBIT, by value)",
        {"fuse": "it takes character devices only"},
    ),
    (
        "client-watchdog",
        "wdctl and busybox's watchdog show, set and kick a watchdog",
        {},
    ),
    (
        "client-scsi",
        "sg_inq and sg_raw (1 MiB in one SG_IO) talk to a SCSI device",
        {},
    ),
    ("client-ipmi", "ipmitool asks a management controller", {}),
    (
        "client-spi",
        "py-spidev exchanges 100 KiB with an SPI bus (`SPI_IOC_MESSAGE(n)`)",
        {},
    ),
    (
        "client-hid",
        "hidapi has reports, and feature reports (`HIDIOCGFEATURE(len)`), of a device",
        {},
    ),
    (
        "client-i2cdetect",
        "`i2cdetect -l` lists a bus with its name, where the kernel's i2c-dev is not "
        "loaded",
        libfuse("it looks in /sys/class/i2c-dev, where the device is not"),
    ),
    ("client-tpm", "tpm2-tools get random bytes of a TPM", {}),
    (
        "client-v4l2",
        "v4l2-ctl lists and shows a camera",
        {"fuse": "it takes character devices only"},
    ),
    (
        "client-v4l2-stream",
        "`v4l2-ctl --stream-mmap` takes frames from memory that it shares with the "
        "driver",
        libfuse("ENODEV, as for any shared mapping"),
    ),
    (
        "client-gpio",
        "gpiodetect, gpioinfo, gpioget, gpioset and gpiomon have the lines of a chip "
        "that is mounted where they look for it, in /sys/bus/gpio/devices",
        libfuse("ioctls give no descriptors, as lines need them"),
    ),
    ("client-modbus", "pymodbus reads registers over a serial port", {}),
    ("client-serial", "pyserial writes to a serial port while its read waits", {}),
]
GROUPS = {
    "Opening and closing": OPENING,
    "Reading and writing": TRANSFERS,
    "Seeking and syncing": SEEKING,
    "ioctl": IOCTL,
    "poll": POLL,
    "Clients that wait": WAITING,
    "The end of a driver": DRIVER_S_END,
    "Node and memory": NODE,
    "Programs": PROGRAMS,
    "Unmodified clients of mocks": CLIENTS,
}
CAPABILITIES = [capability for group in GROUPS.values() for capability in group]


def holds(transport, capability):
    """Whether a transport keeps this line."""
    for identifier, _, instead in CAPABILITIES:
        if identifier == capability:
            return transport not in instead
    raise KeyError(capability)


def _rows(group):
    """The rows of a group's table, and the notes that their signs lead to."""
    rows, notes = [], []
    for _, sentence, instead in group:
        number = {}
        for text in instead.values():
            if text not in number:
                names = [name for name in TRANSPORTS if instead.get(name) == text]
                notes.append(f"{', '.join(names)}: {text}")
                number[text] = len(notes)
        signs = [
            f"\N{BALLOT X}<sup>{number[instead[name]]}</sup>"
            if name in instead
            else "\N{CHECK MARK}"
            for name in TRANSPORTS
        ]
        rows.append(f"| {sentence} | {' | '.join(signs)} |")
    return rows, notes


def document():
    lines = [
        "# What each transport can do",
        "",
        "\N{CHECK MARK}: it holds. \N{BALLOT X}: something else happens; the note of "
        "that number, below the table, says what.",
        "",
        "Made from `tests/support/capabilities.py`, which the contract suite runs",
        "against: a line that is untrue fails a test.",
    ]
    for title, group in GROUPS.items():
        rows, notes = _rows(group)
        lines += [
            "",
            f"## {title}",
            "",
            "| | " + " | ".join(TRANSPORTS) + " |",
            "| --- |" + " :-: |" * len(TRANSPORTS),
            *rows,
        ]
        if notes:
            lines += [
                "",
                *(f"{number}. {note}" for number, note in enumerate(notes, 1)),
            ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(document(), end="")
