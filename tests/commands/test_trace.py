# SPDX-License-Identifier: BSD-3-Clause
"""fusd trace: of a driver it runs, and of one that runs already."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading

import pytest

import pyfusd
from support.waiting import DEADLINE

pytestmark = pytest.mark.usefixtures("drivers")


def lines_until(running, operation, count=1):
    """JSON lines up to the count-th of an operation."""
    calls = []
    while sum(call["operation"] == operation for call in calls) < count:
        line = running.line()
        assert line, running.process.stderr.read()
        calls.append(json.loads(line))
    return calls


@pytest.fixture(params=["wrapped", "attached"])
def traced(request, start, root):
    """traced(class) gives a trace in JSON, and the device's path."""

    def run(name, *options, show=("--json",)):
        target = f"drivers.py:{name}"
        if request.param == "wrapped":
            trace = start("trace", *show, target, "--name", "device", *options)
            assert trace.error_line() == f"device: {root}/device"
        else:
            start("run", target, "--name", "device", *options).line()
            trace = start("trace", *show, root / "device")
            assert trace.error_line() == f"fusd: tracing {root}/device"
        return trace, root / "device"

    return run


@pytest.mark.parametrize("driver", ["Echo", "Later"])
def test_a_cat_is_seen_with_pid_sizes_offsets_and_latencies(traced, driver):
    trace, path = traced(driver, "-o", "greeting=hello")
    if path.read_bytes() != b"hello":  # Not by a process of ours: no call is lost.
        pytest.fail("the driver does not answer")
    lines_until(trace, "close")
    cat = subprocess.Popen(["cat", path], stdout=subprocess.PIPE)
    assert cat.communicate()[0] == b"hello"
    calls = lines_until(trace, "close")
    assert {(call["pid"], call["command"]) for call in calls} == {(cat.pid, "cat")}
    assert [call["operation"] for call in calls] == ["open", "read", "read", "close"]
    reads = [(c["size"], c["offset"], c["result"]) for c in calls[1:3]]
    assert reads == [(131072, 0, 5), (131072, 5, 0)]
    assert all(0 < call["microseconds"] < 20e6 for call in calls)
    assert all(call["device"] == str(path) and not call["held"] for call in calls)


def test_ioctls_show_number_argument_and_errno(traced):
    trace, path = traced("Echo")
    descriptor = os.open(path, os.O_RDWR)
    fcntl.ioctl(descriptor, pyfusd.IOWR("T", 1, 8), bytearray(8))
    for number in (pyfusd.IO("T", 2), pyfusd.IO("T", 3)):
        with pytest.raises(OSError):
            fcntl.ioctl(descriptor, number, 42)
    os.close(descriptor)
    calls = [c for c in lines_until(trace, "close") if c["operation"] == "ioctl"]
    fields = ("request", "size", "argument", "result", "errno")
    assert [tuple(call[field] for field in fields) for call in calls] == [
        (pyfusd.IOWR("T", 1, 8), 8, None, 0, None),
        (pyfusd.IO("T", 2), None, 42, -16, "EBUSY"),
        (pyfusd.IO("T", 3), None, 42, -25, "ENOTTY"),
    ]


def test_a_callback_that_raises_shows_as_eio(traced):
    trace, path = traced("Echo")
    with pytest.raises(OSError):
        path.write_bytes(b"raise")
    (write,) = [c for c in lines_until(trace, "close") if c["operation"] == "write"]
    assert (write["size"], write["result"], write["errno"]) == (5, -5, "EIO")


def test_a_held_request_shows_when_it_is_answered(traced):
    trace, path = traced("Holding")
    reader = subprocess.Popen(["head", "-c4", path], stdout=subprocess.PIPE)
    lines_until(trace, "open")
    writer = os.open(path, os.O_WRONLY)
    answered = threading.Thread(target=answer, args=(writer, reader))
    answered.start()
    assert reader.communicate()[0] == b"done"
    answered.join()
    os.close(writer)
    calls = lines_until(trace, "read")
    (read,) = [call for call in calls if call["operation"] == "read"]
    assert (read["pid"], read["result"], read["held"]) == (reader.pid, 4, True)


def answer(writer, reader):
    """Writes until the read was there to be answered."""
    while reader.poll() is None:
        with contextlib.suppress(BlockingIOError):
            os.write(writer, b"done")


