# A disk as a file, under the kernel's FUSE and loop drivers: a file system on it, its worker killed, its cable pulled and
# put back meanwhile. Nobody sees an error, and what was written is there; a stop fails nobody for ever.

source "$here/../shell/bus.sh"

machine() {
        qemu_arguments+=(-device qemu-xhci,id=xhci)
        make_image DISK 128M > /dev/null
}

plug_disk() { # PORT
        plug DISK "usb-storage,bus=xhci.0,port=$1,serial=DISK" "$LAB_SCRATCH/DISK.img"
}

ctl() { # ARGUMENT...
        "$BUILD_FOLDER/src/cli/usb-storagectl" --address="$(bus_address)" "$@"
}

start_daemon_on_bus() {
        start_bus || fail "a bus is started"
        printf '[device]\npresent_devices = keep\n' > "$state/usb-storage.conf"
        start_service --config "$state/usb-storage.conf" --log-level info --bus "$(bus_address)"
}

attach_loop() {
        loop=$(losetup --show -f "$image") && mkfs.ext4 -q -F "$loop" && mount "$loop" /mnt/disk
}

write_without_pause() { # FILE SECONDS
        local end=$((SECONDS + $2))

        while [ $SECONDS -lt $end ]; do
                dd if=/dev/urandom of="$1" bs=64k count=64 conv=fsync status=none || return 1
        done
}

survives() {
        local work

        write_files /mnt/disk 4096 before
        write_without_pause /mnt/disk/work 60 &
        work=$!
        sleep 6
        check "the worker is killed and has a successor" kill_worker DISK
        sleep 10
        check "the disk is pulled out" unplug DISK
        sleep 4
        check "and put back at another port" plug_disk 3
        sleep 10
        check "killed again" kill_worker DISK
        wait "$work" || fail "the program on it saw no error"
        report ok "the program on it saw no error"
        check "the kernel saw none either" no_error_in_kernel_log
        check "the files are as they were" files_agree /mnt/disk before
}

is_dead() {
        ! timeout 20 head -c 1 "$image" > /dev/null 2>&1
}

guest() {
        image=$state/disk.img
        modprobe -a fuse loop || fail "the kernel's modules load"
        /lib/systemd/systemd-udevd --daemon || fail "udevd starts"
        udevadm trigger && udevadm settle
        start_daemon_on_bus || fail "the service listens"
        check "a disk is plugged in" plug_disk 2
        wait_for_export DISK 0 > /dev/null || fail "it is exported"
        : > "$image"
        check "it is mounted as a file" ctl mount DISK "$image"
        check "of its size" test "$(stat -c %s "$image")" = $((128 * 1024 * 1024))
        check "with a file system on it" attach_loop
        survives
        check "the file system is unmounted" umount /mnt/disk
        losetup -d "$(losetup -j "$image" -O NAME -n | tr -d " ")"
        check "and clean" e2fsck -fn "$image"
        stop_daemon
        report ok "the service stops"
        check "nobody waits at the file" is_dead
        check "it is unmounted" umount "$image"
        kill "$bus_pid"
}
