# SPDX-License-Identifier: BSD-3-Clause
"""generate.py SHARE: writes what shells complete of `fusd`, below a share/.

shtab makes a script of the command's own parsers, which say themselves what their
arguments are: words, or a kind that kinds.SHELL has a function for.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import shtab

from pyfusd._cli.main import make_parsers

#: Where a shell looks for the script of a command, below the share/ of a prefix.
PLACES = {
    "bash": "bash-completion/completions/fusd",
    "zsh": "zsh/site-functions/_fusd",
    "fish": "fish/vendor_completions.d/fusd.fish",
}

#: How shtab writes a list of arguments for zsh offers nothing after the first one
#: of it, and offers options of fusd after --, which are another command's there.
ZSH_CORRECTIONS = {
    '"(*)::': '"*:',
    '"(*):': '"*:',
    "_arguments -C -s $": "_arguments -C -S -s $",
}


def _describe_argument(argument: argparse.Action) -> None:
    """Puts what an argument offers where shtab looks for it."""
    if not argument.option_strings:
        argument.help = None  # Sentences, too long to stand beside each file.
    offered = getattr(argument, "offered", None)
    if isinstance(offered, str):
        function = f"_fusd_{offered}"
        calls = {"bash": function, "zsh": function, "fish": f"({function})"}
        argument.complete = calls  # type: ignore[attr-defined]
    elif offered is not None:
        argument.choices = list(offered)


def make_script(shell: str) -> str:
    top, parsers = make_parsers()
    for parser in parsers.values():
        parser.description = None  # The list of commands has it in short.
        for argument in parser._actions:
            _describe_argument(argument)
    kinds = Path(__file__).with_name(f"kinds.{shell}").read_text(encoding="utf-8")
    script = shtab.complete(top, shell, preamble=kinds)
    for wrong, right in ZSH_CORRECTIONS.items() if shell == "zsh" else ():
        script = script.replace(wrong, right)
    return script


def main() -> None:
    for shell, place in PLACES.items():
        path = Path(sys.argv[1], place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(make_script(shell), encoding="utf-8")


if __name__ == "__main__":
    main()
