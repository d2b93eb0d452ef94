# SPDX-License-Identifier: BSD-3-Clause
"""Builds the one extension: the Cython glue and libfusd itself, in one file.

FUSD_SANITIZE=1 builds it with AddressSanitizer and UBSan, for the tests.
"""

import os
import subprocess
import sys
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

HELP = (
    "pyfusd needs libfuse3 with its headers and pkg-config to build: run "
    '"apt install gcc pkg-config libfuse3-dev" (Debian, Ubuntu) or '
    '"dnf install gcc pkgconf fuse3-devel" (Fedora) as root, then try again.'
)


def pkg_config(option: str) -> list[str]:
    command = [os.environ.get("PKG_CONFIG", "pkg-config"), option, "fuse3"]
    try:
        result = subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        sys.exit(HELP)
    return result.stdout.split()


def version() -> str:
    with open("pyproject.toml", encoding="utf-8") as file:
        for line in file:
            if line.startswith("version = "):
                return line.split('"')[1]
    raise SystemExit("pyproject.toml names no version")


sanitize = (
    ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-O1", "-g"]
    if os.environ.get("FUSD_SANITIZE")
    else []
)

core = Extension(
    "pyfusd._core",
    ["pyfusd/_core.pyx", *sorted(glob("libfusd/**/*.c", recursive=True))],
    include_dirs=["include", "libfusd"],
    define_macros=[
        ("_GNU_SOURCE", None),
        ("FUSD_VERSION", f'"{version()}"'),
        # Hidden, so that a process may hold another libfusd as well.
        ("FUSD_PUBLIC", ""),
    ],
    extra_compile_args=[
        "-std=gnu11",
        "-fvisibility=hidden",
        *pkg_config("--cflags"),
        *sanitize,
    ],
    extra_link_args=["-pthread", *pkg_config("--libs"), *sanitize],
    depends=[
        *glob("libfusd/**/*.h", recursive=True),
        *glob("include/*.h"),
        *glob("pyfusd/*.px[di]"),
    ],
)

setup(
    ext_modules=cythonize(
        [core],
        build_dir="build/cython",
        compiler_directives={"language_level": "3", "embedsignature": False},
    )
)
