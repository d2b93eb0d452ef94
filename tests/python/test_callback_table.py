# SPDX-License-Identifier: BSD-3-Clause
"""The table of callbacks says what the stubs, the manual and the extension do."""

import inspect
import re

import pyfusd
from pyfusd._callbacks import CALLBACKS
from support import TOP


def test_each_callback_is_described_with_its_arguments():
    described = {
        name: tuple(inspect.signature(getattr(pyfusd.Device, name)).parameters)[1:]
        for name in CALLBACKS
    }
    assert described == {name: one.arguments for name, one in CALLBACKS.items()}


def test_the_extension_numbers_the_callbacks_in_the_table_s_order():
    text = (TOP / "pyfusd" / "_core.pxd").read_text(encoding="utf-8")
    (block,) = re.findall(r"cdef enum Operation:\n((?:    \w+\n)+)", text)
    assert block.lower().split() == list(CALLBACKS)
