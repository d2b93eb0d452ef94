# SPDX-License-Identifier: BSD-3-Clause
"""fusd_device, as the test suites of others see it."""

import os

import pytest

from support.waiting import wait_until

both = pytest.mark.parametrize("process", ["False", "True"])


@both
def test_a_test_talks_to_its_device(run, process):
    result = run(f"""
def test_value(fusd_device):
    sensor = fusd_device(Sensor, process={process}, value=b"19")
    assert content(sensor.path) == content(sensor) == b"19"
    send(sensor, b"20")
    assert content(sensor) == b"20"
    assert sensor.path.startswith("/") and str(sensor) == sensor.path
    assert sensor.transport == os.environ["FUSD_TRANSPORT"]
    assert (sensor.pid == os.getpid()) == (not {process})
""")
    result.assert_outcomes(passed=1)


@both
def test_a_driver_that_raises_fails_the_test_itself(run, process):
    result = run(f"""
def test_raises(fusd_device):
    sensor = fusd_device(Sensor, process={process})
    with pytest.raises(OSError, match="Input/output"):
        send(sensor, b"raise")

def test_next(fusd_device):
    content(fusd_device(Sensor, process={process}))
""")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*write() failed*", "*ValueError: no such register"])
    # The summary says it too.
    result.stdout.fnmatch_lines(
        ["FAILED *::test_raises - *a driver failed: ValueError*"]
    )


@both
def test_a_class_that_passes_its_arguments_on_gets_a_name(run, process):
    result = run(f"""
class AVeryLongNameForASensorThatMeasuresTheTemperature(Sensor):
    def __init__(self, **options):
        super().__init__(**options)

def test_both(fusd_device):
    kind = AVeryLongNameForASensorThatMeasuresTheTemperature
    one = fusd_device(kind, process={process}, value=b"1")
    other = fusd_device(kind, process={process}, name="other", value=b"2")
    assert one.path != other.path and other.path.endswith("/other")
    assert content(one) + content(other) == b"12"
""")
    result.assert_outcomes(passed=1)


@both
def test_failures_that_the_test_takes_do_not_fail_it(run, process):
    result = run(f"""
def test_raises(fusd_device):
    sensor = fusd_device(Sensor, process={process})
    with pytest.raises(OSError):
        send(sensor, b"raise")
    deadline = __import__("time").monotonic() + 20
    failures = []
    while not failures and __import__("time").monotonic() < deadline:
        failures = sensor.take_failures()
    assert len(failures) == 1 and "no such register" in failures[0]
""")
    result.assert_outcomes(passed=1)


@both
def test_an_oserror_is_an_answer_and_no_failure(run, process):
    result = run(f"""
def test_refuses(fusd_device):
    sensor = fusd_device(Sensor, process={process})
    with pytest.raises(OSError, match="busy"):
        send(sensor, b"refuse")
""")
    result.assert_outcomes(passed=1)


