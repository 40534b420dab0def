#!/bin/bash
# root_folders.sh TMPFILES UNIT...: who may write to a folder can put a link in the place of what is in it, so what root
# does in a folder of its own does not lie in one that is the service's user's.
set -u
here=$(realpath "$(dirname "$0")")
source "$here/../shell/results.sh"
tmpfiles=$1
shift

is_root_left_alone() { # UNIT
        local folder owned folders others

        ! grep -q '^User=' "$1" || return 0
        read -ra folders < <(sed -n 's/^RuntimeDirectory=//p' "$1")
        mapfile -t others < <(awk '$1 == "d" && $4 != "root" { print $2 }' "$tmpfiles")
        for folder in "${folders[@]}"; do
                for owned in "${others[@]}"; do
                        [[ "/run/$folder/" != "$owned"/* ]] || return 1
                done
        done
}

for unit in "$@"; do
        check "${unit##*/} has no folder of root's in another user's" is_root_left_alone "$unit"
done
finish
