# SPDX-License-Identifier: BSD-3-Clause
"""What is measured: a new figure is a case or a subject more in a group here."""

from __future__ import annotations

from dataclasses import dataclass, replace

KIB, MIB = 1 << 10, 1 << 20
SIZES = (1, 4 * KIB, 64 * KIB, 128 * KIB, MIB)

#: How many round trips a window has, {of at most this many bytes: so many}.
HERE_WINDOWS = {4 * KIB: 100, 64 * KIB: 40, 128 * KIB: 25, MIB: 4}
COUNTED_WINDOWS = {4 * KIB: 25, 64 * KIB: 12, 128 * KIB: 8, MIB: 2}
#: Operations that take longer than their size tells.
SLOWER = {"open": 2, "poll": 4}


@dataclass(frozen=True)
class Subject:
    """Who is measured: a driver on a transport, or a floor."""

    driver: str
    transport: str
    #: "NAME=VALUE" of a device's option that not each build has, or "".
    option: str = ""

    def __str__(self) -> str:
        if self.driver == self.transport:
            return self.driver
        option = f" {self.option}" if self.option else ""
        return f"{self.transport} {self.driver}{option}"


@dataclass(frozen=True)
class Case:
    """What is asked of it."""

    operation: str
    size: int = 1
    clients: int = 1
    devices: int = 1
    files: int = 1
    cores: str = "one"

    def __str__(self) -> str:
        names = {
            "ioctl": f"ioctl {self.size} B",
            "open": "open + close",
            "poll": "poll wake-up",
            "refused": "read, EAGAIN",
        }
        text = names.get(self.operation, f"{self.operation} {size_text(self.size)}")
        for count, what in (
            (self.clients, "clients"),
            (self.devices, "devices"),
            (self.files, "open files"),
        ):
            if count > 1:
                text += f", {count:,} {what}"
        return text + (", two cores" if self.cores == "two" else "")

    @property
    def is_polled(self) -> bool:
        """Whether its driver is one of another kind, with a state."""
        return self.operation == "poll"


@dataclass(frozen=True)
class Group:
    """Cases that are measured in the same rounds, each subject in each of them."""

    name: str
    title: str
    subjects: tuple[Subject, ...]
    cases: tuple[Case, ...]
    #: What subjects with an option are asked for, and those of less interest.
    option_cases: tuple[Case, ...] = ()
    fewer: tuple[Subject, ...] = ()
    fewer_cases: tuple[Case, ...] = ()
    #: Fresh drivers, and in each of these rounds so many fresh clients.
    rounds: int = 9
    clients_each: int = 1

    def cases_of(self, subject: Subject) -> tuple[Case, ...]:
        if subject.option and self.option_cases:
            return self.option_cases
        return self.fewer_cases if subject in self.fewer else self.cases


def size_text(size: int) -> str:
    if size >= MIB:
        return f"{size // MIB} MiB"
    return f"{size // KIB} KiB" if size >= KIB else f"{size} B"


