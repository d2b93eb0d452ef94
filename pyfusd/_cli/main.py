# SPDX-License-Identifier: BSD-3-Clause
"""The command `fusd`: its options, its errors, its exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from pyfusd import __version__
from pyfusd._cli import bench, doctor, help, ls, new, run, trace
from pyfusd._cli.support.failure import Failure
from pyfusd._cli.support.layout import wrapped
from pyfusd._cli.support.quoting import printable
from pyfusd._signals import sigint_waits

_COMMANDS = (run, ls, doctor, trace, bench, new, help)

_EPILOG = """\
exit status:
  0    success; of run and trace also when Ctrl-C ended their driver. With a
       COMMAND, run ends with that one's status: 128 and the number if a signal
       ended it
  1    it failed, and one sentence on standard error says why
  2    the command line is wrong
  130  Ctrl-C ended anything else, and what had not begun its work

"fusd help COMMAND" tells more; the manual page is fusd(1).
"""


def make_parsers() -> tuple[
    argparse.ArgumentParser, dict[str, argparse.ArgumentParser]
]:
    """The whole command line's, and those of the commands by name."""
    top = argparse.ArgumentParser(
        prog="fusd",
        description="Device drivers as ordinary programs: run, find, check, trace "
        "and measure them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("-v", "--version", action="version", version=f"fusd {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(commands)
    return top, commands.choices


def _split_client(words: Sequence[str]) -> tuple[Sequence[str], list[str] | None]:
    """What is before the first -- of fusd run, and the command that is after it."""
    if words[:1] != ["run"] or "--" not in words:
        return words, None
    position = words.index("--")
    return words[:position], list(words[position + 1 :])


def _parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Mistakes are told with the usage of the command they are made with."""
    top, parsers = make_parsers()
    # Not by argparse, whose versions differ in what they do to a --.
    words, client = _split_client(arguments)
    if not words or words[0] not in parsers:
        top.parse_args(words)  # Ends with SystemExit if there is a word.
        top.error("a COMMAND is missing: fusd help lists them")
    own = parsers[words[0]]
    if words[0] == "trace" and "--" in words:
        own.error("it takes no COMMAND: run that in another terminal")
    options = argparse.Namespace(top=top, client=client)
    # By the command's own parser: top's would not take options between TARGETs.
    unknown = own.parse_known_intermixed_args(words[1:], options)[1]
    if client == []:
        own.error("a COMMAND is missing after --")
    if unknown:
        own.error(f"unrecognized arguments: {' '.join(unknown)}")
    return options


def _drop_output() -> None:
    """Makes standard output /dev/null: Python's flush at its end shall not fail."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_failure(sentence: str) -> None:
    """In one line, which scripts can read, unless a user reads it on a terminal."""
    line = f"fusd: {printable(sentence)}"
    is_for_user = sys.stderr is not None and sys.stderr.isatty()
    print(wrapped(line, sys.stderr) if is_for_user else line, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    try:
        with sigint_waits():  # argparse cleans up in a way that raises anew.
            options = _parse_arguments(sys.argv[1:] if arguments is None else arguments)
        status: int = options.main(options)
        if sys.stdout is not None:  # None if it was closed when fusd began.
            sys.stdout.flush()
        return status
    except Failure as failure:
        _print_failure(str(failure))
        return failure.status
    except BrokenPipeError:
        _drop_output()  # The reader of the output, such as head(1), is gone.
        return 1
    except OSError as error:
        _drop_output()
        # Most likely the disk that the output goes to is full.
        where = f"{error.filename}: " if error.filename else ""
        _print_failure(f"{where}{error.strerror or error}")
        return 1
    except KeyboardInterrupt:
        return 130
