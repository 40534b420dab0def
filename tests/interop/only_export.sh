#!/bin/bash
# The empty name is the only export. Expects one device, which rotates, with one LUN of 16 MiB.
here=$(realpath "$(dirname "$0")")
source "$here/../shell/results.sh"

check "the empty name is the only export" \
        test "$(nbdinfo --size "nbd+unix:///?socket=$SOCKET")" = 16777216
check "it is listed under its own name" test "$EXPORTS" = 1209-0001-ONLY-lun0
check "a disk that rotates says so" nbdinfo --is rotational "$URI"
check "nbd-client lists it too" bash -c 'nbd-client -l -unix "$SOCKET" | grep -q "^1209-0001-ONLY-lun0: "'
finish
