# QEMU's usb-storage as a card reader: cards are put in, taken out and exchanged, while nobody uses the reader and
# while somebody does. What was written to a card that was pulled out too early is on it when it is back.

machine() {
        make_card small 24
        make_card large 40
        qemu_arguments+=(
                -device qemu-xhci,id=xhci -drive if=none,id=card
                -device usb-storage,bus=xhci.0,drive=card,removable=on,serial=READER
        )
}

make_card() { # NAME MEGABYTES
        head -c "$2M" /dev/urandom > "$scratch/$1.img"
}

put_in() { # NAME
        monitor "$(jq -n -c --arg file "$LAB_SCRATCH/$1.img" \
                '{ execute: "blockdev-change-medium", arguments: { device: "card", filename: $file, format: "raw" } }')"
}

take_out() {
        monitor '{"execute":"eject","arguments":{"device":"card"}}'
}

pull_out() {
        monitor '{"execute":"eject","arguments":{"device":"card","force":true}}'
}

is_held() {
        take_out | grep -q 'is locked'
}

has_size_of() { # NAME
        [ "$(nbdinfo --size "$(export_uri "$name")" 2> /dev/null)" = "$(stat -c %s "$LAB_SCRATCH/$1.img")" ]
}

card_agrees() { # FILE
        nbdcopy "$(export_uri "$name")" "$state/copy" && cmp "$state/copy" "$1"
}

write_card() { # FILE
        nbdcopy --flush "$1" "$(export_uri "$name")"
}

kernel_reads() { # FILE
        local disk

        disk=$(wait_for_kernel_disk READER 0) && cmp "$disk" "$1"
}

# Writes at the card's beginning and synchronises nothing, and stays until it is told an error.
start_writer() { # FILE
        nbdsh -u "$(export_uri "$name")" -c "
import os, time
h.pwrite(open('$1', 'rb').read(1 << 20), 0)
os.mkdir('$state/written')
try:
    while True:
        h.pread(4096, 8 << 20)
        time.sleep(1)
except nbd.Error:
    os.mkdir('$state/told')
" &
        writer=$!
}

guest() {
        local name writer

        start_daemon "present_devices = take"
        sleep 5
        check "a reader without a card is no export" not export_name READER 0
        check "a card is put in" put_in small
        name=$(wait_for_export READER 0) || fail "it is exported"
        check "the export has its size" has_size_of small
        check "and its bytes" card_agrees "$LAB_SCRATCH/small.img"

        check "it can be taken out while nobody uses it" wait_until 30 take_out
        check "the export closes" wait_until 30 not export_name READER 0
        check "another one is put in" put_in large
        check "the export opens with its size" wait_until 30 has_size_of large
        check "and has its bytes" card_agrees "$LAB_SCRATCH/large.img"
        check "it is exchanged at once" wait_until 30 put_in small
        check "the export has the other's size" wait_until 30 has_size_of small
        head -c 24M /dev/urandom > "$state/new"
        check "the card is written" write_card "$state/new"

        head -c 24M /dev/urandom > "$state/newer"
        start_writer "$state/newer"
        check "a client writes" wait_until 30 test -d "$state/written"
        check "the card is held then" wait_until 30 is_held
        check "it is pulled out" pull_out
        check "the export closes" wait_until 30 not export_name READER 0
        check "the client is told" wait_until 60 test -d "$state/told"
        wait "$writer"
        check "another card is put in" put_in large
        check "the export opens with its size" wait_until 30 has_size_of large
        check "and has its bytes alone" card_agrees "$LAB_SCRATCH/large.img"
        check "it can be taken out" wait_until 30 take_out
        check "the export closes" wait_until 30 not export_name READER 0
        check "the first card is back" put_in small
        check "the export opens with its size" wait_until 30 has_size_of small
        (head -c 1M "$state/newer" && tail -c +$((1048576 + 1)) "$state/new") > "$state/expected"
        check "and has what was written" card_agrees "$state/expected"
        stop_daemon
        check "the kernel reads the same from the card" kernel_reads "$state/expected"
}
