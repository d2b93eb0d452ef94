# SPDX-License-Identifier: BSD-3-Clause
# The kinds of arguments that fusd has, for bash. shtab treats as file names what
# a function gives that has "_file" in its name.

# A driver's file; after the -- of fusd run, a command and its arguments. $1 is
# empty for a word that begins with "-".
_fusd_driver_file() {
	local i word=${COMP_WORDS[COMP_CWORD]}

	for ((i = 2; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then
			if ((i + 1 == COMP_CWORD)); then
				compgen -c -- "$word"
				return
			fi
			break
		fi
	done
	compgen -f -- "$word"
}

# Devices that live, by their paths, or by their names in whatever directory. Not by compgen -W, which would expand their names.
_fusd_device_file() {
	local path name

	fusd ls 2>/dev/null | sed -n 's/  .*  live$//p' |
		while IFS= read -r path; do
			name=${path##*/}
			[[ $path != "$1"* ]] || printf '%s\n' "$path"
			[[ -z $1 || $name != "$1"* ]] || printf '%s\n' "$name"
		done
}

_fusd_driver_file_or_device() {
	_fusd_device_file "$1"
	compgen -f -- "$1"
}
