# SPDX-License-Identifier: BSD-3-Clause
"""Whose a device's node is."""

import grp
import os
import pwd

import pytest

import pyfusd

root_only = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may give a node to others"
)


def owner_of(device):
    status = os.stat(device.path)
    return status.st_uid, status.st_gid


def test_a_node_is_its_driver_s(serve):
    assert owner_of(serve(pyfusd.Device("plain"))) == (os.geteuid(), os.getegid())


@root_only
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"owner": 12}, (12, 0)),
        ({"group": 34}, (0, 34)),
        ({"owner": "daemon", "group": "daemon"}, None),
    ],
)
def test_a_node_has_the_owner_and_group_that_are_asked_for(serve, given, expected):
    if expected is None:
        expected = pwd.getpwnam("daemon").pw_uid, grp.getgrnam("daemon").gr_gid
    device = serve(pyfusd.Device("owned", 0o640, **given))
    assert owner_of(device) == expected
    assert os.stat(device.path).st_mode & 0o777 == 0o640


@pytest.mark.parametrize("given", [{"owner": "no such"}, {"group": "no such"}])
def test_a_name_that_nobody_has_is_told(given):
    with pytest.raises(LookupError, match=r"there is no (user|group) 'no such'"):
        pyfusd.Device("named", **given).register()


@root_only
def test_others_may_not_give_a_node_away(transport):
    if transport != "fuse":
        pytest.skip("elsewhere only root has devices")
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        seen = []
        for given in ({"owner": 12}, {"group": 34}):
            try:
                pyfusd.Device("given", **given).register()
            except PermissionError as error:
                seen.append("only root" in error.strerror)
        os._exit(0 if seen == [True, True] else 1)
    assert os.waitpid(pid, 0)[1] == 0
