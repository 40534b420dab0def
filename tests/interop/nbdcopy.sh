#!/bin/bash
# nbdcopy: in and out, over one connection and over four, and between two of our exports. Expects two exports of at least
# 48 MiB.
here=$(realpath "$(dirname "$0")")
source "$here/../shell/results.sh"

size=48M
head -c $size /dev/urandom > "$SCRATCH/data"
truncate -s $size "$SCRATCH/sparse"
printf 'island' | dd of="$SCRATCH/sparse" bs=1 seek=20000001 conv=notrunc status=none
other="nbd+unix:///$(sed -n 2p <<< "$EXPORTS")?socket=$SOCKET"

same() { # URI FILE
        nbdcopy "$1" - | head -c "$size" | cmp - "$2"
}

check "data is copied in over one connection" nbdcopy --connections=1 --flush "$SCRATCH/data" "$URI"
check "and comes out unchanged" same "$URI" "$SCRATCH/data"
check "between two exports" nbdcopy --flush "$URI" "$other"
check "it comes out of the other unchanged" same "$other" "$SCRATCH/data"
check "holes are copied in over four connections" \
        nbdcopy --connections=4 --requests=64 --flush "$SCRATCH/sparse" "$URI"
check "and come out as zeroes" same "$URI" "$SCRATCH/sparse"
check "with synchronous requests" nbdcopy --synchronous --flush "$SCRATCH/data" "$URI"
check "and four connections out" \
        bash -c 'nbdcopy --connections=4 "$1" "$2/out" && cmp -n 50331648 "$2/out" "$2/data"' - \
        "$URI" "$SCRATCH"
finish