def test_a_failing_test_shows_what_its_driver_raised(run):
    result = run("""
def test_raises(fusd_device):
    send(fusd_device(Sensor), b"raise")
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*failures of drivers*", "*no such register"])


def test_the_device_itself_is_at_hand_in_a_thread(run):
    result = run("""
def test_device(fusd_device):
    sensor = fusd_device(Sensor)
    send(sensor, b"23")
    assert sensor.device.value == b"23"

def test_instance(fusd_device):
    device = Sensor("mine", value=b"1")
    assert fusd_device(device).device is device
    assert device.path.endswith("/mine")

def test_not_in_a_process(fusd_device):
    sensor = fusd_device(Sensor, process=True)
    with pytest.raises(AttributeError, match="process=False"):
        sensor.device
""")
    result.assert_outcomes(passed=3)


def test_one_test_may_have_many_devices(run):
    result = run("""
def test_many(fusd_device):
    sensors = [fusd_device(Sensor, process=n % 2 == 0) for n in range(6)]
    assert len({sensor.path for sensor in sensors}) == 6
    for sensor in sensors:
        assert content(sensor) == b"21.5"
""")
    result.assert_outcomes(passed=1)


def test_nothing_is_left_after_a_test(run):
    result = run("""
kept = []

@pytest.mark.parametrize("process", [False, True])
def test_use(fusd_device, process):
    kept.append(fusd_device(Sensor, process=process))
    kept.append(threading.active_count())
    os.open(kept[-2].path, os.O_RDONLY)  # A client that is still there.

def test_gone():
    for one in kept:
        if not isinstance(one, int):
            assert not os.path.exists(one.path)
            assert one.path not in open("/proc/self/mounts").read()
            assert one.pid == os.getpid() or not os.path.exists(f"/proc/{one.pid}")
    assert threading.active_count() == 1
    assert "FUSD_DEV_ROOT" not in os.environ
    if kept[0].transport == "fuse":
        assert not os.path.exists(os.path.dirname(os.path.dirname(kept[0].path)))
""")
    result.assert_outcomes(passed=3)


def test_a_crashed_driver_fails_the_test(run):
    result = run("""
def test_crash(fusd_device):
    sensor = fusd_device(Sensor, process=True)
    with pytest.raises(OSError):
        send(sensor, b"crash")
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the driver's process was ended by SIGKILL*"])


def test_a_driver_that_ends_by_itself_does_not_fail_the_test(run):
    result = run("""
import select

class Leaving(Sensor):
    def write(self, file, buf, offset):
        self.unregister()
        return len(buf)

def test_leave(fusd_device):
    sensor = fusd_device(Leaving, process=True)
    with pytest.raises(OSError):
        send(sensor, b"leave")
    # Its end, before the fixture ends its input.
    select.select([os.pidfd_open(sensor.pid)], [], [], 20)
""")
    result.assert_outcomes(passed=1)


def test_what_cannot_start_is_an_error_with_a_reason(run):
    result = run("""
def test_local_class(fusd_device):
    class Local(Sensor):
        pass
    fusd_device(Local)
    with pytest.raises(TypeError, match="top level"):
        fusd_device(Local, process=True)

@pytest.mark.parametrize("process", [False, True])
def test_bad_name(fusd_device, process):
    with pytest.raises(OSError) as caught:
        fusd_device(Sensor, process=process, name="a//b")
    assert caught.value.errno == 22

@pytest.mark.parametrize("process", [False, True])
def test_taken_name(fusd_device, process):
    fusd_device(Sensor, name="taken")
    with pytest.raises(FileExistsError):
        fusd_device(Sensor, process=process, name="taken")

def test_wrong_argument(fusd_device):
    with pytest.raises(TypeError, match="takes no argument 'nonsense'"):
        fusd_device(Sensor, nonsense=1)
    with pytest.raises(RuntimeError, match="nonsense"):
        fusd_device(Sensor, process=True, nonsense=1)
    with pytest.raises(TypeError, match="no pyfusd.Device"):
        fusd_device(dict)
    with pytest.raises(TypeError, match="takes a class"):
        fusd_device("sensor.py")
    with pytest.raises(TypeError, match="callback_timeout is no number"):
        fusd_device(Sensor, callback_timeout="1")
""")
    result.assert_outcomes(passed=6)


def test_what_does_not_fit_ends_in_the_line_of_the_test(run):
    result = run("""
def test_wrong_argument(fusd_device):
    fusd_device(Sensor, nonsense=1)
""")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*pyfusd/*")


STUCK = """
class Stuck(Sensor):
    def write(self, file, buf, offset):
        open("begun", "w").close()
        self.sleep()

    def sleep(self):
        threading.Event().wait()
"""


@both
def test_a_callback_that_does_not_return_fails_the_test(run, process):
    result = run(
        STUCK
        + f"""
def test_stuck(fusd_device):
    send(fusd_device(Stuck, process={process}, callback_timeout=0.5), b"x")

def test_next(fusd_device):
    content(fusd_device(Sensor, process={process}))
"""
    )
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines_random(
        ["*a callback did not return within 0.5 s*", "*, in sleep", "*BrokenPipeError*"]
    )
    # The stack begins with the callback, and not with what called it.
    shown = result.stdout.str().partition("It is here:")[2].splitlines()
    assert "in write" in shown[1], shown


def test_a_callback_that_outlasts_its_test_fails_it(run):
    result = run(
        STUCK
        + """
def test_stuck(fusd_device):
    stuck = fusd_device(Stuck, callback_timeout=0.5)
    threading.Thread(target=send, args=[stuck.path, b"x"], daemon=True).start()
    while not os.path.exists("begun"):
        pass
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*a callback did not return within 0.5 s*", "*, in sleep"]
    )


def test_the_limit_of_callbacks_is_an_option_of_pytest(run, pytester):
    pytester.makeini("[pytest]\nfusd_callback_timeout = 0.3\n")
    result = run(
        STUCK
        + """
def test_stuck(fusd_device):
    send(fusd_device(Stuck), b"x")

def test_no_limit(fusd_device):
    class Slow(Sensor):
        def write(self, file, buf, offset):
            threading.Event().wait(1)
            return len(buf)

    send(fusd_device(Slow, callback_timeout=0), b"x")
"""
    )
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*a callback did not return within 0.3 s*"])


@both
def test_a_killed_pytest_leaves_no_driver(run, process):
    result = run(f"""
def test_kill(fusd_device):
    sensor = fusd_device(Sensor, process={process})
    print("pid", sensor.pid, sensor.path, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
""", "-s")  # fmt: skip
    pid, path = result.stdout.str().split("pid ")[1].split()[:2]

    def is_gone():
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                return file.read().rpartition(b")")[2].split()[0] == b"Z"
        except FileNotFoundError:
            return True

    wait_until(is_gone, "the end of the driver")
    wait_until(lambda: not os.path.lexists(path), "the device to go")
    # With the directory that pytest made for devices.
    temporary = os.environ["TMPDIR"]
    wait_until(lambda: os.listdir(temporary) == [], "the directory to go")


@both
def test_ctrl_c_while_a_driver_starts_leaves_nothing(run, pytester, process):
    """Also nothing that run() finds."""
    result = run(f"""
from pyfusd._core import registered_devices

class Interrupted(Sensor):
    def register(self):
        os.kill(int(os.environ["TEST_PID"]), signal.SIGINT)
        threading.Event().wait(0.2)  # The interrupt is handled, most likely.
        return super().register()

@pytest.fixture(autouse=True)
def left():
    yield
    with open("left", "w") as file:
        file.write(repr(registered_devices()))

def test_start(fusd_device):
    os.environ["TEST_PID"] = str(os.getpid())
    fusd_device(Interrupted, process={process})
""")  # fmt: skip
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert (pytester.path / "left").read_text() == "[]"
