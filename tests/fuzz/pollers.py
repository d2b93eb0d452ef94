# SPDX-License-Identifier: BSD-3-Clause
"""Random pollers of a device, against a model: no wake-up is lost, none invented.

    python tests/fuzz/pollers.py --seconds 60 [--seed 1] [--transport cuse]

In each round some open files get pollers in two processes: by poll, select and
epoll, level- and edge-triggered and one-shot, on a descriptor or a duplicate. The
driver's state changes while they wait, read and write. Now and then all come to
rest: who waits for what is there has to have been told. Ends with 1, and the
round's story, if the model has something to say.
"""

import argparse
import os
import random
import socket
import sys
import time
import traceback
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait

from support.fuzz import poll_client, poll_driver
from support.fuzz.poll_client import Poller
from support.fuzz.poll_model import Change, History, Transfer, Wait, complaint, is_due
from support.waiting import DEADLINE

PROCESSES = 2
STEPS = 40
MASKS = (0x1, 0x2, 0x3, 0x4, 0x5, 0x7)


class Failure(Exception):
    """What the model has to say."""


def channel_pair():
    return tuple(Connection(one.detach()) for one in socket.socketpair())


def fork(function, *arguments):
    """A process that runs function, and has none of our channels but those."""
    pid = os.fork()
    if pid == 0:
        try:
            function(*arguments)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return pid


@dataclass
class Actor:
    """A poller as the round sees it."""

    poller: Poller
    channel: Connection
    busy: str = ""  # what it was told to do, or nothing
    waits: list = field(default_factory=list)


class Driver:
    def __init__(self, name, threads):
        self.channel, theirs = channel_pair()

        def serve():
            self.channel.close()
            poll_driver.serve(name, theirs, threads)

        self.pid = fork(serve)
        theirs.close()
        self.path = self.receive()

    def receive(self):
        if not self.channel.poll(DEADLINE):
            raise Failure("the driver hangs")
        return self.channel.recv()

    def log(self):
        """(changes since the last time, {file: state})"""
        self.channel.send(("log",))
        return self.receive()

    def stop(self):
        self.channel.close()
        os.waitpid(self.pid, 0)


