#!/bin/bash
# Discs in two optical drives, one of which does not tell their capacity: expects 24 MiB each, to be read only.
here=$(realpath "$(dirname "$0")")
source "$here/../shell/results.sh"

size=$((24 << 20))

is_read_only() {
        [ "$(nbdinfo --json "$uri" | jq -r '.exports[0].is_read_only')" = true ]
}

for name in $EXPORTS; do
        uri="nbd+unix:///$name?socket=$SOCKET"
        check "$name has the size of its disc" test "$(nbdinfo --size "$uri")" = "$size"
        check "$name says that it is only read" is_read_only
        check "$name is read to its end" bash -c "nbdcopy '$uri' - | cmp - <(head -c $size /dev/zero)"
        check "$name takes nothing" bash -c "! head -c 65536 /dev/zero | nbdcopy - '$uri' 2> /dev/null"
done
check "both were there" test "$(wc -w <<< "$EXPORTS")" = 2
finish
