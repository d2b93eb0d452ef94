# SPDX-License-Identifier: BSD-3-Clause
"""The table of callbacks says what the stubs, the manual and the extension do."""

import ast
import inspect
import re

import pyfusd
from pyfusd import device
from pyfusd._callbacks import CALLBACKS
from support import TOP


def stubs():
    """The callbacks' methods of Device, as type checkers see them."""
    (kind,) = (
        node
        for node in ast.parse(inspect.getsource(device)).body
        if isinstance(node, ast.ClassDef)
    )
    (block,) = (node for node in kind.body if isinstance(node, ast.If))
    return {
        method.name: tuple(argument.arg for argument in method.args.posonlyargs[1:])
        for method in block.body
    }


def test_each_callback_has_a_stub_that_takes_its_arguments():
    assert stubs() == {name: one.arguments for name, one in CALLBACKS.items()}


def test_each_callback_has_a_row_of_docs_with_its_arguments():
    rows = re.findall(r"- ``(\w+)\(self, ([^)]*)\)``", pyfusd.Device.__doc__)
    assert {name: tuple(arguments.split(", ")) for name, arguments in rows} == {
        name: one.arguments for name, one in CALLBACKS.items()
    }


def test_the_extension_numbers_the_callbacks_in_the_table_s_order():
    text = (TOP / "pyfusd" / "_core.pxd").read_text(encoding="utf-8")
    (block,) = re.findall(r"cdef enum Operation:\n((?:    \w+\n)+)", text)
    assert block.lower().split() == list(CALLBACKS)
