# SPDX-License-Identifier: BSD-3-Clause
"""A thermometer on the network as a device: each read asks the sensor, and
while it waits for the answer others are served.

The callback is a coroutine: what it awaits keeps its own client waiting, and
nobody else. So that it can be tried, the sensor is here too, a server on
127.0.0.1 in the same loop.

Try it:  python thermometer.py &  (prints where the device is)
         cat /dev/thermometer
  also:  python thermometer.py NAME PORT     (a sensor of yours on 127.0.0.1)
"""

import asyncio
import errno
import sys

import pyfusd

SENSOR_SECONDS = 5
LINE_SIZE = 64  # of a sensor's line, without its newline


class Thermometer(pyfusd.Device):
    port: int

    async def ask(self):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, limit=LINE_SIZE
        )
        try:
            return await reader.readuntil(b"\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            raise OSError(errno.EPROTO, "that is no line") from None
        finally:
            writer.close()

    async def read(self, file, buf, offset):
        if offset > 0:
            return 0
        return await asyncio.wait_for(self.ask(), SENSOR_SECONDS)


class Sensor:
    """Sends a line to whoever connects; it gets warmer with each."""

    celsius = 20.0

    async def answer(self, reader, writer):
        writer.write(f"{self.celsius:.1f}\n".encode())
        self.celsius += 0.1
        writer.close()

    async def start(self):
        server = await asyncio.start_server(self.answer, "127.0.0.1")
        return server.sockets[0].getsockname()[1]


async def serve(name, port):
    device = Thermometer(name, mode=0o444)
    device.port = port or await Sensor().start()
    with device:
        print("thermometer:", device.path, file=sys.stderr)
        await pyfusd.aio.serve(device)


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "thermometer"
    port = sys.argv[2] if len(sys.argv) > 2 else "0"
    is_port = port.isdecimal() and int(port) <= 0xFFFF
    if len(sys.argv) > 3 or name.startswith("-") or not is_port:
        sys.exit("usage: thermometer.py [NAME [PORT]]")
    try:
        asyncio.run(serve(name, int(port)))
        sys.exit(1)  # The device was taken away from outside; serve() said so.
    except KeyboardInterrupt:
        pass
    except OSError as error:
        sys.exit(f"thermometer: {error.strerror}")


if __name__ == "__main__":
    main()
