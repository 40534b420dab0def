#!/bin/bash
# security.sh UNIT...: systemd's own measure of what a service could do, in tenths, must not be worse than this.
set -u
here=$(realpath "$(dirname "$0")")
source "$here/../shell/results.sh"
threshold=12

score_is_good() { # UNIT
        local output status

        output=$(systemd-analyze security --no-pager --offline=true --threshold="$threshold" "$1")
        status=$?
        grep -vF '✓' <<< "$output"
        return "$status"
}

for unit in "$@"; do
        check "${unit##*/} scores $((threshold / 10)).$((threshold % 10)) or better" score_is_good "$unit"
done
finish