class Round:
    def __init__(self, driver, rng, counts, is_strict):
        self.driver, self.rng, self.counts = driver, rng, counts
        self.is_strict = is_strict
        self.history = History()
        self.story = []
        self.open_files()
        self.make_pollers()

    def note(self, *what):
        self.story.append(
            " ".join(str(one) for one in (f"{time.monotonic():.6f}", *what))
        )

    def open_files(self):
        flags = os.O_RDWR | os.O_NONBLOCK
        count = self.rng.choice((1, 1, 2))
        self.descriptors = {}
        _, before = self.driver.log()
        for _ in range(count):
            descriptor = os.open(self.driver.path, flags)
            _, now = self.driver.log()
            (number,) = now.keys() - before.keys() - self.descriptors.keys()
            self.descriptors[number] = [descriptor, os.dup(descriptor)]
        self.files = sorted(self.descriptors)

    def make_pollers(self):
        pollers = []
        for _ in range(self.rng.randint(2, 6)):
            file = self.rng.choice(self.files)
            pollers.append(
                Poller(
                    file,
                    self.rng.choice(self.descriptors[file]),
                    self.rng.randrange(PROCESSES),
                    self.rng.choice(list(poll_client.WAYS)),
                    self.rng.choice(MASKS),
                )
            )
        pairs = [channel_pair() for _ in pollers]
        self.processes = []
        for process in range(PROCESSES):
            mine = [
                (poller, theirs)
                for poller, (_, theirs) in zip(pollers, pairs, strict=True)
                if poller.process == process
            ]

            def run(mine=mine):
                # Whoever has the other ends would keep it from ending.
                self.driver.channel.close()
                kept = [theirs for _, theirs in mine]
                for ours, theirs in pairs:
                    ours.close()
                    if theirs not in kept:
                        theirs.close()
                poll_client.run([poller for poller, _ in mine], kept)

            self.processes.append(fork(run))
        for _, theirs in pairs:
            theirs.close()
        for descriptors in self.descriptors.values():
            for descriptor in descriptors:
                os.close(descriptor)
        self.actors = [
            Actor(poller, ours)
            for poller, (ours, _) in zip(pollers, pairs, strict=True)
        ]
        for poller in pollers:
            self.note(poller)

    def step(self):
        """Something that goes on while the next things happen."""
        idle = [actor for actor in self.actors if not actor.busy]
        waiting = [actor for actor in self.actors if actor.busy == "wait"]
        kind = self.rng.choice(("wait", "wait", "change", "change", "transfer", "off"))
        if kind == "wait" and idle:
            # It leaves what it is told of, or takes one, or all.
            self.tell(
                self.rng.choice(idle), "wait", self.rng.choice((0, 1, None, None))
            )
        elif kind == "transfer" and idle:
            state = self.rng.choice((1, 1, 2, 3))
            self.tell(
                self.rng.choice(idle), "transfer", state, self.rng.choice((1, None))
            )
        elif kind == "off" and waiting:
            self.tell(self.rng.choice(waiting), "off")
        elif kind == "change":
            self.change()

    def tell(self, actor, command, *arguments):
        self.note(self.actors.index(actor), command, *arguments)
        actor.channel.send((command, *arguments))
        if command != "off":
            actor.busy = command

    def change(self):
        file = self.rng.choice(self.files)
        what = self.rng.choice(("data", "data", "room", "bits"))
        if what == "bits":
            value = self.rng.choice((0, 0, 0, 4, 4, 8, 16))
        else:
            value = self.rng.choice((0, 1, 1, 1, 2, 5))
        self.note("driver", file, what, value)
        self.driver.channel.send(("set", file, what, value))
        self.counts["settings"] += 1

    def receive(self, timeout):
        """Takes what the pollers say; whether one said anything."""
        busy = {actor.channel: actor for actor in self.actors if actor.busy}
        ready = wait(list(busy), timeout)
        for channel in ready:
            self.heard(busy[channel], *channel.recv())
        return bool(ready)

    def heard(self, actor, what, *result):
        self.note(self.actors.index(actor), what, *result)
        actor.busy = ""
        file = actor.poller.file
        transfers = result[-1]
        self.history.transfers += [
            Transfer(began, ended, file, kind) for began, ended, kind in transfers
        ]
        self.counts["transfers"] += len(transfers)
        if what == "waited" and result[2] is not None:
            actor.waits.append(Wait(*result[:3]))
            self.counts["waits"] += 1
            self.counts["edges"] += actor.poller.way == "edge"

    def look(self):
        """The driver's notes, and the open files' states."""
        changes, states = self.driver.log()
        for change in changes:
            self.note("changed", *change)
        self.history.changes += [Change(*change) for change in changes]
        self.history.changes.sort(key=lambda change: change.began)
        self.counts["changes"] += len(changes)
        return states

    def settle(self):
        """Who has to be told, is told."""
        while True:
            while self.receive(0):
                pass
            states = self.look()
            due = [
                actor
                for actor in self.actors
                if actor.busy == "wait"
                and is_due(
                    actor.poller, actor.waits, states[actor.poller.file], self.history
                )
            ]
            moving = [actor for actor in self.actors if actor.busy == "transfer"]
            if not due and not moving:
                return
            if not self.receive(DEADLINE):
                who = [self.actors.index(actor) for actor in due + moving]
                raise Failure(f"a wake-up of {who} is lost, the states are {states}")

    def run(self):
        for _ in range(STEPS):
            self.step()
            if self.rng.random() < 0.2:
                self.settle()
            elif self.rng.random() < 0.3:
                self.receive(0)
        self.settle()
        while busy := [actor for actor in self.actors if actor.busy]:
            for actor in busy:
                self.tell(actor, "off")
            if not self.receive(DEADLINE):
                raise Failure("a poller hangs")
        self.look()
        self.check()
        self.counts["rounds"] += 1

    def check(self):
        for number, actor in enumerate(self.actors):
            for count in range(1, len(actor.waits) + 1):
                waits = actor.waits[:count]
                reason = complaint(actor.poller, waits, self.history, self.is_strict)
                if reason:
                    raise Failure(f"poller {number}, {waits[-1]}: {reason}")

    def stop(self):
        for actor in self.actors:
            actor.channel.close()
        for process in self.processes:
            os.waitpid(process, 0)


def run_round(driver, seed, counts, is_strict):
    rng = random.Random(seed)
    driver.channel.send(("says_all", rng.random() < 0.5))
    one = Round(driver, rng, counts, is_strict)
    try:
        one.run()
    except Failure as failure:
        one.look()
        print("\n".join(one.story))
        print(f"fuzz-poll: round {seed}: {failure}", flush=True)
        os._exit(1)
    one.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--transport", default=os.environ.get("FUSD_TRANSPORT", "fuse"))
    parser.add_argument("--rounds", type=int, default=sys.maxsize)
    arguments = parser.parse_args()
    os.environ["FUSD_TRANSPORT"] = arguments.transport
    seed = arguments.seed
    if seed is None:
        seed = random.SystemRandom().randrange(10**9)
    counts = dict.fromkeys(
        ("rounds", "waits", "edges", "changes", "transfers", "settings"), 0
    )
    end = time.monotonic() + arguments.seconds
    for number in range(arguments.rounds):
        # Two of its threads, each eighth time: then polls are told more than once.
        if number % 200 == 0:
            threads = 2 if number // 200 % 4 == 3 else 1
            is_strict = threads == 1 and arguments.transport != "kfusd"
            driver = Driver(f"pollers-{os.getpid()}-{number}", threads)
        run_round(driver, seed + number, counts, is_strict)
        is_over = time.monotonic() >= end
        if is_over or number % 200 == 199:
            driver.stop()
        if is_over:
            break
    found = ", ".join(f"{count} {what}" for what, count in counts.items())
    print(f"fuzz-poll: {arguments.transport}, seed {seed}: {found}", flush=True)


if __name__ == "__main__":
    main()
