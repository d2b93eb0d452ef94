# SPDX-License-Identifier: BSD-3-Clause
# The kinds of arguments that fusd has, for fish.

# A driver's file; after the -- of fusd run, a command and its arguments.
function _fusd_driver_file
    set -l words (commandline -opc)
    if set -l end (contains -i -- -- $words)
        set -e words[1..$end]
        complete -C (string join ' ' -- (string escape -- $words) (commandline -ct))
    else
        __fish_complete_path (commandline -ct)
    end
end

# Devices that live, by their paths, or by their names in whatever directory.
function _fusd_device_file
    # Or fish would say that there is no such command.
    command -q fusd; and fusd ls 2>/dev/null | sed -n 's/  .*  live$//p' |
        while read -l path
            echo $path
            test -z (commandline -ct); or string replace -r '.*/' '' -- $path
        end
end

function _fusd_driver_file_or_device
    _fusd_device_file
    __fish_complete_path (commandline -ct)
end