def window_of(case: Case, windows: dict[int, int]) -> int:
    """How many round trips each client's windows have."""
    count = next(count for most, count in windows.items() if case.size <= most)
    return max(2, count // case.clients // SLOWER.get(case.operation, 1))


TRANSFERS = tuple(Case(op, size) for op in ("read", "write") for size in SIZES)
FEWER = tuple(case for case in TRANSFERS if case.size in (1, 4 * KIB, 128 * KIB))
MOST = tuple(Case(op, MIB) for op in ("read", "write"))
OPERATIONS = (Case("ioctl", 64), Case("open"), Case("poll"))
CLIENTS = tuple(Case("read", clients=clients) for clients in (1, 8, 32))
DEVICES = tuple(Case("read", devices=devices) for devices in (1, 2, 100, 1000))
FILES = tuple(Case("read", files=files) for files in (1, 100, 10_000))
ANSWERS = (Case("read", 1), Case("read", 128 * KIB))

MAX_TRANSFER = f"max_transfer={MIB}"
SPIN = "spin_us=200"

C, PYTHON = Subject("c", "fuse"), Subject("python", "fuse")
ASYNCIO, COROUTINES = Subject("asyncio", "fuse"), Subject("async def", "fuse")
LIBFUSE, MFUSEPY = Subject("libfuse", "fuse"), Subject("mfusepy", "fuse")
PYFUSE3 = Subject("pyfuse3", "fuse")
PIPE, EVENTFD = Subject("pipe", "pipe"), Subject("eventfd", "eventfd")
OURS = (C, PYTHON, ASYNCIO, COROUTINES)
PEERS = (LIBFUSE, MFUSEPY, PYFUSE3)


def on(transport: str, *subjects: Subject) -> tuple[Subject, ...]:
    return tuple(replace(subject, transport=transport) for subject in subjects)


def with_option(option: str, *subjects: Subject) -> tuple[Subject, ...]:
    return tuple(replace(subject, option=option) for subject in subjects)


#: Other ways to answer a read, in Python: kinds of benchmarks/driver.py.
ANSWERING = tuple(Subject(f"python {kind}", "fuse") for kind in ("filling", "copying"))
ANSWERING_SOON = tuple(
    Subject(f"python {kind}", "fuse") for kind in ("refusing", "raising")
)

#: "make bench": the fuse transport on this machine, in microseconds.
HERE = (
    Group(
        "transfers",
        "reads and writes",
        (*OURS, *with_option(MAX_TRANSFER, C, PYTHON), *PEERS, PIPE, EVENTFD),
        TRANSFERS,
        option_cases=MOST,
        rounds=15,
    ),
    Group("operations", "other calls", (*OURS, *PEERS), OPERATIONS, rounds=15),
    Group(
        "clients",
        "clients that ask at the same time, for each request",
        (C, PYTHON, ASYNCIO, *PEERS),
        CLIENTS,
    ),
    Group(
        "devices",
        "devices of one driver, asked in turn",
        (C, PYTHON),
        DEVICES,
        rounds=3,
        clients_each=3,
    ),
    Group("files", "open files of one client, asked in turn", (C, PYTHON), FILES),
    Group(
        "answers",
        "ways to answer a read in Python",
        (PYTHON, *ANSWERING),
        ANSWERS,
    ),
    Group(
        "errors",
        "ways to refuse a read in Python",
        ANSWERING_SOON,
        (Case("refused"),),
    ),
    Group(
        "cores",
        "the client on the driver's core, and on another one",
        (C, PYTHON, LIBFUSE),
        (Case("read"), Case("read", cores="two")),
    ),
    Group(
        "spin",
        "the client on another core, the driver spinning",
        (C, PYTHON, *with_option(SPIN, C, PYTHON)),
        tuple(Case(op, size, cores="two") for op in ("read", "write") for size in (1,)),
    ),
)

_KFUSD, _CUSE = on("kfusd", *OURS), on("cuse", *OURS)
_CUSE_PEER = on("cuse", LIBFUSE)
#: "make bench-vm": all transports in a booted kernel, in thousands of instructions.
COUNTED = (
    Group(
        "transfers",
        "reads and writes",
        (
            *_KFUSD,
            *with_option(MAX_TRANSFER, *_KFUSD[:2]),
            *_CUSE[:2],
            *_CUSE_PEER,
            *OURS,
            *with_option(MAX_TRANSFER, C, PYTHON),
            *PEERS,
            PIPE,
            EVENTFD,
        ),
        TRANSFERS,
        option_cases=MOST,
        fewer=(*_KFUSD[2:], *OURS[2:], *PEERS[1:], PIPE),
        fewer_cases=FEWER,
    ),
    Group(
        "operations",
        "other calls",
        (*_KFUSD, *_CUSE[:2], *_CUSE_PEER, *OURS, *PEERS),
        OPERATIONS,
        rounds=3,
        clients_each=3,
    ),
    Group(
        "clients",
        "clients that ask at the same time, for each request",
        (*_KFUSD[:3], *_CUSE[:2], *_CUSE_PEER, C, PYTHON, LIBFUSE),
        CLIENTS,
        rounds=3,
        clients_each=3,
    ),
    Group(
        "devices",
        "devices of one driver, asked in turn; one to three pairs",
        _KFUSD[:2],
        DEVICES,
        rounds=1,
        clients_each=3,
    ),
    Group(
        "files",
        "open files of one client, asked in turn; one to three pairs",
        (*_KFUSD[:2], C),
        FILES,
        rounds=1,
        clients_each=3,
    ),
)


def quickly(group: Group) -> Group:
    """The group with less to do, for who cannot wait."""

    def without(cases: tuple[Case, ...], *sizes: int) -> tuple[Case, ...]:
        return tuple(case for case in cases if case.size not in sizes)

    # What limits of many sizes are about: see benchmarks/reach.py.
    needed = (*_KFUSD[:2], *_CUSE_PEER)
    is_large = bool(group.fewer_cases)
    return replace(
        group,
        rounds=min(group.rounds, 9),
        clients_each=group.clients_each if group.rounds > 1 else 1,
        cases=without(group.cases, 64 * KIB),
        fewer=tuple(one for one in group.subjects if is_large and one not in needed),
        fewer_cases=without(group.fewer_cases, 64 * KIB, 128 * KIB),
    )
