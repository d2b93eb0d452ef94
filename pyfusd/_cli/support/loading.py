# SPDX-License-Identifier: BSD-3-Clause
"""From FILE.py:CLASS on a command line to devices that are served."""

from __future__ import annotations

import argparse
import ast
import functools
import importlib
import importlib.util
import logging
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any, TextIO

import pyfusd
from pyfusd import Device
from pyfusd._cli.support.failure import Failure
from pyfusd._cli.support.quoting import quoted
from pyfusd._core import registered_devices
from pyfusd._errors import logger
from pyfusd._loops import import_guard
from pyfusd._signals import sigterm_interrupts
from pyfusd._signatures import (
    call_maker,
    default_name,
    required_arguments,
    takes_argument,
)

_OURS = os.path.dirname(pyfusd.__file__) + os.sep


def _load_file(path: str) -> ModuleType:
    if not os.path.isfile(path):
        what = "is no file" if os.path.exists(path) else "does not exist"
        raise Failure(f"{path} {what}: check the path")
    # "python FILE.py" does it too: the file imports its neighbours.
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Failure(f"{path} is no Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _describe_error(error: BaseException) -> str:
    """One sentence that says where: the user's line, not one of pyfusd's."""
    if isinstance(error, SyntaxError):
        where = f"{error.filename}, line {error.lineno}: " if error.filename else ""
        return where + error.msg
    text = traceback.format_exception_only(type(error), error)[-1].strip()
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(_OURS)]
    frame = (theirs or frames)[-1]
    return f"{frame.filename}, line {frame.lineno}: {text}"


@functools.cache
def _load_module(place: str) -> ModuleType:
    is_file = (
        place.endswith(".py")
        or os.sep in place
        or place.startswith(".")
        or os.path.isfile(place)
    )
    try:
        with import_guard.loading():
            if is_file:
                return _load_file(place)
            sys.path.insert(0, os.getcwd())
            return importlib.import_module(place)
    except Failure:
        raise
    except ModuleNotFoundError as error:
        if not is_file and (error.name or "") in (place, place.partition(".")[0]):
            raise Failure(
                f"there is no module {place}: for a file, write {place}.py; a command "
                "comes after --"
            ) from None
        raise Failure(f"{place} does not load: {_describe_error(error)}") from None
    except import_guard.ServingTooEarly as error:
        raise Failure(f"{place} runs its driver when it is loaded: {error}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise Failure(f"{place} does not load: {_describe_error(error)}") from None


def _is_device_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Device) and value is not Device


def _device_classes(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if _is_device_class(value) and value.__module__ == module.__name__
    ]


def _find_only_class(module: ModuleType, place: str) -> Any:
    names = _device_classes(module)
    if len(names) == 1:
        return getattr(module, names[0])
    if not names:
        raise Failure(f"{place} has no class derived from pyfusd.Device")
    choices = " or ".join(f"{place}:{name}" for name in names)
    raise Failure(f"{place} has {len(names)} device classes: write {choices}")


def _find_name(module: ModuleType, place: str, name: str) -> Any:
    value: Any = module
    for part in name.split("."):
        if not hasattr(value, part):
            there = " or ".join(_device_classes(module)) or "none"
            raise Failure(f"{place} has no {name}; its device classes: {there}")
        value = getattr(value, part)
    return value


def _parse_settings(pairs: list[str]) -> dict[str, Any]:
    settings = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.isidentifier():
            raise Failure(f"-o {pair} is not KEY=VALUE: KEY is an argument's name")
        try:
            settings[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            settings[key] = text
    return settings


def _make_from_options(maker: Any, options: argparse.Namespace, target: str) -> Any:
    """Calls a class or function with what it takes of the options."""
    arguments = _parse_settings(options.settings)
    for key in arguments:
        if not takes_argument(maker, key):
            raise Failure(f"{target} takes no argument {key}: see its definition")
    chosen = {key: getattr(options, key) for key in ("name", "mode", "transport")}
    missing = [
        key
        for key in required_arguments(maker)
        if key != "name" and key not in arguments and chosen.get(key) is None
    ]
    if missing:
        given = " ".join(f"-o {key}=VALUE" for key in missing)
        raise Failure(f"{target} needs {' and '.join(missing)}: add {given}")
    try:
        return call_maker(maker, arguments, options.name or default_name(maker), chosen)
    except Exception as error:
        raise Failure(f"{target} cannot be made: {_describe_error(error)}") from None


def _make_devices(target: str, options: argparse.Namespace) -> list[Device]:
    """The devices that a target names, made as the options say."""
    place, _, name = target.partition(":")
    if not place:
        raise Failure(f"{target!r} is not FILE.py:CLASS or MODULE:CLASS")
    module = _load_module(place)
    value = _find_name(module, place, name) if name else _find_only_class(module, place)
    if callable(value) and not isinstance(value, Device):
        value = _make_from_options(value, options, target)
    found = list(value) if isinstance(value, (list, tuple)) else [value]
    for device in found:
        if not isinstance(device, Device):
            raise Failure(f"{target} gives {device!r}, which is no device")
        _apply_options(device, options)
    if options.name is not None and len(found) > 1:
        raise Failure(f"--name is for one device: {target} makes {len(found)}")
    return found


def _apply_options(device: Device, options: argparse.Namespace) -> None:
    """Sets options on a device whose constructor may not have taken them."""
    if device.registered:
        return
    if options.name is not None:
        device.name = options.name
    if options.mode is not None:
        device.mode = options.mode
    if options.transport is not None:
        device._transport = options.transport


def _register_devices(found: list[Device]) -> None:
    """Registers devices; a failure is a sentence."""
    for device in found:
        if device.registered:
            continue
        try:
            device.register()
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            whose = f"{device.name}: " if device.name else ""
            raise Failure(f"{whose}{reason}") from None


def run_drivers(
    targets: list[str],
    options: argparse.Namespace,
    output: TextIO,
    serve: Callable[[list[Device]], object],
) -> None:
    """Makes the devices of drivers, prints NAME: PATH for each, and calls serve.

    Whatever ends that, no device is left. Ctrl-C and SIGTERM are no failure.
    """
    logging.basicConfig(format="fusd: %(message)s")
    if options.debug:
        logger.setLevel(logging.DEBUG)
    # SIGTERM acts as Ctrl-C does, also before the devices are served.
    with suppress(KeyboardInterrupt), sigterm_interrupts():
        try:
            made = [_make_devices(target, options) for target in targets]
            devices = [device for devices in made for device in devices]
            _register_devices(devices)
            for device in devices:
                name, path = quoted(device.name), quoted(device.path)
                print(f"{name}: {path}", file=output, flush=True)
            serve(devices)
        finally:
            for device in registered_devices():
                device.unregister()
