# SPDX-License-Identifier: BSD-3-Clause
# For the scripts that build pyfusd for several CPythons, which source this file.
# They set log, a file for what steps say that go well.

SUPPORTED_PYTHONS="3.9 3.10 3.11 3.12 3.13 3.14"

# An interpreter of version $1 that really starts: pyenv's shims may not.
find_python() {
	for candidate in "python$1" "$HOME"/.pyenv/versions/"$1".*/bin/python; do
		if "$candidate" -c "
import sys
sys.exit('.'.join(map(str, sys.version_info[:2])) != '$1')" 2>/dev/null; then
			command -v "$candidate"
			return
		fi
	done
	return 1
}

# Runs a step, and shows its output only if it fails.
quietly() {
	"$@" >"$log" 2>&1 || {
		tail -40 "$log" >&2
		return 1
	}
}

# pip of the environment $1, with the rest as its arguments.
quiet_pip() {
	pip_environment=$1
	shift
	quietly "$pip_environment/bin/python" -m pip --disable-pip-version-check "$@"
}

# Makes the source distribution of the current directory, alone in directory $1.
make_source() {
	rm -rf "$1"
	quietly build/venv/bin/python -m build --no-isolation --sdist --outdir "$1" .
}

# Makes a wheel of source distribution $3, alone in directory $4, by interpreter $1
# in the new environment $2. What pyproject.toml requires is installed for it.
# pip would take one from its cache that was made from a file of this name before.
make_wheel() {
	rm -rf "$2" "$4"
	quietly "$1" -m venv "$2" &&
		quiet_pip "$2" wheel --no-deps --no-binary pyfusd --wheel-dir "$4" "$3"
}
