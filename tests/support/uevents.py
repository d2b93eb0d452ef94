# SPDX-License-Identifier: BSD-3-Clause
"""The kernel's uevents, as udev receives them."""

import select
import socket

from support.waiting import DEADLINE

NETLINK_KOBJECT_UEVENT = 15


class Uevents:
    """with Uevents() as uevents: those that the kernel sends meanwhile."""

    def __enter__(self):
        self.socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT
        )
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind((0, 1))
        return self

    def __exit__(self, *_):
        self.socket.close()

    def next(self, action, name):
        """The variables of the next one with this action of the device NAME."""
        while select.select([self.socket], [], [], DEADLINE)[0]:
            texts = self.socket.recv(8192).decode().split("\0")[1:]
            variables = dict(text.split("=", 1) for text in texts if text)
            if (variables["ACTION"], variables.get("DEVNAME")) == (action, name):
                return variables
        raise AssertionError(f"no uevent {action!r} of {name} came")
