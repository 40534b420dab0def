#!/bin/bash
# qemu-io: QEMU's client writes, zeroes, discards and reads back. Expects an export of at least 16 MiB.
here=$(realpath "$(dirname "$0")")
source "$here/../shell/results.sh"

io() { # COMMAND...
        local command arguments=()

        for command in "$@"; do
                arguments+=(-c "$command")
        done
        # It ends with status 0 whatever a comparison found.
        ! qemu-io -f raw "${arguments[@]}" "$URI" 2>&1 | tee /dev/stderr |
                grep -qiE 'failed|error|mismatch|cannot'
}

check "a pattern is read back" io 'write -P 7 0 64k' 'read -P 7 0 64k'
check "zeroes written without data are read back" \
        io 'write -P 9 1M 128k' 'write -z 1M 64k' 'read -P 0 1M 64k' 'read -P 9 1088k 64k'
check "zeroes that may be a hole" io 'write -P 9 2M 64k' 'write -z -u 2M 64k' 'read -P 0 2M 64k'
check "what was discarded does not harm its neighbours" \
        io 'write -P 5 3M 192k' 'discard 3136k 64k' 'read -P 5 3M 64k' 'read -P 5 3200k 64k'
check "FUA" io 'write -f -P 3 4M 4k' 'read -P 3 4M 4k' flush
check "many at once" io 'aio_write -P 1 5M 512k' 'aio_write -P 2 6M 512k' 'aio_write -P 3 7M 1M' \
        aio_flush 'read -P 1 5M 512k' 'read -P 2 6M 512k' 'read -P 3 7M 1M'
check "neighbouring blocks of 512 bytes" io 'write -P 1 8M 512' 'write -P 2 8389120 512' \
        'read -P 1 8M 512' 'read -P 2 8389120 512'
check "4 MiB in one request" io 'write -P 6 10M 4M' 'read -P 6 10M 4M'
finish
