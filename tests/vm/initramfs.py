# SPDX-License-Identifier: BSD-3-Clause
"""The initial file system: busybox, the modules that the root needs, init."""

import shutil
import subprocess
from pathlib import Path

import kernels

INIT = Path(__file__).with_name("init")
# What is between the kernel and the shared file system; some are built in.
MODULES = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"]


def with_dependencies(kernel):
    """The module files of MODULES, each after those that it needs."""
    depends, names = {}, {}
    for line in (kernel.modules / "modules.dep").read_text().splitlines():
        path, needed = line.split(":")
        depends[path] = needed.split()
        names[Path(path).name.split(".")[0].replace("-", "_")] = path
    ordered = []
    for name in MODULES:
        path = names.get(name)
        for one in [*reversed(depends[path]), path] if path else []:
            if one not in ordered:
                ordered.append(one)
    return ordered


def make(kernel):
    """Returns the archive; made anew when init or this file is newer."""
    archive = kernel.directory / "initramfs.cpio"
    with kernels.only_one(kernel.directory):
        sources = [INIT, Path(__file__), kernel.modules / "modules.dep"]
        if archive.exists() and all(
            source.stat().st_mtime < archive.stat().st_mtime for source in sources
        ):
            return archive
        busybox = shutil.which("busybox")
        if not busybox:
            raise kernels.Error("busybox is missing: run tools/setup vm")
        staging = kernel.directory / "initramfs"
        shutil.rmtree(staging, ignore_errors=True)
        for name in ("bin", "modules", "proc", "sys", "dev", "host", "job", "root"):
            (staging / name).mkdir(parents=True)
        shutil.copy(busybox, staging / "bin" / "busybox")
        shutil.copy(INIT, staging / "init")
        modules = with_dependencies(kernel)
        for number, path in enumerate(modules):
            file = staging / "modules" / f"{number:02}-{Path(path).name}"
            shutil.copy(kernel.modules / path, file)
        partial = archive.with_suffix(".partial")
        with open(partial, "wb") as file:
            names = "\n".join(str(p.relative_to(staging)) for p in staging.rglob("*"))
            subprocess.run(
                ["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"],
                input=names.encode(),
                cwd=staging,
                stdout=file,
                check=True,
            )
        partial.rename(archive)
    return archive
