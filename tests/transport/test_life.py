# SPDX-License-Identifier: BSD-3-Clause
"""A device's life: names, many devices, the driver's end, and its return."""

import errno
import os
import signal
import stat
import subprocess

import pytest

from support.proc import mounts
from support.scale import scaled
from support.waiting import DEADLINE, wait_until


def assert_gone(path):
    wait_until(lambda: path not in mounts(), f"the end of the mount {path}")
    wait_until(lambda: not os.path.lexists(path), f"the end of {path}")


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("plain", "plain"),
        ("/dev/prefixed", "prefixed"),
        ("a/b/c/deep", "a/b/c/deep"),
        ("x" * 47, "x" * 47),
        ("with space", "with space"),
    ],
)
def test_a_name_says_where_the_device_is(driver, client, name, where):
    served, caller = driver(f"memory:{name}"), client()
    assert served.path.endswith("/" + where)
    caller("write", caller("open", served.path, os.O_RDWR), "x")
    served.process.terminate()
    assert_gone(served.path)


def test_each_device_has_a_number_of_its_own(driver, holds):
    if not holds("character-device"):
        return
    served = driver(*(f"memory:numbered/{n}" for n in range(300)))
    numbers = {os.stat(path).st_rdev for path in served.paths}
    assert len(numbers) == 300


