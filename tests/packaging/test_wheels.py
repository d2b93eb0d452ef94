# SPDX-License-Identifier: BSD-3-Clause
"""The wheels that "make wheels" made, if it has: what they promise and carry.

That they work where nothing else is installed is tried by "make check-wheels".
"""

import email
import platform
import re
import subprocess
import zipfile

import pytest

from support import TOP, VERSION

WHEELS = sorted(TOP.glob(f"build/wheels/pyfusd-{VERSION}-*.whl"))
#: The oldest glibc that a wheel may need: Debian 10's, Red Hat's 8.
GLIBC = (2, 28)

if not WHEELS:
    pytest.skip(
        f'there are no wheels of {VERSION}: "make wheels" makes them',
        allow_module_level=True,
    )


@pytest.fixture(scope="module", params=WHEELS, ids=lambda wheel: wheel.name)
def wheel(request, tmp_path_factory):
    """A wheel, unpacked."""
    directory = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(directory)
    return directory


def shown(option, file):
    return subprocess.run(
        ["readelf", "-W", option, file],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    ).stdout


def extension_of(wheel):
    (file,) = wheel.glob("pyfusd/_core.*.so")
    return file


def library_of(wheel):
    (file,) = wheel.glob("pyfusd.libs/*")
    return file


def dist_info_of(wheel):
    return wheel / f"pyfusd-{VERSION}.dist-info"


def message_of(wheel, name):
    return email.message_from_string((dist_info_of(wheel) / name).read_text("utf-8"))


def test_the_tag_is_of_one_python_and_an_old_glibc(wheel):
    (tag,) = message_of(wheel, "WHEEL").get_all("Tag")
    python = extension_of(wheel).name.split("-")[1]
    libc = "_".join(map(str, GLIBC))
    assert tag == f"cp{python}-cp{python}-manylinux_{libc}_{platform.machine()}"


def test_nothing_needs_a_newer_glibc_than_the_tag_says(wheel):
    for file in (extension_of(wheel), library_of(wheel)):
        versions = re.findall(r"\bGLIBC_(\d+)\.(\d+)", shown("-V", file))
        assert versions
        assert max(tuple(map(int, version)) for version in versions) <= GLIBC


def test_each_function_of_libc_is_one_of_that_old_glibc(wheel):
    """A function that the compiler's glibc does not have is not refused: it is
    left without a version, and found to be missing when the extension is loaded."""
    for file in (extension_of(wheel), library_of(wheel)):
        undefined = re.findall(r" GLOBAL .* UND (\S+)", shown("--dyn-syms", file))
        assert undefined
        assert not [
            name for name in undefined if "@" not in name and not re.match("_?Py", name)
        ]


def test_libfuse_is_a_library_beside_the_package_that_one_can_replace(wheel):
    library = library_of(wheel)
    needed = re.findall(r"NEEDED.*\[(.*)\]", shown("-d", extension_of(wheel)))
    assert [name for name in needed if "fuse" in name] == [library.name]
    path = re.search(
        r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", shown("-d", extension_of(wheel))
    )
    assert path[1] == "$ORIGIN/../pyfusd.libs"
    # Nothing of it is in the extension.
    symbols = shown("--dyn-syms", extension_of(wheel))
    assert re.search(r" UND fuse_session_new", symbols)
    assert not re.search(r" \d+ fuse_", symbols)


def test_the_library_finds_fusermount_where_distributions_have_it(wheel):
    assert b"\0/usr/bin/fusermount3\0" in library_of(wheel).read_bytes()


def test_the_library_s_licence_and_source_are_told(wheel):
    metadata = message_of(wheel, "METADATA")
    assert metadata["License-Expression"] == "BSD-3-Clause AND LGPL-2.1-only"
    licences = dist_info_of(wheel) / "licenses"
    assert set(metadata.get_all("License-File")) == {
        str(file.relative_to(licences)) for file in licences.rglob("*.*")
    } | {"LICENSE"}
    text = (licences / "libfuse3" / "LGPL2.txt").read_text("utf-8")
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in text
    readme = (licences / "libfuse3" / "README.txt").read_text("utf-8")
    source = re.search(r"source package (\S+) of", readme)[1]
    assert (TOP / "build" / "wheels" / "source" / f"{source}.dsc").is_file()


def test_the_wheel_is_the_package_of_this_version(wheel):
    metadata = message_of(wheel, "METADATA")
    assert metadata["Version"] == VERSION
    assert metadata["Requires-Python"] == ">=3.9"
    assert (
        "fusd = pyfusd.testing"
        in (dist_info_of(wheel) / "entry_points.txt").read_text()
    )
