# SPDX-License-Identifier: BSD-3-Clause
"""docs/testing-with-mocks.md: its code runs as it stands there."""

import re
import shutil

import pytest

from support import TOP

TEXT = (TOP / "docs" / "testing-with-mocks.md").read_text(encoding="utf-8")


FILES = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", TEXT, re.S))


@pytest.fixture
def passes(pytester, monkeypatch, transport):
    """passes(name, ...) runs these files of the document as one suite."""
    monkeypatch.setenv("FUSD_TRANSPORT", transport)
    monkeypatch.setenv("PYTHONPATH", str(TOP / "examples" / "python"))

    def run(*names):
        for name in names:
            (pytester.path / name).write_text(FILES[name], encoding="utf-8")
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
        tests = sum(FILES[name].count("\ndef test_") for name in names)
        result.assert_outcomes(passed=tests)

    return run


def test_every_file_of_the_document_is_run_here():
    assert set(FILES) == {"thermometer.py", "test_thermometer.py", "test_hardware.py"}


def test_the_first_test_passes(passes):
    passes("thermometer.py", "test_thermometer.py")


def test_unmodified_clients_are_tested_with_mocks(passes):
    pytest.importorskip("smbus2")
    if not shutil.which("hwclock"):
        pytest.skip("hwclock is not installed: it is in util-linux-extra")
    passes("test_hardware.py")