def test_the_text_is_one_line_a_request(start, root):
    start("run", "drivers.py:Echo", "-o", "greeting=hello").line()
    trace = start("trace", root / "echo")
    trace.error_line()
    subprocess.run(["cat", root / "echo"], stdout=subprocess.DEVNULL, check=True)
    pattern = (
        r"\d\d:\d\d:\d\d\.\d{6} \S+\[\d+\] "
        r"(open\(O_RDONLY\S*\) = 0|read\(\d+ bytes at \d+\) = \d+|close\(\) = 0)"
        r"  \d+\.\d+ [um]s"
    )
    for _ in range(4):
        assert re.fullmatch(pattern, trace.line())


def test_data_shows_below_its_call(traced):
    trace, path = traced("Echo", show=["--data"])
    writer = os.open(path, os.O_WRONLY)
    os.write(writer, b"x" * 64 + b"more")
    os.close(writer)
    reader = os.open(path, os.O_RDONLY)
    assert os.read(reader, 5) == b"xxxxx"
    os.close(reader)
    assert "open(" in trace.line()
    assert "write(" in trace.line()
    for start in range(0, 64, 16):
        assert trace.line() == f"  > {start:04x}  {' '.join(['78'] * 16)}  {'x' * 16}"
    assert trace.line() == "  > and 4 bytes more"
    assert "close(" in trace.line()
    assert "open(" in trace.line()
    assert "read(" in trace.line()
    assert trace.line() == f"  < 0000  {' '.join(['78'] * 5):47}  xxxxx"
    assert "close(" in trace.line()


def test_data_is_in_json_too(traced):
    trace, path = traced("Echo", show=["--json", "--data-size", "4"])
    descriptor = os.open(path, os.O_RDWR)
    fcntl.ioctl(descriptor, pyfusd.IOWR("T", 1, 8), bytearray(b"12345678"))
    os.write(descriptor, b"abc")
    os.close(descriptor)
    calls = lines_until(trace, "close")
    assert [(call["operation"], call.get("data")) for call in calls] == [
        ("open", None),
        (
            "ioctl",
            {
                "received": {"hex": b"1234".hex(), "left_out": 4},
                "sent": {"hex": b"8765".hex(), "left_out": 4},
            },
        ),
        ("write", {"received": {"hex": b"abc".hex(), "left_out": 0}, "sent": None}),
        ("close", None),
    ]


# A process of its own: the trace waits for who reads it, and with it the client.
CLIENT_OF_MUCH = """
import fcntl, os, sys
import pyfusd

device = os.open(sys.argv[1], os.O_RDWR)
fcntl.ioctl(device, pyfusd.IOWR("T", 3, 16383), bytearray(b"x" * 16383))
os.write(device, b"y" * 20000)
"""


def test_the_most_data_fits_into_a_message(traced):
    trace, path = traced("Whole", show=["--json", "--data-size", "16384"])
    client = subprocess.Popen([sys.executable, "-c", CLIENT_OF_MUCH, path])
    _, ioctl, write, _ = lines_until(trace, "close")
    assert client.wait(DEADLINE) == 0
    whole = {"hex": (b"x" * 16383).hex(), "left_out": 0}
    assert ioctl["data"] == {"received": whole, "sent": whole}
    excerpt = {"hex": (b"y" * 16384).hex(), "left_out": 20000 - 16384}
    assert write["data"] == {"received": excerpt, "sent": None}


@pytest.mark.parametrize(
    "wish", [None, b"?", b"\xff" * 4, b"\0" * 9], ids=["none", "short", "most", "long"]
)
def test_a_driver_survives_a_tracer_of_another_version(start, root, wish):
    driver = start("run", "drivers.py:Echo")
    driver.line()
    device = os.open(root / "echo", os.O_RDWR)
    os.read(device, 1)  # By now it answers tracers, too.
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.settimeout(DEADLINE)
        listener.bind(f"\0fusd-trace/{driver.process.pid}")
        listener.listen()
        os.kill(driver.process.pid, signal.SIGURG)
        tracer, _ = listener.accept()
    with tracer:
        tracer.settimeout(DEADLINE)
        if wish is not None:
            tracer.send(wish)
        os.write(device, b"hello")
        os.close(device)
        messages = [json.loads(tracer.recv(100000)) for _ in range(3)]
    assert [m.get("operation") for m in messages] == [None, "write", "close"]
    assert ("data" in messages[1]) == (wish == b"\xff" * 4)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_driver_goes_on_when_the_trace_ends(start, root, number):
    driver = start("run", "drivers.py:Echo", "-o", "greeting=hello")
    driver.line()
    for _ in range(2):
        trace = start("trace", driver.process.pid)
        assert trace.error_line() == f"fusd: tracing {root}/echo"
        assert (root / "echo").read_bytes() == b"hello"
        status, _, errors = trace.end(number)
        assert status == (0 if number == signal.SIGINT else -number)
        assert errors == ""
        assert (root / "echo").read_bytes() == b"hello"
    assert driver.end(signal.SIGINT) == (0, "", "")


