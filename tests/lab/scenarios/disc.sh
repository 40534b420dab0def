# QEMU's usb-bot with a CD drive: a disc is read, taken out, another one put in, and asked for by the drive's button.

machine() {
        make_disc first 24
        make_disc second 40
        qemu_arguments+=(
                -device qemu-xhci,id=xhci -device usb-bot,id=bot,bus=xhci.0,serial=DRIVE
                -drive "if=none,id=disc,media=cdrom,format=raw,file=$scratch/first.img"
                -device scsi-cd,bus=bot.0,lun=0,drive=disc,id=cd
        )
}

make_disc() { # NAME MEGABYTES
        head -c "$2M" /dev/urandom > "$scratch/$1.img"
}

change_disc() { # NAME
        monitor "$(jq -n -c --arg file "$LAB_SCRATCH/$1.img" \
                '{ execute: "blockdev-change-medium", arguments: { id: "cd", filename: $file, format: "raw" } }')"
}

disc_agrees() { # NAME
        nbdcopy "$(export_uri "$name")" "$state/copy" && cmp "$state/copy" "$LAB_SCRATCH/$1.img"
}

is_read_only() {
        [ "$(nbdinfo --json "$(export_uri "$name")" | jq -r '.exports[0].is_read_only')" = true ]
}

has_size_of() { # NAME
        [ "$(nbdinfo --size "$(export_uri "$name")" 2> /dev/null)" = "$(stat -c %s "$LAB_SCRATCH/$1.img")" ]
}

# QEMU's drive, whose tray is locked, passes it on to the host as its button.
press_button() {
        monitor '{"execute":"eject","arguments":{"id":"cd"}}' | grep -q 'is locked'
}

tray_is_open() {
        monitor '{"execute":"query-block"}' | jq -e '.return[] | select(.qdev == "cd" or .device == "disc") | .tray_open'
}

guest() {
        local name client

        start_daemon "present_devices = take"
        name=$(wait_for_export DRIVE 0) || fail "the disc is exported"
        check "the export can't be written" is_read_only
        check "it has the disc's size" has_size_of first
        check "it has the disc's bytes" disc_agrees first
        check "the disc is taken out" monitor '{"execute":"eject","arguments":{"id":"cd","force":true}}'
        check "the export closes" wait_until 30 not export_name DRIVE 0
        check "another one is put in" change_disc second
        check "the export opens with its size" wait_until 30 has_size_of second
        check "and has its bytes" disc_agrees second

        nbdsh -u "$(export_uri "$name")" -c "import os, time; os.mkdir('$state/connected'); time.sleep(20)" &
        client=$!
        check "a client connects" wait_until 30 test -d "$state/connected"
        sleep 3
        check "the tray is locked then" press_button
        sleep 6
        check "and stays shut" not tray_is_open
        wait "$client"
        check "it opens when the client has gone" wait_until 30 tray_is_open
        check "and the export closes" wait_until 30 not export_name DRIVE 0
}
