# SPDX-License-Identifier: BSD-3-Clause
"""The initial file system: busybox, the modules that the root needs, init."""

import json
import shutil
import subprocess
from pathlib import Path

from support.vm import busybox, kernels

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


def describe(files):
    """What tells these files from other ones, and from older ones of their name."""
    status = [(file, file.stat()) for file in files]
    return json.dumps([(str(f), s.st_size, s.st_mtime_ns) for f, s in status])


def stage(staging, program, modules):
    """Puts the files where the archive has them."""
    shutil.rmtree(staging, ignore_errors=True)
    for name in ("bin", "modules", "proc", "sys", "dev", "host", "job", "root"):
        (staging / name).mkdir(parents=True)
    shutil.copy(program, staging / "bin" / "busybox")
    shutil.copy(INIT, staging / "init")
    for number, file in enumerate(modules):
        shutil.copy(file, staging / "modules" / f"{number:02}-{file.name}")


def pack(staging, archive):
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


def make(kernel):
    """Returns the archive; made anew when it would have other parts."""
    program = busybox.static()
    archive = kernel.directory / "initramfs.cpio"
    parts = kernel.directory / "initramfs.parts"
    with kernels.only_one(kernel.directory):
        modules = [kernel.modules / path for path in with_dependencies(kernel)]
        described = describe([program, INIT, Path(__file__), *modules])
        if (
            not archive.exists()
            or not parts.exists()
            or parts.read_text(encoding="utf-8") != described
        ):
            stage(kernel.directory / "initramfs", program, modules)
            pack(kernel.directory / "initramfs", archive)
            parts.write_text(described, encoding="utf-8")
    return archive
