# SPDX-License-Identifier: BSD-3-Clause
"""Random sequences of system calls, compared with the model after each."""

import os
import select
from collections import Counter

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from support.fuzz.model import (
    KERNEL_IOCTLS,
    NONE,
    Expected,
    Model,
    OpenFile,
    direction,
    size,
)
from support.fuzz.system_under_test import FORKS, Process, receive
from support.waiting import wait_until

GUARD = b"#" * 64
#: What all sequences of this session did together.
statistics = Counter()
numbers_tried = set()

some_index = st.integers(0, 63)
some_length = st.one_of(
    st.integers(0, 64),
    st.sampled_from([4095, 4096, 4097, 16383, 131071, 131072, 131073, 300_000]),
)
some_offset = st.one_of(st.integers(0, 100), st.integers(0, 1 << 40))
some_errno = st.integers(1, 5000)
some_result = st.one_of(
    st.integers(0, 200),
    st.integers(0, 200_000),
    some_errno.map(lambda number: -number),
    st.sampled_from(
        [-1 << 63, -1 << 31, (1 << 31) - 1, 1 << 31, 1 << 62, 1 << 63, 1 << 64]
    ),
    st.tuples(st.just("raise"), st.one_of(st.none(), some_errno)),
)
#: As a driver answers when nothing is wrong: all of it, so that files move on.
good_result = st.just(1 << 30)
answer = st.one_of(good_result, some_result)

some_direction = st.integers(0, 3)
any_number = st.one_of(
    st.integers(0, (1 << 32) - 1),
    st.sampled_from(sorted(KERNEL_IOCTLS.values())),
    # Terminals', i2c's, real-time clocks': what programs really send.
    st.sampled_from([0x5401, 0x5402, 0x5415, 0x0703, 0x0707, 0x0720, 0x80247009]),
)
#: With sizes whose boundaries are met often.
sized_number = st.builds(
    lambda way, length, low: way << 30 | length << 16 | low,
    some_direction,
    st.one_of(st.integers(0, 64), st.integers(0, 16383)),
    st.integers(0, 0xFFFF),
)
some_value = st.one_of(st.none(), st.none(), st.none(), st.integers(0, 4095))
kernel_numbers = frozenset(KERNEL_IOCTLS.values())


