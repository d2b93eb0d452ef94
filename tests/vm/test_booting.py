# SPDX-License-Identifier: BSD-3-Clause
"""How tests/vm/run ends where it boots nothing."""

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest

from support.vm import kernels

RUN = str(Path(__file__).with_name("run"))


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Its main(), for a kernel whose headers are not there."""
    loader = importlib.machinery.SourceFileLoader("run", RUN)
    script = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("run", loader)
    )
    loader.exec_module(script)
    kernel = kernels.Kernel("6.12", "6.12.1-amd64")
    monkeypatch.setattr(kernels, "BUILD", tmp_path)
    monkeypatch.setattr(kernels, "get", lambda series, prepare: kernel)
    monkeypatch.setattr("sys.argv", ["run", "--kernel", "6.12", "true"])
    kernel.directory.mkdir()
    return script.main


def test_a_module_that_does_not_build_is_a_failure(run, capfd):
    assert run() == 99
    errors = capfd.readouterr().err
    assert "no kernel to build for" in errors
    assert "vm: kfusd does not build for 6.12.1-amd64, see " in errors


def test_what_is_missing_leaves_the_guest_out(run, monkeypatch, capfd):
    monkeypatch.setattr("support.vm.kernels.build_module", lambda kernel: None)
    monkeypatch.setattr("support.vm.machine.shutil.which", lambda name: None)
    assert run() == kernels.CANNOT_BOOT
    assert "qemu-system-x86_64 is missing" in capfd.readouterr().err
