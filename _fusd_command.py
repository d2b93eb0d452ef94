# SPDX-License-Identifier: BSD-3-Clause
"""Where the command `fusd` begins: what Ctrl-C does before and after the command.

Outside of the package, whose import takes its time: a Ctrl-C then is the end, and
no traceback of whatever was just being imported. So it imports nothing itself but
what Python has imported already.
"""

import _signal  # type: ignore[import-not-found]


def _end_at_ctrl_c() -> bool:
    """Lets the signal end the process, unless it is ignored or handled."""
    handler = _signal.getsignal(_signal.SIGINT)
    if handler not in (_signal.SIG_DFL, _signal.default_int_handler):
        return False
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    return True


_is_ended = _end_at_ctrl_c()


def main() -> int:
    """Runs the command; its exit status."""
    from pyfusd._cli.main import main as run_command

    try:
        if _is_ended:
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        status = run_command()
    except KeyboardInterrupt:
        status = 130
    # What Python does at its end, a Ctrl-C need not interrupt with a traceback.
    _end_at_ctrl_c()
    return status
