# The kernel's own gadget as a CD drive, which knows little of what one should: a disc is read, taken out by force,
# and another one is put in, while nobody uses the drive and while somebody does.

lun=/sys/kernel/config/usb_gadget/drive/functions/mass_storage.drive/lun.0

machine() {
        lab_options+=(--memory=2048)
}

make_disc() { # NAME MEGABYTES
        head -c "$2M" /dev/urandom > "$state/$1.img"
}

make_drive() {
        make_gadget drive DRIVE mass_storage && echo 1 > "$lun/removable" && echo 1 > "$lun/cdrom" &&
                put_in first && connect_gadget drive 0
}

put_in() { # NAME
        echo "$state/$1.img" > "$lun/file"
}

take_out() {
        echo > "$lun/file"
}

force_out() {
        echo 1 > "$lun/forced_eject"
}

drive_is_empty() {
        [ -z "$(cat "$lun/file")" ]
}

has_size_of() { # NAME
        [ "$(nbdinfo --size "$(export_uri "$name")" 2> /dev/null)" = "$(stat -c %s "$state/$1.img")" ]
}

disc_agrees() { # NAME
        nbdcopy "$(export_uri "$name")" "$state/copy" && cmp "$state/copy" "$state/$1.img"
}

is_read_only() {
        [ "$(nbdinfo --json "$(export_uri "$name")" | jq -r '.exports[0].is_read_only')" = true ]
}

# Reads until it is told an error.
start_reader() {
        nbdsh -u "$(export_uri "$name")" -c "
import os, time
os.mkdir('$state/connected')
try:
    for offset in range(0, h.get_size(), 1 << 20):
        h.pread(1 << 20, offset)
        time.sleep(2)
except nbd.Error:
    os.mkdir('$state/told')
" &
        reader=$!
}

guest() {
        local name reader

        make_disc first 24
        make_disc second 40
        check "there is a controller for gadgets" load_gadget_modules
        check "a drive with a disc is connected" make_drive
        start_daemon "present_devices = take"
        name=$(wait_for_export DRIVE 0) || fail "the disc is exported"
        check "the export can't be written" is_read_only
        check "it has the disc's size" has_size_of first
        check "it has the disc's bytes" disc_agrees first

        check "the disc can be taken out while nobody uses it" wait_until 30 take_out
        check "the export closes" wait_until 30 not export_name DRIVE 0
        check "another one is put in" put_in second
        check "the export opens with its size" wait_until 30 has_size_of second
        check "it has its bytes" disc_agrees second
        check "and can't be written" is_read_only

        start_reader
        check "a client reads" wait_until 30 test -d "$state/connected"
        sleep 3
        check "the disc can't be taken out then" not take_out
        check "it is taken out by force" force_out
        check "the drive is empty" drive_is_empty
        check "the export closes" wait_until 30 not export_name DRIVE 0
        check "the client is told" wait_until 60 test -d "$state/told"
        wait "$reader"
        check "the first disc is put in" put_in first
        check "the export opens with its size" wait_until 30 has_size_of first
        check "and has its bytes" disc_agrees first
}
