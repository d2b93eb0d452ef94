# SPDX-License-Identifier: BSD-3-Clause
# Runs in a minimal system, see tools/check-wheels: installs pyfusd from /try and
# uses it. $1: the interpreter, $2: the file, $3: yes if a compiler is here.
set -eu

has() {
	command -v "$1" >/dev/null
}

# Nothing of what the wheel must do without is here by accident.
if [ "$3" = no ]; then
	for program in cc gcc clang ld pkg-config fusermount3; do
		! has $program || { echo "$program is here" >&2; exit 1; }
	done
	found=$(find /usr/include /usr/lib -name 'fuse.h' -o -name 'libfuse*')
	[ -z "$found" ] || { echo "here is $found" >&2; exit 1; }
fi

set -x
cat /etc/debian_version
ldd --version | head -n 1
"$1" --version
"$1" -m venv /tmp/env
pip="/tmp/env/bin/python -m pip --disable-pip-version-check install --no-index"
$pip --find-links /try "/try/$2" pytest
PATH=/tmp/env/bin:$PATH
cd /tmp
fusd --version
fusd doctor fuse
fusd run --transport fuse /try/echo.py -- \
	sh -c 'echo hello > "$FUSD_DEVICE"; cat "$FUSD_DEVICE"' | tee answer
[ "$(tail -n 1 answer)" = hello ]
fusd new lamp
cd lamp
python -m pytest --version --version
python -m pytest -q -p no:cacheprovider
# Where the interpreter's process has libfuse3 from.
python -c 'import pyfusd; print(open("/proc/self/maps").read())' |
	grep -o '/.*libfuse3.*' | sort -u
