# QEMU's usb-bot with a CD drive: a disc is read, taken out, and another one put in.

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

guest() {
        local name

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
}