# SIGINT comes when Python has looked for signals for the last time before it waits
# for what follows the fourth message: after the devices, open, write and close.
INTERRUPTING = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#define LAST_WAIT 5

static int polls, receives;

ssize_t recv(int fd, void *data, size_t size, int flags)
{
    ssize_t (*next)(int, void *, size_t, int) = dlsym(RTLD_NEXT, "recv");

    if (++receives == LAST_WAIT)
        raise(SIGINT);
    return next(fd, data, size, flags);
}

int poll(struct pollfd *polled, nfds_t count, int timeout)
{
    int (*next)(struct pollfd *, nfds_t, int) = dlsym(RTLD_NEXT, "poll");

    if (timeout < 0 && ++polls == LAST_WAIT)
        raise(SIGINT);
    return next(polled, count, timeout);
}
"""


def test_an_interrupt_right_before_a_wait_ends_the_trace(
    start, root, drivers, monkeypatch
):
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler here")
    (drivers / "interrupting.c").write_text(INTERRUPTING, encoding="utf-8")
    shared = ["-shared", "-fPIC", "-o", "interrupting.so"]
    subprocess.run(["cc", *shared, "interrupting.c", "-ldl"], check=True)
    start("run", "drivers.py:Echo").line()
    monkeypatch.setenv("LD_PRELOAD", str(drivers / "interrupting.so"))
    trace = start("trace", "--json", "echo")
    assert trace.error_line() == f"fusd: tracing {root}/echo"
    device = os.open(root / "echo", os.O_WRONLY)
    os.write(device, b"hello")
    os.close(device)
    output, errors = trace.process.communicate(timeout=DEADLINE)
    assert (trace.process.returncode, errors) == (0, "")
    operations = [json.loads(line)["operation"] for line in output.splitlines()]
    assert operations == ["open", "write", "close"]


def test_the_trace_ends_with_the_driver(start, root):
    driver = start("run", "drivers.py:Echo")
    driver.line()
    trace = start("trace", root / "echo")
    trace.error_line()
    driver.end(signal.SIGTERM)
    output, errors = trace.process.communicate(timeout=20)
    assert (trace.process.returncode, output) == (0, "")
    assert errors == "fusd: the driver has ended\n"


def test_only_the_named_device_of_a_driver_shows(start, root):
    driver = start("run", "drivers.py:several")
    driver.line(), driver.line()
    trace = start("trace", "--json", "two")
    trace.error_line()
    for name in ("one", "two"):
        (root / name).write_bytes(b"x")
    assert {c["device"] for c in lines_until(trace, "close")} == {f"{root}/two"}


def test_a_second_trace_of_a_driver_is_refused(start, fusd, root):
    start("run", "drivers.py:Echo").line()
    first = start("trace", "--json", "echo")
    first.error_line()
    second = fusd("trace", "echo")
    assert second.returncode == 1
    assert "it is being traced already" in second.stderr
    (root / "echo").write_bytes(b"x")
    assert lines_until(first, "close")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nobody"], "there is no FUSD device nobody"),
        (["1234567"], "there is no such process"),
        (["0"], "there is no such process"),
        (["9" * 30], "there is no such process"),
        (["\u00b2"], "there is no FUSD device"),
        (["x", "--name", "y"], "x is taken for a device that runs already"),
        (["missing.py:X"], "missing.py does not exist"),
    ],
)
def test_what_is_wrong_is_one_sentence(fusd, arguments, sentence):
    result = fusd("trace", *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_process_that_is_no_driver_is_told_apart_and_unharmed(fusd, monkeypatch):
    sleeper = subprocess.Popen(["sleep", "1000"])
    try:
        result = fusd("trace", sleeper.pid)
        assert result.returncode == 1
        assert "A driver in C can be traced on kfusd alone" in result.stderr
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_driver_of_many_devices_names_some(start, drivers):
    driver = start("run", "drivers.py:many")
    for _ in range(400):
        driver.line()
    trace = start("trace", driver.process.pid)
    line = trace.error_line()
    assert line.startswith("fusd: tracing /")
    assert line.endswith(" and 380 more")


def test_a_command_is_not_the_trace_s_to_start(fusd):
    result = fusd("trace", "echo.py", "--", "cat")
    assert (result.returncode, result.stdout) == (2, "")
    assert "it takes no COMMAND: run that in another terminal" in result.stderr
