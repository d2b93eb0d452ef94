# SPDX-License-Identifier: BSD-3-Clause
"""Builds the one extension: the Cython glue and libfusd itself, in one file; and with
it the shells' completion of the command.

FUSD_SANITIZE=1 builds it with AddressSanitizer and UBSan, for the tests.
"""

import os
import subprocess
import sys
from glob import glob
from typing import ClassVar

from Cython.Build import cythonize
from setuptools import Command, Extension, setup
from setuptools.command.build import build

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


class BuildCompletion(Command):
    """Writes what shells complete, which the package that was just built says."""

    user_options: ClassVar = []

    def initialize_options(self) -> None:
        self.editable_mode = False  # setuptools sets it.

    def finalize_options(self) -> None:
        self.build_lib = self.get_finalized_command("build").build_lib

    def run(self) -> None:
        if self.editable_mode:
            return  # Nothing is installed then but the modules.
        # pip's own, where it put what the build requires, comes after.
        path = os.pathsep.join([self.build_lib, os.environ.get("PYTHONPATH", "")])
        subprocess.run(
            [sys.executable, "packaging/completion/generate.py", "build/share"],
            check=True,
            env={**os.environ, "PYTHONPATH": path},
        )

    def get_source_files(self) -> list[str]:
        return glob("packaging/completion/*")

    def get_outputs(self) -> list[str]:
        return []

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class Build(build):
    sub_commands: ClassVar = [*build.sub_commands, ("build_completion", None)]


setup(
    cmdclass={"build": Build, "build_completion": BuildCompletion},
    ext_modules=cythonize(
        [core],
        build_dir="build/cython",
        compiler_directives={"language_level": "3", "embedsignature": False},
    ),
)
