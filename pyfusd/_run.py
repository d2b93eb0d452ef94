# SPDX-License-Identifier: BSD-3-Clause
"""run(): serves devices with the plain loop, or with asyncio's if they need it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from pyfusd._callbacks import coroutine_callbacks
from pyfusd._core import DeviceCore, registered_devices
from pyfusd._loops import plain
from pyfusd._loops.import_guard import check_may_serve

if TYPE_CHECKING:
    from pyfusd.device import Device


def _serve_in_a_loop(
    devices: tuple[Device, ...], ready: Callable[[], object] | None
) -> None:
    if any(coroutine_callbacks(device) for device in devices or registered_devices()):
        from pyfusd import aio  # asyncio takes its time to import.

        aio.run(devices, ready)
    else:
        plain.serve(devices, ready)


def serve(
    devices: tuple[Device, ...], ready: Callable[[], object] | None = None
) -> None:
    """run(), which explains it; calls ready once the devices are served."""
    check_may_serve()
    # A signal may come as soon as run() was called, before the loop is made.
    with suppress(KeyboardInterrupt):
        _serve_in_a_loop(devices, ready)


def _print_paths(devices: list[Device]) -> None:
    # It may be closed, and None if it was when Python began: the driver goes on.
    with suppress(OSError, ValueError):
        for device in devices if sys.stderr else ():
            print(f"{device.name}: {device.path}", file=sys.stderr, flush=True)


def _is_raised_by_us(error: BaseException) -> bool:
    """Not by a line of the program's, such as in a register() of its own."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    name = place.tb_frame.f_globals.get("__name__", "") if place else ""
    return str(name).startswith("pyfusd.")


def run(*devices: Device, quiet: bool = False) -> None:
    """Serves devices until SIGINT or SIGTERM, or until none is left.

    Registers those that are not registered, and unregisters them at its end,
    whatever that is. Of these it prints NAME: PATH on standard error once clients
    can open them, unless quiet is true.

    Without arguments it serves the devices of this process that are registered,
    and returns at once if there is none. A device that is registered in a
    callback is served too.

    Ctrl-C and, unless the program handles it, SIGTERM end the loop: run()
    returns then, so that the program ends as it wants to. In another thread
    than the main one, where Python handles no signals, unregister() is what
    ends it. Several threads may each run their own devices. The program's own
    signal.set_wakeup_fd() is told of signals meanwhile, and is the one again after.

    If a device has ``async def`` callbacks, this is asyncio.run() of
    pyfusd.aio.serve(). RuntimeError then if the thread runs a loop already.

    Raises what register() raises, and SystemExit if a callback did. A device
    that was taken away from outside, as by umount(8), is unregistered, and logged
    to the logger "pyfusd". While memory is short it logs that, and tries again.
    """
    for device in devices:
        if not isinstance(device, DeviceCore):
            raise TypeError(f"run() takes devices, as Echo('echo') is, not {device!r}")
    own = [device for device in devices if not device.registered]
    try:
        serve(devices, None if quiet else partial(_print_paths, own))
    except OSError as error:
        # Its text is for who starts the driver, frames of ours are for nobody: that
        # a device cannot be registered shall not look like a bug.
        if _is_raised_by_us(error):
            raise error.with_traceback(None) from None
        raise
