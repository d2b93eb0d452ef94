# SPDX-License-Identifier: BSD-3-Clause
"""Installs libfusd, and builds the C examples against it as a user would.

An emulated machine finds them made already: FUSD_TEST_INSTALLED names where.
"""

import os
import shutil
import subprocess

from support import TOP


def install(base):
    """Puts libfusd below base, and the examples built by pkg-config in base/bin."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CFLAGS")
    }
    subprocess.run(
        ["make", "-s", "-C", "libfusd", "install", f"PREFIX={base}"],
        cwd=TOP,
        check=True,
        env=environment,
    )
    environment["PKG_CONFIG_PATH"] = f"{base}/lib/pkgconfig"
    # Where the library is; nothing else needs to be set to run them.
    environment["LDFLAGS"] = f"-Wl,-rpath,{base}/lib"
    environment["CFLAGS"] = "-O2 -Wall -Wextra -Wshadow -Wconversion -Werror"
    examples = base / "src"
    examples.mkdir(exist_ok=True)
    for file in (TOP / "examples" / "c").iterdir():
        shutil.copy(file, examples)
    subprocess.run(
        ["make", "-s", f"OUT={base}/bin"], cwd=examples, check=True, env=environment
    )
