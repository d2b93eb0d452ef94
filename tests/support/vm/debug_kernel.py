# SPDX-License-Identifier: BSD-3-Clause
"""The kernel "debug": Debian's sources, built to find mistakes in a module.

Built once, some five minutes; debug.config says with what.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from support.vm.kernels import BUILD, Error, Kernel, download, output, say

PACKAGE = "linux-source-6.1"
PROGRAMS = ("flex", "bison", "bc")
CONFIG = Path(__file__).with_name("debug.config")


def make(source, objects, log, *targets):
    with open(log, "a", encoding="utf-8") as file:
        result = subprocess.run(
            ["make", "-s", f"-j{os.cpu_count()}", f"O={objects}", *targets],
            cwd=source,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={key: os.environ[key] for key in os.environ if key != "MAKEFLAGS"},
            check=False,
        )
    if result.returncode:
        raise Error(f"the debug kernel does not build, see {log}")


def without_effect(config):
    """The lines of debug.config that the kernel's own rules took back."""
    wanted = re.findall(r"^CONFIG_.*", CONFIG.read_text(encoding="ascii"), re.M)
    result = set(config.read_text(encoding="ascii").splitlines())
    return [
        line
        for line in wanted
        if line not in result
        and (not line.endswith("=n") or line.replace("=n", "=y") in result)
    ]


def build(series):
    """Returns the kernel, with image, modules and headers as a package has them."""
    if missing := [name for name in PROGRAMS if not shutil.which(name)]:
        raise Error(
            f"{', '.join(missing)} missing: the debug kernel is built with what "
            f'"apt-get install {" ".join(PROGRAMS)} libelf-dev libssl-dev" installs'
        )
    directory = BUILD / series
    source, objects = directory / "source", directory / "objects"
    log = directory / "build.log"
    log.unlink(missing_ok=True)
    for old in (source, objects, directory / "root"):
        shutil.rmtree(old, ignore_errors=True)
    unpacked = directory / "unpacked"
    download([PACKAGE], directory, unpacked)
    source.mkdir()
    archive = unpacked / "usr" / "src" / f"{PACKAGE}.tar.xz"
    output("tar", "-xf", str(archive), "-C", str(source), "--strip-components=1")
    shutil.rmtree(unpacked)
    say(f"building {PACKAGE} with {CONFIG.name}: some five minutes, see {log}")
    make(source, objects, log, f"KCONFIG_ALLCONFIG={CONFIG}", "allnoconfig")
    if lost := without_effect(objects / ".config"):
        raise Error(f"{CONFIG.name}: without effect: {', '.join(lost)}")
    make(source, objects, log, "bzImage", "modules")
    release = (objects / "include/config/kernel.release").read_text().strip()
    kernel = Kernel(series, release)
    make(
        *[source, objects, log],
        *[f"INSTALL_MOD_PATH={kernel.root}", "modules_install"],
    )
    kernel.image.parent.mkdir(parents=True)
    shutil.copy(objects / "arch/x86/boot/bzImage", kernel.image)
    kernel.headers.parent.mkdir(parents=True)
    kernel.headers.symlink_to(objects)
    return kernel
