# SPDX-License-Identifier: BSD-3-Clause
"""python -m pyfusd._testing.driver_process FD: the process of a ProcessDriver.

Reads from standard input what to run, reports to FD as JSON lines, and ends
with its input.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import signal
import sys
import threading
import traceback
from typing import Any

from pyfusd._errors import logger
from pyfusd._own_program import end_with_input
from pyfusd._run import serve
from pyfusd._testing.callback_limit import CallbackLimit
from pyfusd._testing.drivers import FailureHandler, make_device
from pyfusd.device import Device


def _load_driver(order: dict[str, Any]) -> Any:
    """Loads the class from its file, under its module's own name."""
    name = order["module"]
    spec = importlib.util.spec_from_file_location(name, order["file"])
    if spec is None or spec.loader is None:
        raise ImportError(f"{order['file']} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    value: Any = module
    for part in order["name"].split("."):
        value = getattr(value, part)
    return value


class _Reporter:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.set_inheritable(descriptor, False)

    def say(self, event: str, **fields: Any) -> None:
        line = json.dumps({"event": event, **fields}) + "\n"
        os.write(self._descriptor, line.encode())

    def failure(self, text: str) -> None:
        self.say("failure", text=text)


def _register_device(order: dict[str, Any]) -> Device:
    driver = _load_driver(order)
    # After the module, which may define what is in them.
    return make_device(driver, pickle.load(sys.stdin.buffer)).register()


class _Limit(CallbackLimit):
    """Ends the process, too, which the callback may not let end by itself."""

    def _exceed(self) -> None:
        super()._exceed()
        os._exit(0)


def _serve(device: Device, reporter: _Reporter, callback_timeout: float) -> None:
    end_with_input()
    limit = _Limit(device, callback_timeout, reporter.failure)
    limit.start(threading.get_ident())
    ready = {"path": device.path, "transport": device.transport}
    try:
        serve((device,), lambda: reporter.say("ready", **ready))
    finally:
        device.unregister()


def main() -> int:
    # SIGTERM is the normal end, also where run() does not look after it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    reporter = _Reporter(int(sys.argv[1]))
    try:
        order = json.loads(sys.stdin.buffer.readline())
        device = _register_device(order)
        logger.addHandler(FailureHandler(device, reporter.failure))
        _serve(device, reporter, order["callback_timeout"])
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        reporter.say("error", errno=error.errno, text=error.strerror)
    except BaseException:
        reporter.failure(traceback.format_exc())
    return 0


if __name__ == "__main__":
    sys.exit(main())
