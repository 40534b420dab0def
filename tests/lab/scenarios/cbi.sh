# Gadgets that are driven by Control/Bulk/Interrupt, one with SCSI's commands and one with UFI's, as a floppy drive.

machine() {
        lab_options+=(--memory=2048)
}

start_gadget() { # PROTOCOL SERIAL CONTROLLER
        local folder=$state/$1

        mkdir -p "$folder" && truncate -s 8M "$folder.img" && make_gadget "$1" "$2" ffs &&
                mount -t functionfs "$1" "$folder" || return 1
        "$BUILD_FOLDER/tests/lab/gadget/usb-storage-gadget" "--protocol=$1" "$folder" "$folder.img" \
                > "$folder.log" 2>&1 &
        wait_until 30 grep -qx ready "$folder.log" && connect_gadget "$1" "$3"
}

# A gadget's file, once nobody has the disk any more.
file_holds_export() { # PROTOCOL SERIAL
        modprobe loop && e2fsck -fn "$state/$1.img" && mount -o ro,loop "$state/$1.img" /mnt/disk &&
                files_agree /mnt/disk "export-$2-0" && umount /mnt/disk
}

guest() {
        check "there are controllers for gadgets" load_gadget_modules num=2
        check "a disk with SCSI's commands is connected" start_gadget cbi CBI 0
        check "a floppy drive with UFI's is connected" start_gadget ufi UFI 1
        round_trips CBI:0:1024 UFI:0:1024
        check "the disk's file holds what was written" file_holds_export cbi CBI
        check "the floppy drive's file holds what was written" file_holds_export ufi UFI
}
