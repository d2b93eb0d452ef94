# SPDX-License-Identifier: BSD-3-Clause
"""The extension under AddressSanitizer: no freed memory is ever touched."""

import os
import shutil
import subprocess
import sys

import pytest

from support import TESTS, TOP
from support.scale import SCALE

OUT = TOP / "build" / "sanitize" / "python"


@pytest.fixture(scope="session")
def sanitized():
    """What makes Python use a copy of the package, built with ASan and UBSan."""
    library = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    if not os.path.isabs(library):
        pytest.skip("gcc has no AddressSanitizer here")
    subprocess.run(
        [
            sys.executable,
            "setup.py",
            "-q",
            "build_ext",
            f"--build-lib={OUT}",
            f"--build-temp={OUT}/objects",
        ],
        cwd=TOP,
        env={**os.environ, "FUSD_SANITIZE": "1"},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    shutil.copytree(
        TOP / "pyfusd",
        OUT / "pyfusd",
        ignore=shutil.ignore_patterns("*.so", "__pycache__"),
        dirs_exist_ok=True,
    )
    return {
        "LD_PRELOAD": library,
        "PYTHONPATH": str(OUT),
        "PYTHONMALLOC": "malloc",
        # Python itself leaves much behind at its end.
        "ASAN_OPTIONS": "detect_leaks=0",
    }


@pytest.mark.skipif(SCALE < 1, reason="built with ASan, far too slow where emulated")
def test_kept_views_never_show_freed_memory(sanitized):
    script = (
        "import logging, runpy, sys;"
        "logging.disable();"
        "import pyfusd._core as core;"
        f"assert core.__file__.startswith({str(OUT)!r}), core.__file__;"
        f"runpy.run_path({str(TESTS / 'python' / 'sanitized.py')!r})"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **sanitized},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-5000:]
    assert result.stdout == "clean\n"
    assert "Sanitizer" not in result.stderr
