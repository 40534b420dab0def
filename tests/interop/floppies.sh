#!/bin/bash
# Two floppy drives, one by CBI and one by CB: expects 1440 KiB each. What is copied onto them comes back.
here=$(realpath "$(dirname "$0")")
source "$here/../shell/results.sh"

size=1474560
head -c "$size" /dev/urandom > "$SCRATCH/image"

for name in $EXPORTS; do
        uri="nbd+unix:///$name?socket=$SOCKET"
        check "$name has the size of a floppy" test "$(nbdinfo --size "$uri")" = "$size"
        check "$name takes an image" nbdcopy --flush "$SCRATCH/image" "$uri"
        check "$name gives it back" bash -c "nbdcopy '$uri' - | cmp - '$SCRATCH/image'"
done
check "both were there" test "$(wc -w <<< "$EXPORTS")" = 2
finish
