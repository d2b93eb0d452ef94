# SPDX-License-Identifier: BSD-3-Clause
"""The simplest device there is, and its simplest client."""

import pyfusd


class NamedDevice(pyfusd.Device):
    """A read gives its name."""

    def read(self, file, buf, offset):
        return self.name.encode()[offset:]


def content(path):
    with open(path, "rb") as file:
        return file.read()
