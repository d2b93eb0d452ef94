# SPDX-License-Identifier: BSD-3-Clause
"""A test suite with fusd_device, as a user types it. Never run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyfusd
from pyfusd.testing import RunningDriver, StartDriver

if TYPE_CHECKING:
    from typing_extensions import assert_type


class Mock(pyfusd.Device):
    pass


def test_something(fusd_device: StartDriver) -> None:
    mock = fusd_device(Mock, process=True, mode=0o600)
    assert_type(mock, RunningDriver)
    assert_type(mock.path, str)
    assert_type(mock.take_failures(), "list[str]")
    fusd_device(Mock("instance"))
    fusd_device(lambda: Mock("made"))
    with open(mock, "rb") as device:
        device.read()