def registration_error(driver_command, environment, name):
    result = subprocess.run(
        [*driver_command, f"memory:{name}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=environment,
        timeout=DEADLINE,
        text=True,
        check=False,
    )
    word, number, sentence = result.stdout.split(" ", 2)
    assert word == "error"
    assert len(sentence.split()) > 3
    return errno.errorcode[int(number)]


@pytest.mark.parametrize(
    "name", ["", "x" * 48, "..", "a/../b", "a//b", "/", ".", "tab\tname", "/dev/"]
)
def test_a_wrong_name_is_einval(driver, environment, name):
    running = driver("memory:right")
    command = running.process.args[:-1]
    assert registration_error(command, environment, name) == "EINVAL"


@pytest.mark.parametrize("name", ["a!b", " before", "after ", "k=v", "%s", "\u00fc"])
def test_an_unusual_name_does_what_the_transport_says(
    driver, client, environment, holds, name
):
    if holds("any-name") or name not in ("a!b", " before", "after "):
        caller = client()
        served = driver(f"memory:{name}")
        assert served.path.endswith("/" + name)
        caller("open", served.path, os.O_RDWR)
    else:
        command = driver("memory:right").process.args[:-1]
        assert registration_error(command, environment, name) == "EINVAL"


def test_a_taken_name_is_eexist(driver, environment):
    running = driver("memory:taken")
    command = running.process.args[:-1]
    assert registration_error(command, environment, "taken") == "EEXIST"
    assert stat.S_IMODE(os.stat(running.path).st_mode) == 0o666


def test_what_is_no_device_is_eexist_and_stays(driver, environment):
    running = driver("memory:right")
    path = os.path.dirname(running.path) + "/file"
    with open(path, "w", encoding="ascii") as file:
        file.write("precious")
    command = running.process.args[:-1]
    assert registration_error(command, environment, "file") == "EEXIST"
    with open(path, encoding="ascii") as file:
        assert file.read() == "precious"
    os.unlink(path)


@pytest.mark.parametrize("name", ["null", "pts", "null/below"])
def test_a_node_of_others_is_eexist_and_stays(driver, environment, name):
    running = driver("memory:right")
    if os.path.dirname(running.path) != "/dev":
        pytest.skip("devices are in a directory of the test's")
    before = os.stat("/dev/null").st_rdev
    command = running.process.args[:-1]
    assert registration_error(command, environment, name) == "EEXIST"
    assert os.stat("/dev/null").st_rdev == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_a_driver_leaves_nothing(driver, client, number):
    served = driver("memory:sub/one", "hold:two")
    caller = client()
    caller("open", served.path, os.O_RDONLY)
    served.process.send_signal(number)
    served.process.wait(DEADLINE)
    for path in served.paths:
        assert_gone(path)
    wait_until(
        lambda: not os.path.exists(os.path.dirname(served.path)), "the end of sub/"
    )


def test_a_killed_driver_wakes_50_blocked_clients(driver, client, holds):
    served = driver("hold:device")
    clients = [client() for _ in range(50)]
    files = {}
    for caller in clients:
        files[caller] = caller("open", served.path, os.O_RDWR)
        caller.start("read", files[caller], 10)
        served.expect("hold")
    served.kill()
    errors = {caller.failure() for caller in clients}
    assert errors == ({"EPIPE"} if holds("death-epipe") else {"ECONNABORTED"})
    # The same name at once, while the old files are open.
    again = driver("memory:device")
    assert again.path == served.path
    newcomer = client()
    descriptor = newcomer("open", again.path, os.O_RDWR)
    assert newcomer("write", descriptor, "alive") == 5
    later = {caller.fails("read", files[caller], 1) for caller in clients}
    assert later == ({"EPIPE"} if holds("death-epipe") else {"ENOTCONN"})
    assert all(caller("close", files[caller]) is None for caller in clients)
    again = newcomer("open", again.path, os.O_RDWR)
    assert newcomer("read", again, 5) == "alive"


def test_unregister_wakes_blocked_clients_with_epipe(driver, client, holds):
    served = driver("hold:device", "memory:other")
    clients = [client() for _ in range(10)]
    for caller in clients:
        caller.start("read", caller("open", served.path, os.O_RDWR), 10)
        served.expect("hold")
    served.command("unregister 0", "unregistered")
    assert {caller.failure() for caller in clients} == {"EPIPE"}
    assert_gone(served.path)
    assert served.answer(1, "x") == errno.EPIPE
    # The driver's other device goes on.
    caller = client()
    other = caller("open", served.paths[1], os.O_RDWR)
    assert caller("write", other, "x") == 1


def test_a_name_is_free_after_unregister(driver):
    served = driver("memory:device", "memory:other")
    served.command("unregister 0", "unregistered")
    assert driver("memory:device").path == served.path


def test_killed_and_restarted_drivers_take_turns(driver):
    for _ in range(15):
        driver("memory:device").kill()


def test_a_callback_registers_and_unregisters(driver, client):
    served, caller = driver("registrar:registrar"), client()
    registrar = caller("open", served.path, os.O_WRONLY)
    base = os.path.dirname(served.path)
    for round in range(3):
        for number in range(5):
            caller("write", registrar, f"+made/{number}\0")
            made = caller("open", f"{base}/made/{number}", os.O_RDWR)
            assert caller("write", made, "x") == 1
        caller("write", registrar, "-\0")
        assert not os.path.exists(f"{base}/made"), round
    assert caller.fails("write", registrar, "!\0") == "EPIPE"
    assert not os.path.exists(served.path)


def test_a_wrong_name_in_a_callback_is_its_answer(driver, client):
    served, caller = driver("registrar:registrar"), client()
    registrar = caller("open", served.path, os.O_WRONLY)
    assert caller.fails("write", registrar, "+a//b\0") == "EINVAL"


def test_one_process_may_have_1000_devices(driver, client):
    # libfuse takes one of the process's 1,024 pthread keys for each session,
    # and a sanitizer or Python has a few of them. fusermount3 counts everybody's
    # mounts against mount_max, 1,000, and a desktop has some.
    count = scaled(1000 if os.getuid() == 0 else 900)
    served = driver(*(f"memory:d{n // 100}/{n}" for n in range(count)))
    caller = client()
    assert len(set(served.paths)) == count
    for path in served.paths[::7]:
        descriptor = caller("open", path, os.O_RDWR)
        assert caller("write", descriptor, "x") == 1
        caller("close", descriptor)
    served.process.terminate()
    served.process.wait(3 * DEADLINE)
    base = os.path.dirname(os.path.dirname(served.path))
    # By the watcher, one after another, each for all that look at the mounts.
    wait_until(
        lambda: f"{base}/d" not in mounts(), "the end of the mounts", 3 * DEADLINE
    )
    wait_until(lambda: not os.path.exists(base + "/d0"), "the end of the files")


def test_opening_its_own_device_does_what_the_transport_says(driver, client, holds):
    served, caller = driver("selfish:device"), client()
    caller.start("write", caller("open", served.path, os.O_WRONLY), served.path + "\0")
    served.expect("opening")
    if holds("self-open"):
        assert served.expect("opened") == f"opened {errno.EDEADLK}"
        assert caller.result() == len(served.path) + 1
    else:
        served.kill()
        assert caller.failure() == "ECONNABORTED"
        assert "opened" not in " ".join(served.drain())


def test_drivers_in_c_and_in_python_serve_side_by_side(driver, client):
    in_c = driver("memory:in-c", language="c")
    in_python = driver("memory:in-python", language="python")
    caller = client()
    for served in (in_c, in_python):
        descriptor = caller("open", served.path, os.O_RDWR)
        assert caller("write", descriptor, served.path) == len(served.path)
        again = caller("open", served.path, os.O_RDONLY)
        assert caller("read", again, 100).rstrip("\0") == served.path


def test_100000_requests_leave_memory_flat(driver):
    served = driver("memory:device")
    copy = ["dd", f"if={served.path}", "of=/dev/null", "bs=16", "status=none"]
    # ASan keeps what is freed, and is full after some 20,000 requests.
    subprocess.run([*copy, "count=30000"], check=True)
    before = served.resident_kilobytes()
    subprocess.run([*copy, f"count={scaled(100_000)}"], check=True)
    served.drain()
    assert served.resident_kilobytes() - before < 2048


def test_mapping_does_what_the_transport_says(driver, client, holds):
    served, caller = driver("memory:device"), client()
    descriptor = caller("open", served.path, os.O_RDWR)
    # The driver has no mmap callback: refused everywhere, and never a crash.
    assert caller.fails("map_shared", descriptor) == "ENODEV"
