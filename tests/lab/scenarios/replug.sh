# A disk is pulled out and put back under a mounted file system in use: the mount survives, nobody sees an error, and
# what was written is there. Another disk in its place gets nothing of it; its data waits for the right one.

machine() {
        qemu_arguments+=(-device qemu-xhci,id=xhci)
        make_image DISK 128M > /dev/null
        make_image OTHER 128M > /dev/null
}

plug_disk() { # PORT IMAGE
        plug DISK "usb-storage,bus=xhci.0,port=$1,serial=DISK" "$LAB_SCRATCH/$2.img"
}

orphan_files() {
        find "$service_folder/state/orphans" -name '*.orphan' | grep .
}

survives_replugs() { # EXPORT
        local work

        check "nbd-client attaches the export" attach "$1"
        check "a file system is made and mounted" mount_new_file_system
        write_files /mnt/disk 4096 before
        "$here/files.py" /mnt/disk/work --seconds 60 > "$state/work" &
        work=$!
        sleep 8
        check "the disk is pulled out" unplug DISK
        sleep 6
        check "and put back at the same port" plug_disk 2 DISK
        sleep 12
        check "pulled out again" unplug DISK
        sleep 3
        check "and put back at another port" plug_disk 3 DISK
        wait "$work" || fail "the programs on it saw no error"
        report ok "the programs on it saw no error"
        check "the kernel saw none either" no_error_in_kernel_log
        check "the files are as they were" files_agree /mnt/disk before
        check "the file system is unmounted" umount /mnt/disk
        check "and clean" e2fsck -fn /dev/nbd0
        check "/dev/nbd0 is detached" detach
}

# The disk goes while data is written, without a FLUSH: the end of it stays in the cache.
write_and_pull() { # EXPORT
        local load

        "$here/load.py" "$(export_uri "$1")" --seconds 8 --seed 7 --no-flush --save "$state/saved" &
        load=$!
        sleep 4
        unplug DISK
        wait "$load"
}

waits_for_the_right_disk() { # EXPORT
        check "the disk is pulled out while data is written, which goes on" write_and_pull "$1"
        check "another disk with the same number comes" plug_disk 2 OTHER
        check "the data is in an orphan file" wait_until 60 orphan_files
        check "the other disk is exported" wait_for_export DISK 0
        check "it is untouched" other_is_blank
        check "it is pulled out" unplug DISK
        check "its export goes with it" wait_until 100 not export_name DISK 0
        check "the right disk returns" plug_disk 2 DISK
        check "it is exported" wait_for_export DISK 0
        check "with the data" "$here/load.py" "$(export_uri "$1")" --verify "$state/saved"
        check "the orphan file is gone" wait_until 20 not orphan_files
}

other_is_blank() {
        cmp -n $((128 * 1024 * 1024)) /dev/zero "$LAB_SCRATCH/OTHER.img"
}

guest() {
        local name

        /lib/systemd/systemd-udevd --daemon || fail "udevd starts"
        udevadm trigger && udevadm settle
        start_daemon "present_devices = keep"
        check "a disk is plugged in" plug_disk 2 DISK
        name=$(wait_for_export DISK 0) || fail "it is exported"
        survives_replugs "$name"
        waits_for_the_right_disk "$name"
}
