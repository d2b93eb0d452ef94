# SPDX-License-Identifier: BSD-3-Clause
"""What a guest boots with: a busybox that needs nothing, and what is current."""

import os
import shutil
import struct
import sys
from pathlib import Path

import pytest

from support.vm import busybox, initramfs, kernels


def elf(*types):
    """The beginning of a program with headers of these types."""
    header = b"\x7fELF\x02\x01\x01".ljust(32, b"\0") + struct.pack("<Q", 64)
    header = header.ljust(54, b"\0") + struct.pack("<HH", 56, len(types))
    return header.ljust(64, b"\0") + b"".join(
        struct.pack("<I", one).ljust(56, b"\0") for one in types
    )


@pytest.fixture
def program(tmp_path, monkeypatch):
    """program(content): what is first in PATH as busybox."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setattr(busybox, "DIRECTORY", tmp_path / "busybox")

    def put(content):
        (tmp_path / "bin").mkdir(exist_ok=True)
        path = tmp_path / "bin" / "busybox"
        path.write_bytes(content)
        path.chmod(0o755)
        return path

    return put


def test_a_static_busybox_of_this_machine_is_taken(program):
    path = program(elf(1, 1, 4))
    assert busybox.static() == path


def test_a_dynamic_one_is_not_and_another_is_unpacked_under_build(
    program, monkeypatch, capfd
):
    def download(names, directory, root):
        assert names == ["busybox-static"]
        (root / "usr/bin").mkdir(parents=True)
        (root / "usr/bin/busybox").write_bytes(elf(1))

    program(elf(6, 3, 1))
    monkeypatch.setattr(kernels, "download", download)
    unpacked = busybox.DIRECTORY / "root/usr/bin/busybox"
    assert busybox.static() == busybox.static() == unpacked
    assert capfd.readouterr().err.count("is not a static one") == 1


def test_this_python_is_known_as_dynamic_and_a_script_as_no_program(program):
    if not Path(os.path.realpath(sys.executable)).read_bytes().startswith(b"\x7fELF\2"):
        pytest.skip("this Python is no 64-bit ELF program")
    assert not busybox.is_static(os.path.realpath(sys.executable))
    assert not busybox.is_static(program(b"#!/bin/sh\n"))


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """One with a single module, whose archive is only counted."""
    monkeypatch.setattr(kernels, "BUILD", tmp_path / "vm")
    kernel = kernels.Kernel("6.12", "6.12.1-amd64")
    module = kernel.modules / "kernel/fs/9p.ko"
    module.parent.mkdir(parents=True)
    module.write_bytes(b"module")
    (kernel.modules / "modules.dep").write_text("kernel/fs/9p.ko:\n")
    return kernel


def test_the_archive_is_made_anew_when_its_parts_change(program, kernel, monkeypatch):
    made = []

    def pack(staging, archive):
        made.append({str(p.relative_to(staging)) for p in staging.rglob("*.ko")})
        shutil.copy(staging / "bin/busybox", archive)

    monkeypatch.setattr(initramfs, "pack", pack)
    path = program(elf(1))
    archive = initramfs.make(kernel)
    assert initramfs.make(kernel) == archive
    assert made == [{"modules/00-9p.ko"}]
    # Another program of the same name, older than the archive.
    program(elf(1, 1))
    os.utime(path, (1, 1))
    assert initramfs.make(kernel).read_bytes() == elf(1, 1)
    (kernel.modules / "kernel/fs/9p.ko").write_bytes(b"a newer module")
    initramfs.make(kernel)
    archive.unlink()
    initramfs.make(kernel)
    assert len(made) == 4
