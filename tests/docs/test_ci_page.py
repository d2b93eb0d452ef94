# SPDX-License-Identifier: BSD-3-Clause
"""continuous-integration.md: its files are read, and what it says of mounting is so."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

import pyfusd
from support import TOP
from support.pages import blocks_of

yaml = pytest.importorskip("yaml")

FILES = [
    (block.language, block.text)
    for block in blocks_of("continuous-integration.md")
    if block.language not in ("", "console")
]
# What Docker gives a container's root.
DOCKER = (
    "+chown,+dac_override,+fsetid,+fowner,+mknod,+net_raw,+setgid,+setuid,+setfcap,"
    "+setpcap,+net_bind_service,+sys_chroot,+kill,+audit_write"
)


def parsed(kind):
    loader = {"yaml": yaml.safe_load, "json": json.loads}[kind]
    return [loader(text) for language, text in FILES if language == kind]


def workflow_steps(workflow):
    return [step.get("run") for step in workflow["jobs"]["test"]["steps"]]


def test_each_file_is_read():
    assert {language for language, _ in FILES} == {"yaml", "json", "toml", "dockerfile"}
    *workflows, gitlab, compose = parsed("yaml")
    assert len(workflows) == 2
    last = [
        "python -m pip install ./fusd pytest",
        "fusd doctor fuse",
        "python -m pytest --ignore=fusd",
    ]
    for steps in (*map(workflow_steps, workflows), gitlab["test"]["script"]):
        assert steps[-3:] == last
    assert compose["services"]["test"]["devices"] == ["/dev/fuse:/dev/fuse"]
    (devcontainer,) = parsed("json")
    assert devcontainer["capAdd"] == ["SYS_ADMIN"]


def test_the_runner_s_configuration_is_read():
    tomllib = pytest.importorskip("tomllib")
    (text,) = (text for language, text in FILES if language == "toml")
    (runner,) = tomllib.loads(text)["runners"]
    assert runner["docker"]["devices"] == ["/dev/fuse"]


def test_containers_get_what_the_transport_needs():
    """All that start one; the jobs of the others run in what those started."""
    page = (TOP / "docs" / "continuous-integration.md").read_text(encoding="utf-8")
    starting = [text for language, text in FILES if language in ("toml", "json")]
    starting += [text for _, text in FILES if "cap_add" in text or "--cap-add" in text]
    starting.append(re.search(r"^\$ docker run .*", page, re.M)[0])
    assert len(starting) >= 4
    for text in starting:
        for needed in ("/dev/fuse", "SYS_ADMIN", "apparmor=unconfined"):
            assert needed in text, text


def test_packages_are_those_that_building_needs():
    setup = (TOP / "tools" / "setup").read_text(encoding="utf-8")
    for _, text in FILES:
        for packages in re.findall(r"apt-get install (.*)", text):
            names = set(packages.split()) - {
                "-y",
                "--no-install-recommends",
                "&&",
                "\\",
            }
            assert names == {"gcc", "pkg-config", "libfuse3-dev", "fuse3"}
            assert all(f"echo {name}\n" in setup for name in names)


@pytest.fixture
def start(tmp_path):
    """start(option, ...) runs a driver under setpriv; what it says."""
    problem = pyfusd.transport_problem("fuse")
    if problem or os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip(problem or "it takes root, and setpriv")
    (tmp_path / "driver.py").write_text(
        "import pyfusd\nclass One(pyfusd.Device): pass\n"
    )

    def run(*options):
        command = [sys.executable, "-m", "pyfusd", "run", "driver.py", "--", "true"]
        result = subprocess.run(
            ["setpriv", "--inh-caps", "-all", *options, *command],
            cwd=tmp_path,
            env={
                **os.environ,
                "FUSD_TRANSPORT": "fuse",
                "FUSD_DEV_ROOT": str(tmp_path / "dev"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return result.returncode, result.stdout

    return run


def test_root_of_a_container_needs_sys_admin(start):
    status, text = start("--bounding-set", f"-all,{DOCKER}")
    assert status == 1
    assert "mount failed: Operation not permitted" in text
    status, text = start("--bounding-set", f"-all,{DOCKER},+sys_admin")
    assert status == 0, text
