# SPDX-License-Identifier: BSD-3-Clause
"""Temporary directories for devices, which go however their process ends."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

#: How long a killed driver's devices are waited for, which others clear.
SECONDS = 30.0

# The devices of drivers that died with us are cleared by libfusd's watchers,
# which takes a moment; nothing but empty directories is removed.
_SCRIPT = f"""
trap '' INT TERM HUP QUIT
while read -r line; do
    [ "$line" != end ] || exit 0
    names=$line
done
for name in $names; do
    tries={round(SECONDS * 10)}
    while [ -d "$name" ] && [ $tries -gt 0 ]; do
        [ ! -d "$name/dev" ] || rmdir "$name/dev"
        rmdir "$name" || sleep 0.1
        tries=$((tries - 1))
    done
done
"""


class TemporaryDirectories:
    """Makes directories; a shell removes them if this process is killed.

    For one thread. The shell starts with the first directory.
    """

    def __init__(self) -> None:
        self._parent = tempfile.gettempdir()
        self._names: list[str] = []
        self._shell: subprocess.Popen[bytes] | None = None

    def _tell(self, line: str) -> None:
        if self._shell is None:
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT],
                cwd=self._parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        assert self._shell.stdin is not None
        # If somebody killed the shell, nobody cleans up after this process.
        with suppress(OSError):
            os.write(self._shell.stdin.fileno(), line.encode() + b"\n")

    def make(self, prefix: str) -> str:
        """Makes a directory and returns its path."""
        # Known to the shell before it is there, as Ctrl-C may come in between.
        name = prefix + secrets.token_hex(8)
        self._names.append(name)
        self._tell(" ".join(self._names))
        directory = os.path.join(self._parent, name)
        os.mkdir(directory, 0o700)
        return directory

    def remove(self, directory: str) -> None:
        """Removes a directory once the devices in it are gone.

        A killed driver's devices are cleared by libfusd's watcher, soon after.
        """
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            if not any(files for _, _, files in os.walk(directory)):
                break
            time.sleep(0.01)
        shutil.rmtree(directory, ignore_errors=True)
        if not os.path.exists(directory):
            self._names.remove(os.path.basename(directory))

    def close(self) -> None:
        """Ends the shell; what could not be removed is left to it."""
        if self._shell is None:
            return
        assert self._shell.stdin is not None
        if not self._names:
            # A forked child may hold the pipe open: its end would not be seen.
            self._tell("end")
        self._shell.stdin.close()
        if not self._names:
            self._shell.wait()
        self._shell = None


@contextmanager
def temporary_directory(prefix: str) -> Iterator[str]:
    """A directory for the length of a block."""
    directories = TemporaryDirectories()
    try:
        directory = directories.make(prefix)
        try:
            yield directory
        finally:
            directories.remove(directory)
    finally:
        directories.close()
