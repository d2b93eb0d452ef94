# SPDX-License-Identifier: BSD-3-Clause
"""The source distribution and the wheel, built from it and from nothing else."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

from support import TOP, VERSION


def run(*command, **options):
    result = subprocess.run(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """The source distribution and the wheel that it makes."""
    pytest.importorskip("build")
    out = tmp_path_factory.mktemp("dist")
    # Without isolation: the build's requirements are installed, and no
    # network is needed. The wheel is made in an unpacked copy of the source.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, TOP)
    (source,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    return source, wheel


@pytest.fixture(scope="module")
def installed(distributions, tmp_path_factory):
    """An environment with the wheel in it and nothing else."""
    where = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", where)
    run(
        where / "bin" / "python", "-m", "pip", "--disable-pip-version-check",
        "install", "--no-index", "--no-deps", distributions[1],
    )  # fmt: skip
    return where


def test_the_source_has_what_a_build_needs_and_no_products(distributions):
    with tarfile.open(distributions[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "setup.py", "LICENSE", "README.md"} <= names
    assert "packaging/description.md" in names
    assert {"include/fusd.h", "pyfusd/_core.pyx", "pyfusd/py.typed"} <= names
    assert not {n for n in names if n.endswith((".so", ".o", ".c.orig", ".pyc"))}
    assert {n for n in names if n.startswith("pyfusd/") and n.endswith(".c")} == set()


def test_the_wheel_has_stubs_command_plugin_and_manual(distributions):
    with zipfile.ZipFile(distributions[1]) as archive:
        names = archive.namelist()
        entry_points = archive.read(
            f"pyfusd-{VERSION}.dist-info/entry_points.txt"
        ).decode()
    assert "pyfusd/py.typed" in names
    assert "pyfusd/_core.pyi" in names
    for path in (
        "man/man1/fusd.1",
        "bash-completion/completions/fusd",
        "zsh/site-functions/_fusd",
        "fish/vendor_completions.d/fusd.fish",
    ):
        assert f"pyfusd-{VERSION}.data/data/share/{path}" in names
    assert f"pyfusd-{VERSION}.data/scripts/fusd" in names
    assert "_fusd_command.py" in names
    assert "[pytest11]\nfusd = pyfusd.testing" in entry_points
    assert not [name for name in names if name.endswith((".pyx", ".c", ".h"))]


def test_libfuse_is_the_extension_s_only_library_beside_libc(installed):
    (extension,) = installed.glob("lib/python*/site-packages/pyfusd/_core*.so")
    needed = re.findall(r"^\s*(\S+?)\.so\S* ", run("ldd", extension), re.M)
    names = {os.path.basename(name) for name in needed}
    assert names - {"linux-vdso", "ld-linux-x86-64", "ld-linux-aarch64"} <= {
        "libfuse3",
        "libc",
        "libpthread",
        "libdl",
    }


def test_the_wheel_works_with_no_other_package(installed):
    output = run(
        installed / "bin" / "python", "-c",
        "import pyfusd, pyfusd._cli.main, pyfusd.tracing; print(pyfusd.__version__)",
        cwd="/",
    )  # fmt: skip
    assert output == VERSION + "\n"


def test_a_missing_libfuse_is_named_with_what_to_install(installed, tmp_path):
    (package,) = installed.glob("lib/python*/site-packages/pyfusd")
    shutil.copytree(package, tmp_path / "pyfusd")
    (extension,) = (tmp_path / "pyfusd").glob("_core*.so")
    # Now it wants a library that nobody has.
    extension.write_bytes(
        re.sub(rb"libfuse3\.so\.\d", b"libfuse3.so.X", extension.read_bytes())
    )
    result = subprocess.run(
        [installed / "bin" / "python", "-c", "import pyfusd"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    message = result.stderr.splitlines()[-1]
    assert message.startswith("ImportError: libfuse3.so.X: cannot open shared object")
    assert '"apt install fuse3"' in message


def test_the_version_is_the_project_s_everywhere(installed, distributions):
    assert run(installed / "bin" / "fusd", "--version", cwd="/") == f"fusd {VERSION}\n"
    assert all(f"pyfusd-{VERSION}" in str(path) for path in distributions)
