# SPDX-License-Identifier: BSD-3-Clause
"""fusd trace of a driver in C, by the tracepoints of the module."""

import contextlib
import json
import os
import subprocess
import sys

import pytest

from pyfusd._cli.support import kernel_trace
from support.tracefs import instances, skip_without_tracefs
from support.waiting import DEADLINE


@pytest.fixture
def started(c_program):
    """A driver in C, and start(OPTION..., target=) of a trace of it."""
    driver = c_program("driver", "memory:traced in C")
    with contextlib.ExitStack() as stack:

        def start(*options, target=driver.path):
            trace = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "pyfusd", "trace", *options, str(target)],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(trace.kill)
            return trace

        yield driver, start


@pytest.fixture
def traced(started, holds):
    if not holds("tracepoints"):
        pytest.skip("no module tells of this transport's requests")
    skip_without_tracefs()
    return started


def test_a_seek_shows_what_it_asks_for():
    """The line is as the module prints it."""
    receiver, sender = os.pipe2(os.O_NONBLOCK)
    os.write(
        sender,
        b"  <...>-7  [000] .....  12.500000: kfusd_request_answered: operation=seek "
        b"transid=3 pid=7 uid=0 flags=0x8000 length=0 offset=10 number=0x1 "
        b"argument=0xfffffffffffffffc result=6 waited_ns=5 served_ns=2000 device=a b\n",
    )
    (call,) = kernel_trace.Calls(["/dev/a b"]).feed(receiver)
    assert "seek(-4, SEEK_CUR) = 6  2.0 us" in str(call)
    for end in (receiver, sender):
        os.close(end)


def test_where_no_module_tells_that_is_said(started, holds):
    driver, start = started
    if holds("tracepoints"):
        pytest.skip("this transport's module tells")
    trace = start(target=driver.process.pid)
    _, errors = trace.communicate(timeout=DEADLINE)
    assert trace.returncode == 1
    assert "A driver in C can be traced on kfusd alone" in errors


def lines_until_close(trace):
    calls = []
    while not calls or calls[-1]["operation"] != "close":
        line = trace.stdout.readline()
        assert line, trace.stderr.read()
        calls.append(json.loads(line))
    return calls


@pytest.mark.parametrize("by", ["path", "pid"])
def test_each_request_shows_with_its_client(traced, by):
    driver, start = traced
    trace = start("--json", target=driver.path if by == "path" else driver.process.pid)
    assert trace.stderr.readline() == f"fusd: tracing {driver.path}\n"
    subprocess.run(["sh", "-c", 'echo hello > "$0"', driver.path], check=True)
    written = lines_until_close(trace)
    head = subprocess.Popen(["head", "-c5", driver.path], stdout=subprocess.PIPE)
    assert head.communicate()[0] == b"hello"
    calls = lines_until_close(trace)
    assert {(call["pid"], call["command"]) for call in calls} == {(head.pid, "head")}
    assert [call["operation"] for call in written] == ["open", "write", "close"]
    assert [call["operation"] for call in calls] == ["open", "read", "close"]
    assert [written[1][name] for name in ("size", "offset", "result")] == [6, 0, 6]
    assert [calls[1][name] for name in ("offset", "uid")] == [0, os.getuid()]
    assert all(call["microseconds"] > 0 for call in calls)
    assert {call["device"] for call in calls} == {driver.path}


def test_the_trace_ends_with_the_driver_and_leaves_nothing(traced):
    driver, start = traced
    trace = start()
    trace.stderr.readline()
    assert instances()
    driver.kill()
    _output, errors = trace.communicate(timeout=DEADLINE)
    assert (trace.returncode, errors) == (0, "fusd: the driver has ended\n")
    assert not instances()


def test_an_instance_of_a_killed_tracer_goes_with_the_next(traced):
    _, start = traced
    killed = start()
    killed.stderr.readline()
    killed.kill()
    killed.wait()
    (left,) = instances()
    start().stderr.readline()
    assert left not in instances()


def test_there_is_no_data_to_see(traced):
    _, start = traced
    trace = start("--data")
    _, errors = trace.communicate(timeout=DEADLINE)
    assert trace.returncode == 1
    assert "--data is for drivers in Python" in errors
