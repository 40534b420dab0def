#!/bin/bash
# fio: integrity under load, with sizes mixed and many requests at once. Expects an export of at least 32 MiB.
here=$(realpath "$(dirname "$0")")
source "$here/../shell/results.sh"

run_fio() { # ARGUMENT...
        (cd "$SCRATCH" && fio --name=verify --ioengine=nbd --uri="$URI" --thread --size=32M --output=fio.log \
                --iodepth=32 --verify=md5 --verify_fatal=1 --verify_backlog=256 "$@") ||
                { cat "$SCRATCH/fio.log"; return 1; }
}

check "random reads and writes of 512 bytes to 1 MiB" \
        run_fio --rw=randrw --bssplit=512/30:4k/40:64k/20:1m/10
check "random writes of 4 KiB" run_fio --rw=randwrite --bs=4k
check "sequential writes of 256 KiB with flushes" run_fio --rw=write --bs=256k --fsync=16
check "random trims and writes" run_fio --rw=randtrimwrite --bs=4k --verify=0 --do_verify=0 \
        --io_size=8M
finish
