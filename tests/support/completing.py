# SPDX-License-Identifier: BSD-3-Clause
"""What a shell offers at the end of a command line, asked of the shell itself."""

import os
import shutil
import subprocess
import sys

import pytest

from support import TOP
from support.terminal import run_on_terminal

_GENERATE = TOP / "packaging" / "completion" / "generate.py"

# Of bash, which has no way to ask it: what its Tab key calls.
_BASH = """
. "$SHARE/bash-completion/completions/fusd"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
compopt() { :; }  # Is for a completion that readline has begun.
"$(complete -p fusd | sed 's/.* -F \\([^ ]*\\) .*/\\1/')"
printf '%s\\n' "${COMPREPLY[@]}"
"""

_FISH = """
source "$SHARE/fish/vendor_completions.d/fusd.fish"
complete -C "$LINE"
"""

# zsh completes in its line editor, and so on a terminal: once that has begun, it is
# given the line, and what is passed to its function compadd is noted.
_ZSHRC = """
fpath=($SHARE/zsh/site-functions $fpath)
autoload -Uz compinit
compinit -u -D
LISTMAX=1000000  # Or it asks whether it shall list all that /dev has.
compadd() {
  local -a offered
  # What fills an array offers nothing yet.
  if [[ ${argv[1,(i)--]} != *\\ -[AOD]\\ * ]]; then
    builtin compadd -O offered "$@"
    print -rl -- $offered >>$OFFERED
  fi
  builtin compadd "$@"
}
zle-line-init() {
  BUFFER=$LINE
  CURSOR=$#BUFFER
  zle list-choices
  exit
}
zle -N zle-line-init
"""


class Completer:
    """One shell with the completion of `fusd`, below a directory of its own."""

    def __init__(self, shell, directory):
        self.shell = shell
        self._directory = directory

    def __call__(self, line):
        """What the shell offers for the last word of a line."""
        offer = getattr(self, f"_ask_{self.shell}")
        return {word for word in offer(line).splitlines() if word}

    def _environment(self, **more):
        return {**os.environ, "SHARE": str(self._directory), **more}

    def _run(self, *command, **environment):
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            env=self._environment(**environment),
        )
        assert result.stderr == ""
        return result.stdout

    def _ask_bash(self, line):
        return self._run("bash", "--norc", "-c", _BASH, "bash", *line.split(" "))

    def _ask_fish(self, line):
        output = self._run("fish", "--no-config", "-c", _FISH, LINE=line)
        return "\n".join(row.partition("\t")[0] for row in output.splitlines())

    def _ask_zsh(self, line):
        (self._directory / ".zshrc").write_text(_ZSHRC, encoding="utf-8")
        offered = self._directory / "offered"
        offered.write_text("", encoding="utf-8")
        environment = self._environment(
            ZDOTDIR=str(self._directory),
            TERM="xterm",
            LINE=line,
            OFFERED=str(offered),
        )
        run_on_terminal(["zsh", "-d", "-i"], environment)
        return offered.read_text(encoding="utf-8")


def make_completer(shell, directory):
    """A Completer with scripts that are made here, or a skip."""
    pytest.importorskip("shtab")
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    subprocess.run([sys.executable, _GENERATE, directory], check=True)
    return Completer(shell, directory)
