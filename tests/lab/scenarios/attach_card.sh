# A card under /dev/nbd0 is exchanged for another one of the same size: who uses the device gets errors, and the other
# card nothing of what was meant for the first.

machine() {
        make_card first
        make_card second
        qemu_arguments+=(
                -device qemu-xhci,id=xhci -drive "if=none,id=card,format=raw,file=$scratch/first.img"
                -device usb-storage,bus=xhci.0,drive=card,removable=on,serial=READER
        )
}

make_card() { # NAME
        head -c 16M /dev/urandom > "$scratch/$1.img"
        cp "$scratch/$1.img" "$scratch/$1.former"
}

exchange() {
        monitor '{"execute":"eject","arguments":{"device":"card","force":true}}' > /dev/null
        sleep 1
        monitor "$(jq -n -c --arg file "$LAB_SCRATCH/second.img" \
                '{ execute: "blockdev-change-medium", arguments: { device: "card", filename: $file, format: "raw" } }')"
}

start_attach() {
        "$BUILD_FOLDER/src/cli/usb-storagectl" --address "$service_bus" attach READER /dev/nbd0 > "$state/attach" 2>&1 &
        attach_pid=$!
}

is_attached() {
        wait_until 30 grep -q '^/dev/nbd0 is ' "$state/attach"
}

has_ended() {
        ! kill -0 "$attach_pid" 2> /dev/null
}

is_told() {
        wait_until 60 grep -q 'has become another one' "$state/attach" || { cat "$state/attach"; return 1; }
}

# It uses the device all the time, from a place that the cache does not have.
start_reader() {
        local block

        for ((block = 0; ; block = (block + 1) % 4096)); do
                dd if=/dev/nbd0 of=/dev/null bs=4096 skip="$block" count=1 iflag=direct 2> /dev/null ||
                        { touch "$state/failed"; exit 0; }
                sleep 0.2
        done &
        reader=$!
}

guest() {
        start_bus || fail "a bus is started"
        start_daemon "present_devices = take"
        wait_for_export READER 0 > /dev/null || fail "the card is exported"
        start_attach
        check "the card is attached" is_attached
        check "and is the one that it is" cmp /dev/nbd0 "$LAB_SCRATCH/first.img"
        start_reader
        check "it is exchanged for another one of its size" exchange
        check "attach says so" is_told
        check "and ends" wait_until 20 has_ended
        check "who reads gets an error" wait_until 60 test -e "$state/failed"
        wait "$reader"
        check "the second card is exported" wait_for_export READER 0
        check "with nothing of the first" cmp "$LAB_SCRATCH/second.img" "$LAB_SCRATCH/second.former"
}
