# SPDX-License-Identifier: BSD-3-Clause
"""A real-time clock that hwclock reads and sets: ioctls of fixed size, a coroutine
that waits for the next second, and a timer that wakes clients in poll.

Try it:  python rtc.py &          (prints where the device is)
         hwclock --rtc /dev/rtc-mock --utc --noadjfile -r
         hwclock --rtc /dev/rtc-mock --utc --noadjfile --set --date "2001-02-03 04:05"
"""

import asyncio
import calendar
import errno
import os
import struct
import sys
import time

import pyfusd

# <linux/rtc.h>; a struct rtc_time is nine ints.
RTC_UIE_ON = pyfusd.IO("p", 3)
RTC_UIE_OFF = pyfusd.IO("p", 4)
RTC_RD_TIME = pyfusd.IOR("p", 9, "9i")
RTC_SET_TIME = pyfusd.IOW("p", 10, "9i")
RTC_UF = 0x10
RTC_IRQF = 0x80

# Of seconds, minutes, hours, days and months; years are from 1970 to 9999.
VALID = (range(60), range(60), range(24), range(1, 32), range(12), range(70, 8100))


class RealTimeClock(pyfusd.Device):
    ahead = 0.0  # of the system's clock, in seconds

    def now(self):
        return time.time() + self.ahead

    @pyfusd.ioctl(RTC_RD_TIME)
    def read_time(self, file, _):
        t = time.gmtime(self.now())
        weekday, yearday = (t.tm_wday + 1) % 7, t.tm_yday - 1
        return (
            *(t.tm_sec, t.tm_min, t.tm_hour, t.tm_mday, t.tm_mon - 1),
            *(t.tm_year - 1900, weekday, yearday, 0),
        )

    @pyfusd.ioctl(RTC_SET_TIME)
    def set_time(self, file, values):
        second, minute, hour, day, month, year = values[:6]
        if not all(value in valid for value, valid in zip(values, VALID)):
            raise OSError(errno.EINVAL, "no such time")
        seconds = calendar.timegm((year + 1900, month + 1, day, hour, minute, second))
        self.ahead = seconds - time.time()

    # Update interrupts: a read waits for the next second, and so does poll.

    def open(self, file):
        file.timer = None
        file.ticks = 0
        file.ticked = asyncio.Event()

    def close(self, file):
        self.updates_off(file, 0)

    @pyfusd.ioctl(RTC_UIE_ON)
    def updates_on(self, file, _):
        if file.timer is None:
            self.schedule(file)

    @pyfusd.ioctl(RTC_UIE_OFF)
    def updates_off(self, file, _):
        if file.timer is not None:
            file.timer.cancel()
            file.timer = None

    def schedule(self, file):
        loop = asyncio.get_running_loop()
        file.timer = loop.call_later(1 - self.now() % 1, self.tick, file)

    def tick(self, file):
        file.ticks += 1
        file.ticked.set()
        file.poll_changed()
        self.schedule(file)

    def poll(self, file):
        return pyfusd.NOTIFY_INPUT if file.ticks else 0

    async def read(self, file, buf, offset):
        if len(buf) < struct.calcsize("L"):
            return -errno.EINVAL
        if not file.ticks and file.flags & os.O_NONBLOCK:
            return -errno.EAGAIN
        while not file.ticks:
            file.ticked.clear()
            await file.ticked.wait()
        ticks, file.ticks = file.ticks, 0
        return struct.pack("L", ticks << 8 | RTC_UF | RTC_IRQF)


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "rtc-mock"
    if len(sys.argv) > 2 or name.startswith("-"):
        sys.exit("usage: rtc.py [NAME]")
    try:
        with RealTimeClock(name, mode=0o666) as device:
            print("rtc:", device.path, file=sys.stderr)
            pyfusd.run(device)
            if not device.registered:  # Taken away from outside; run() said so.
                sys.exit(1)
    except OSError as error:
        sys.exit(f"rtc: {error.strerror}")


if __name__ == "__main__":
    main()
