# SPDX-License-Identifier: BSD-3-Clause
# The kinds of arguments that fusd has, for zsh.

# A driver's file; after the -- of fusd run, a command and its arguments.
_fusd_driver_file() {
  local -i end=${words[(ie)--]}

  if (( end < CURRENT )); then
    shift end words
    (( CURRENT -= end ))
    _normal
  else
    _files
  fi
}

# Devices that live, by their paths, or by their names in whatever directory.
_fusd_device_file() {
  local -a paths=(${(f)"$(fusd ls 2>/dev/null | sed -n 's/  .*  live$//p')"})

  compadd -f -a paths
  [[ -z $PREFIX ]] || compadd -- ${paths:t}
}

_fusd_driver_file_or_device() {
  _fusd_device_file
  _files
}
