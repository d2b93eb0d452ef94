# SPDX-License-Identifier: BSD-3-Clause
"""Debian's kernels and their headers, unpacked under build/vm, not installed."""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from support import TOP

BUILD = TOP / "build" / "vm"
CANNOT_BOOT = 98


class Error(Exception):
    """A sentence for the user: what is missing, and what to do."""


class ModuleError(Exception):
    """The kernel is there, but kfusd does not build for it."""


@dataclass
class Kernel:
    series: str
    release: str

    @property
    def directory(self):
        return BUILD / self.series

    @property
    def root(self):
        return self.directory / "root"

    @property
    def image(self):
        return self.root / "boot" / f"vmlinuz-{self.release}"

    @property
    def headers(self):
        return self.root / "usr" / "src" / f"linux-headers-{self.release}"

    @property
    def modules(self):
        return self.root / "lib" / "modules" / self.release


def say(sentence):
    print(f"vm: {sentence}", file=sys.stderr, flush=True)


def output(*command):
    try:
        return subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    except FileNotFoundError:
        raise Error(f"{command[0]} is missing: Debian's kernels need it") from None
    except subprocess.CalledProcessError as error:
        raise Error(f"{' '.join(command)}: exit status {error.returncode}") from None


@contextlib.contextmanager
def only_one(directory):
    """One process at a time prepares what is in the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / ".lock", "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def default_series():
    """That of the kernel which this Debian installs of itself."""
    depends = output("apt-cache", "depends", "linux-image-amd64")
    match = re.search(r"Depends: linux-image-(\d+\.\d+)\.", depends)
    if not match:
        raise Error('apt-cache knows no linux-image-amd64: run "apt-get update"')
    return match[1]


def newest_release(series):
    """The newest release of a series that Debian has an image of."""
    pattern = re.compile(
        rf"linux-image-({re.escape(series)}\.(?!.*-(?:cloud|rt)-)\S*-amd64)$"
    )
    names = output("apt-cache", "pkgnames", f"linux-image-{series}.").split()
    found = [match[1] for match in map(pattern.match, names) if match]
    if not found:
        raise Error(
            f"apt-cache knows no linux-image-{series}.*-amd64: "
            'run "apt-get update", or choose a kernel that your Debian has'
        )
    return max(found, key=lambda name: [int(n) for n in re.findall(r"\d+", name)])


def packages(release):
    """The image and the headers, and what these are useless without."""
    names = [f"linux-image-{release}", f"linux-headers-{release}"]
    parts = r"^  Depends: (linux-(?:binary|modules|headers|kbuild)-\S+)"
    needed = re.findall(parts, output("apt-cache", "depends", *names), re.M)
    return [*names, *needed]


def download(names, directory, root):
    """Unpacks packages of these names into root."""
    say(f"downloading and unpacking {', '.join(names)}")
    shutil.rmtree(root, ignore_errors=True)
    downloads = directory / "packages"
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir(parents=True)
    log = directory / "download.log"
    with open(log, "w", encoding="utf-8") as file:
        result = subprocess.run(
            ["apt-get", "-q", "download", *names],
            cwd=downloads,
            stdout=file,
            stderr=file,
            check=False,
        )
    if result.returncode:
        raise Error(
            f'"apt-get download {" ".join(names)}" failed, see {log}: '
            'is there a network, and is "apt-get update" recent?'
        )
    for package in downloads.glob("*.deb"):
        output("dpkg", "-x", str(package), str(root))
    if not (root / "lib").exists():  # Debian 13's packages say usr/lib
        (root / "lib").symlink_to("usr/lib")
    shutil.rmtree(downloads)


def relocate_headers(kernel):
    """The headers name each other by absolute paths: here they lie elsewhere."""
    makefile = kernel.headers / "Makefile"
    text = makefile.read_text(encoding="ascii")
    makefile.write_text(text.replace("/usr/src/", "../"), encoding="ascii")


def fetch(series):
    """The newest kernel of a series that Debian has."""
    kernel = Kernel(series, newest_release(series))
    download(packages(kernel.release), kernel.directory, kernel.root)
    relocate_headers(kernel)
    return kernel


def get(series, prepare):
    """The kernel of this name; prepare(series) makes it, only the first time."""
    stamp = BUILD / series / "release"
    with only_one(BUILD / series):
        if not stamp.exists():
            kernel = prepare(series)
            output("depmod", "-b", str(kernel.root), kernel.release)
            stamp.write_text(kernel.release, encoding="ascii")
    return Kernel(series, stamp.read_text(encoding="ascii"))


def build_module(kernel):
    """kfusd.ko for the kernel; None while there is no kernel/ to build."""
    if not (TOP / "kernel" / "Makefile").exists():
        say("there is no kernel/Makefile: no kfusd in this guest")
        return None
    build = kernel.directory / "kfusd"
    log = kernel.directory / "kfusd.log"
    with only_one(build), open(log, "w", encoding="utf-8") as file:
        result = subprocess.run(
            ["make", "-C", TOP / "kernel", f"KDIR={kernel.headers}", f"BUILD={build}"],
            stdout=file,
            stderr=subprocess.STDOUT,
            env={key: os.environ[key] for key in os.environ if key != "MAKEFLAGS"},
            check=False,
        )
    if result.returncode:
        sys.stderr.write(log.read_text(encoding="utf-8", errors="replace"))
        raise ModuleError(f"kfusd does not build for {kernel.release}, see {log}")
    return build / "kfusd.ko"