class Sequences(RuleBasedStateMachine):
    """One sequence; the system under test is set by who runs it."""

    system = None

    def __init__(self):
        super().__init__()
        self.system.clean()
        self.model = Model(self.system.transport)
        self.processes = list(self.system.roots)
        self.spares = [list(range(1, 1 + FORKS)) for _ in self.system.roots]
        self.state = 0
        self.agrees = True
        self.next_byte = 0
        statistics["sequences"] += 1

    # Choosing.

    def choose(self, index):
        """A process, a descriptor of it, and the open file."""
        choices = [(p, fd) for p in self.processes for fd in sorted(p.files)]
        process, descriptor = choices[index % len(choices)]
        return process, descriptor, process.files[descriptor]

    def has_files(self):
        return any(process.files for process in self.processes)

    # Comparing.

    def compare(self, expected, outcome, seen, file):
        result, error, memory = outcome
        self.agrees = False
        statistics["requests"] += len(seen)
        assert result == expected.result
        assert error in (expected.error, expected.also), seen
        noted = [
            (*entry[:3], None) if want[-1] is None else entry
            for want, entry in zip(expected.seen, seen)
        ]
        assert noted == expected.seen and len(seen) == len(expected.seen)
        if memory is not None:
            wanted = expected.memory + GUARD
            free = expected.unfilled
            assert set(memory[free.start : free.stop]) <= {0, *file.own_bytes}
            assert memory[: free.start] == wanted[: free.start]
            assert memory[free.stop :] == wanted[free.stop :]
        self.agrees = True

    def planned(self, plan, process, *call):
        """Makes a call that the driver answers by plan."""
        assert self.system.command("plan", plan) == []
        outcome = process(*call)
        return outcome, self.system.command("log")

    # System calls.

    @rule(
        index=some_index,
        flags=st.sampled_from([os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR]),
        more=st.sampled_from([0, 0, os.O_NONBLOCK, os.O_APPEND, os.O_TRUNC]),
    )
    def open(self, index, flags, more):
        process = self.processes[index % len(self.processes)]
        descriptor, error, _ = process("open", self.system.path, flags | more)
        ((name, number, seen_flags),) = self.system.command("log")
        assert (name, error) == ("open", 0)
        mask = os.O_ACCMODE | os.O_NONBLOCK | os.O_APPEND
        assert seen_flags & mask == (flags | more) & mask
        self.next_byte = self.next_byte % 100 + 1
        assert descriptor not in process.files
        file = OpenFile(number, flags | more, byte=self.next_byte)
        # An lseek before an append is out of FUSE's sight.
        file.is_moved = bool(more & os.O_APPEND)
        process.files[descriptor] = file

    @precondition(has_files)
    @rule(index=some_index)
    def close(self, index):
        process, descriptor, file = self.choose(index)
        assert process("close", descriptor) == (0, 0, None)
        del process.files[descriptor]
        file.references -= 1

    @precondition(has_files)
    @rule(index=some_index)
    def dup(self, index):
        process, descriptor, file = self.choose(index)
        copy, error, _ = process("dup", descriptor)
        assert error == 0 and copy not in process.files
        process.files[copy] = file
        file.references += 1

    @rule(index=some_index)
    def fork(self, index):
        process = self.processes[index % len(self.processes)]
        root = process
        while root.parent:
            root = root.parent
        which = self.system.roots.index(root)
        if not self.spares[which]:
            return
        spare = self.spares[which].pop()
        process("fork", spare)
        channel = self.system.channels[which][spare]
        files = dict(process.files)
        child = Process(channel, receive(channel), process, files, (which, spare))
        for file in child.files.values():
            file.references += 1
        self.processes.append(child)

    @precondition(lambda self: len(self.processes) > len(self.system.roots))
    @rule(index=some_index)
    def exit(self, index):
        # The youngest, and so nobody's parent, as the others may be.
        children = [p for p in self.processes if p.parent]
        parents = {p.parent for p in children}
        leaves = [p for p in children if p not in parents]
        self.end(leaves[index % len(leaves)])

    def end(self, process):
        process("exit")
        process.parent("wait", process.pid)
        for file in process.files.values():
            file.references -= 1
        which, spare = process.spare
        self.spares[which].append(spare)
        self.processes.remove(process)

    @precondition(has_files)
    @rule(
        index=some_index,
        length=some_length,
        result=st.one_of(answer, st.binary(max_size=300)),
        fill=some_length,
    )
    def read(self, index, length, result, fill):
        process, descriptor, file = self.choose(index)
        self._read(process, descriptor, file, length, result, fill, None)

    @precondition(has_files)
    @rule(
        index=some_index,
        length=some_length,
        result=answer,
        fill=some_length,
        at=some_offset,
    )
    def pread(self, index, length, result, fill, at):
        process, descriptor, file = self.choose(index)
        if not self.is_ambiguous(file):
            self._read(process, descriptor, file, length, result, fill, at)

    def _read(self, process, descriptor, file, length, result, fill, at):
        length = self.model.whole(length)
        byte = bytes([file.byte])
        if isinstance(result, bytes):
            result = byte * len(result)
        plan = {"result": result, "fill": byte * fill}
        content = b"?" * length
        call = ("read",) if at is None else ("pread",)
        arguments = (descriptor, content) if at is None else (descriptor, content, at)
        outcome, seen = self.planned(plan, process, *call, *arguments)
        self.compare(self.model.read(file, content, plan, at), outcome, seen, file)

    @precondition(has_files)
    @rule(index=some_index, length=some_length, result=answer)
    def write(self, index, length, result):
        process, descriptor, file = self.choose(index)
        content = bytes([file.byte]) * self.model.whole(length)
        plan = {"result": result}
        outcome, seen = self.planned(plan, process, "write", descriptor, content)
        self.compare(self.model.write(file, content, plan), outcome, seen, file)

    @precondition(has_files)
    @rule(index=some_index, length=some_length, result=answer, at=some_offset)
    def pwrite(self, index, length, result, at):
        process, descriptor, file = self.choose(index)
        if self.is_ambiguous(file) or file.flags & os.O_APPEND:
            return
        content = bytes([file.byte]) * self.model.whole(length)
        plan = {"result": result}
        outcome, seen = self.planned(plan, process, "pwrite", descriptor, content, at)
        self.compare(self.model.write(file, content, plan, at), outcome, seen, file)

    @precondition(has_files)
    @rule(
        index=some_index,
        is_read=st.booleans(),
        length=st.integers(1, 100),
        offset=some_offset,
    )
    def transfer_that_moves(self, index, is_read, length, offset):
        """The driver leaves a position of its own."""
        process, descriptor, file = self.choose(index)
        byte = bytes([file.byte])
        plan = {"result": length, "fill": byte * length, "offset": offset}
        call = "read" if is_read else "write"
        content = (b"?" if is_read else byte) * length
        outcome, seen = self.planned(plan, process, call, descriptor, content)
        expected = getattr(self.model, call)(file, content, plan)
        self.compare(expected, outcome, seen, file)

    def is_ambiguous(self, file):
        """Whether nobody can tell where an lseek or a pread goes."""
        if self.model.differs("position"):
            return False
        return file.is_moved and self.model.differs("position-kernel")

    @precondition(has_files)
    @rule(
        index=some_index,
        offset=st.one_of(some_offset, st.integers(-100, -1)),
        whence=st.sampled_from([os.SEEK_SET, os.SEEK_CUR]),
    )
    def lseek(self, index, offset, whence):
        process, descriptor, file = self.choose(index)
        if self.is_ambiguous(file):
            return
        outcome = process("lseek", descriptor, offset, whence)
        expected = self.model.lseek(file, offset, whence)
        self.compare(expected, outcome, self.system.command("log"), file)

    @precondition(has_files)
    @rule(
        index=some_index,
        numbers=st.lists(any_number, min_size=1, max_size=12),
        result=answer,
        fill=some_length,
        value=some_value,
    )
    def ioctls_of_any_numbers(self, index, numbers, result, fill, value):
        for number in numbers:
            self._ioctl(index, number, result, fill, value)

    @precondition(has_files)
    @rule(
        index=some_index,
        number=sized_number,
        result=answer,
        fill=some_length,
        value=some_value,
    )
    def ioctl_of_some_size(self, index, number, result, fill, value):
        self._ioctl(index, number, result, fill, value)

    def _ioctl(self, index, number, result, fill, value):
        process, descriptor, file = self.choose(index)
        if result == 1 << 30:
            result = 0
        byte = bytes([file.byte])
        plan = {"result": result, "fill": byte * fill}
        argument = value
        if value is None:
            argument = file.own_bytes[1:] * max(size(number), 64)
        elif direction(number) == NONE:
            argument = value << 40 | value  # All 64 bits arrive.
        numbers_tried.add(number)
        outcome, seen = self.planned(
            plan, process, "ioctl", descriptor, number, argument
        )
        if number in kernel_numbers:
            statistics["requests"] += len(seen)
            assert outcome[2] is None or outcome[2].endswith(GUARD)
            return
        expected = self.model.ioctl(file, number, argument, plan)
        self.compare(expected, outcome, seen, file)

    @rule(state=st.integers(0, 7))
    def change_state(self, state):
        assert self.system.command("state", state) == []
        self.state = state

    @precondition(has_files)
    @rule(index=some_index, wanted=st.integers(1, 7))
    def poll(self, index, wanted):
        process, descriptor, file = self.choose(index)
        bits = (select.POLLIN, select.POLLOUT, select.POLLPRI)
        events = sum(bit for n, bit in enumerate(bits) if wanted >> n & 1)
        ready = sum(bit for n, bit in enumerate(bits) if wanted & self.state & 1 << n)
        if not self.model.differs("poll-never-blocks"):
            # It tells what the driver said last, and asks for the next time.
            wait_until(
                lambda: process("poll", descriptor, events)[0] == ready, "the state"
            )
        outcome = process("poll", descriptor, events)
        self.compare(Expected(ready), outcome, self.system.command("log"), file)

    def teardown(self):
        while len(self.processes) > len(self.system.roots):
            self.end(self.processes[-1])
        for process in self.processes:
            for descriptor in list(process.files):
                assert process("close", descriptor) == (0, 0, None)
                del process.files[descriptor]
        self.system.wait_for_closes()
        # A sequence is only tried again, and made shorter, with a new system.
        self.system.is_clean = self.agrees
