# Disks are block devices of the kernel by themselves, under lasting names: a partition is mounted by its name, outlives
# restarts of the service and a replug, and a device in use is not detached.

machine() {
        qemu_arguments+=(-device qemu-xhci,id=xhci)
        sfdisk --quiet "$(make_image DISK 64M)" <<< 'label: gpt
start=2048, size=40960
start=43008, size=40960'
}

plug_disk() { # PORT
        plug DISK "usb-storage,bus=xhci.0,port=$1,serial=DISK" "$LAB_SCRATCH/DISK.img"
}

start_udev() {
        mkdir -p /run/udev/rules.d
        cp "$here/../../units/71-usb-storage-attach.rules" /run/udev/rules.d/
        /lib/systemd/systemd-udevd --daemon && udevadm trigger && udevadm settle
}

start_attach() {
        "$BUILD_FOLDER/src/cli/usb-storagectl" --address "$service_bus" attach --all > "$state/attach" 2>&1 &
        attach_pid=$!
}

stop_attach() {
        kill -TERM "$attach_pid" && wait "$attach_pid"
}

by_id() { # SUFFIX
        echo /dev/disk/by-id/usb-storage-*-DISK-lun0"$1"
}

is_there() { # SUFFIX
        test -b "$(by_id "$1")"
}

appears() { # SUFFIX
        wait_until 60 is_there "$1" || { cat "$state/attach"; ls -l /dev/disk/by-id; return 1; }
}

takes_as_long_as_the_disk() {
        [ "$(cat "/sys/block/$(basename "$(realpath "$(by_id "")")")/queue/io_timeout")" = 35000 ]
}

mount_by_name() {
        mkfs.ext4 -q -F "$(by_id -part2)" && mount "$(by_id -part2)" /mnt/disk
}

restart_service() {
        stop_daemon
        start_daemon "present_devices = take"
}

has_said() { # WORDS
        wait_until 60 grep -q "$1" "$state/attach" || { cat "$state/attach"; return 1; }
}

refuses_to_detach() {
        ! storagectl detach "$(realpath "$(by_id "")")" 2> "$state/refusal" &&
                grep -q 'in use' "$state/refusal"
}

is_left_alone() {
        sleep 3
        [ "$(grep -c ' is 46f4-' "$state/attach")" = 1 ]
}

survives() {
        local work

        write_files /mnt/disk 2048 before
        "$here/files.py" /mnt/disk/work --seconds 45 > "$state/work" &
        work=$!
        sleep 5
        restart_service
        check "after a restart of the service it is attached again" has_said 'is again'
        check "the disk is pulled out" unplug DISK
        sleep 4
        check "and put back at another port" plug_disk 3
        wait "$work" || fail "the programs on it saw no error"
        report ok "the programs on it saw no error"
        check "the kernel saw none either" no_error_on_the_device
        check "the files are as they were" files_agree /mnt/disk before
}

guest() {
        start_udev || fail "udevd starts"
        { modprobe -r nbd && modprobe nbd nbds_max=4; } || fail "the kernel's NBD driver loads"
        start_bus || fail "a bus is started"
        start_daemon "present_devices = take"
        start_attach
        check "a disk is plugged in" plug_disk 2
        check "it is there under its name" appears ""
        check "an answer may take as long as the disk may" takes_as_long_as_the_disk
        check "its partitions are, too" appears -part2
        check "one of them is mounted by its name" mount_by_name
        check "the device is not detached while it is in use" refuses_to_detach
        survives
        check "the file system is unmounted" umount /mnt/disk
        check "and clean" e2fsck -fn "$(by_id -part2)"
        check "the device is detached" storagectl detach DISK
        check "which is told" has_said 'is no longer'
        check "and not attached again by itself" is_left_alone
        stop_attach || fail "attach ends"
        report ok "attach ends"
}
