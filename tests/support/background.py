# SPDX-License-Identifier: BSD-3-Clause
"""A call in a thread of its own, which a test does not wait for at once."""

import threading

from support.waiting import DEADLINE


class Background:
    """with Background(FUNCTION, ARGUMENT...) as call: the call ends with the block."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments
        self.value = self.error = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            self.value = self.function(*self.arguments)
        except BaseException as error:
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join(DEADLINE)

    def result(self):
        """What the function returned; what it raised is raised here."""
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive(), f"{self.function} did not end"
        if self.error:
            raise self.error
        return self.value


def start(function, *arguments):
    call = Background(function, *arguments)
    call.thread.start()
    return call
