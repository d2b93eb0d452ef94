# SPDX-License-Identifier: BSD-3-Clause
"""One run of a virtual machine: QEMU, emulating, since KVM is not everywhere."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support import TOP
from support.vm import initramfs, kernel_log
from support.vm.kernels import CANNOT_BOOT, say

APPEND = [
    "console=ttyS0",
    "ignore_loglevel",
    "printk.time=1",
    "panic=-1",
    "oops=panic",
    # A busy host makes an emulated CPU stand still for long.
    "nosoftlockup",
    "no_timer_check",
    "rcupdate.rcu_cpu_stall_timeout=120",
    # Without it many busy threads delay RCU, and who waits for it, for minutes.
    "rcutree.kthread_prio=1",
    # What an emulated CPU pays most for, and no test is about.
    "mitigations=off",
    "audit=0",
    "apparmor=0",
    "selinux=0",
    "tsc=reliable",
]


def qemu_command(kernel, archive, job, arguments, append=()):
    # QEMU takes each byte of "rep movsb", which clears and copies the kernel's
    # pages, for an instruction.
    processor = "max,-la57,-erms,-fsrm"
    cpus, accelerator, extra = arguments.cpus, "tcg,thread=multi", []
    if arguments.icount:
        cpus, accelerator = 1, "tcg"
        extra = ["-icount", "shift=0,sleep=off"]

    def share(tag, path, *options):
        device = ["local", f"path={path}", f"mount_tag={tag}", "security_model=none"]
        return ["-virtfs", ",".join([*device, "multidevs=remap", *options])]

    return [
        *["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot"],
        *["-machine", "pc", "-accel", accelerator, "-cpu", processor],
        # Sockets: without ACPI, as in "debug", a kernel is told of one CPU in each.
        *["-smp", f"{cpus},sockets={cpus}", "-m", arguments.memory, *extra],
        *["-display", "none", "-serial", f"file:{job / 'console'}"],
        *["-kernel", str(kernel.image), "-initrd", str(archive)],
        *["-append", " ".join([*APPEND, *append])],
        *["-chardev", "stdio,id=output,signal=off", "-device", "virtio-serial-pci"],
        *["-device", "virtserialport,nr=1,chardev=output,name=output"],
        *share("host", "/", "readonly=on"),
        *share("job", job),
    ]


def write_job(job, kernel, module, arguments):
    (job / "out").mkdir()
    (job / "top").write_text(str(TOP))
    (job / "modules").write_text(str(kernel.modules))
    (job / "headers").write_text(str(kernel.headers))
    (job / "command").write_text(shlex.join(arguments.command) + "\n")
    if module:
        (job / "module").write_text(str(module))


def start(command, job):
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,  # at whose end QEMU would close the output
        env={**os.environ, "TMPDIR": str(job)},
    )


def measured(process, console, timeout):
    """The kernel's log up to where it knows how fast its clock goes."""
    end = time.monotonic() + timeout
    while True:
        log = kernel_log.read(console) if console.exists() else []
        if (
            kernel_log.clock_is_measured(log)
            or process.poll() is not None
            or time.monotonic() > end
        ):
            return log
        time.sleep(0.1)


def boot(kernel, archive, job, arguments):
    """Starts QEMU; once more, and told the clock's frequency, if it was mistaken."""
    console = job / "console"
    process = start(qemu_command(kernel, archive, job, arguments), job)
    try:
        log = measured(process, console, arguments.timeout)
        frequency = kernel_log.deviating_clock(log)
        if frequency is None:
            return process
    except BaseException:
        wait(process, 0)
        raise
    wait(process, 0)
    console.unlink()
    say("the guest measured its clock wrongly, and is booted once more")
    append = [f"tsc_early_khz={frequency}"]
    return start(qemu_command(kernel, archive, job, arguments, append), job)


def wait(process, timeout):
    """The exit status of QEMU, or None if it had to be ended."""
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def keep_results(kernel, job, name):
    """Returns the path of the kernel's log."""
    results = kernel.directory / "results" / name
    shutil.rmtree(results, ignore_errors=True)
    shutil.copytree(job / "out", results)
    return shutil.copy(job / "console", results / "console.log")


def judge(job, qemu_status, kept, timeout):
    """Says what is wrong, and returns the exit status of the whole."""
    log = kernel_log.read(job / "console")
    complaints = [f"kernel: {line}" for line in kernel_log.complaints(log)]
    if (job / "complaints").exists():
        complaints += (job / "complaints").read_text().splitlines()
    for complaint in complaints:
        say(complaint)
    if qemu_status is None:
        say(f"ended after --timeout {timeout:g} s; kernel log: {kept}")
        return 124
    if not (job / "status").exists():
        killed = f" (QEMU by signal {-qemu_status})" if qemu_status < 0 else ""
        say(f"the guest ended before its command did{killed}; kernel log: {kept}")
        sys.stderr.writelines(f"| {line}\n" for line in log[-40:])
        return 99
    status = int((job / "status").read_text())
    if complaints:
        say(f"kernel log: {kept}")
    return status or (99 if complaints else 0)


def run(kernel, module, arguments):
    if not shutil.which("qemu-system-x86_64"):
        say("qemu-system-x86_64 is missing: run tools/setup vm")
        return CANNOT_BOOT
    archive = initramfs.make(kernel)
    with tempfile.TemporaryDirectory(prefix="job-", dir=kernel.directory) as name:
        job = Path(name)
        write_job(job, kernel, module, arguments)
        started = time.monotonic()
        process = boot(kernel, archive, job, arguments)
        ended = wait(process, arguments.timeout)
        kept = keep_results(kernel, job, arguments.name)
        status = judge(job, ended, kept, arguments.timeout)
    took = time.monotonic() - started
    say(f"Linux {kernel.release}: exit status {status} after {took:.1f} s")
    return status
