# A disk that is in use is never taken, and one that was there is left to the kernel unless told otherwise.

machine() {
        local serial port=0

        qemu_arguments+=(-device qemu-xhci,id=xhci)
        for serial in MOUNTED SWAP IDLE; do
                port=$((port + 1))
                qemu_arguments+=(
                        -drive "if=none,id=$serial,format=raw,file=$(make_image "$serial" 32M)"
                        -device "usb-storage,bus=xhci.0,port=$port,drive=$serial,serial=$serial"
                )
        done
        make_image LATER 32M > /dev/null
}

mount_disk() { # DEVICE
        mkdir -p /mnt/mounted
        mkfs.ext4 -q -F "$1" && mount "$1" /mnt/mounted && write_files /mnt/mounted 1024 before
}

swap_on_disk() { # DEVICE
        mkswap "$1" && swapon "$1"
}

mounted_disk_works() {
        files_agree /mnt/mounted before && write_files /mnt/mounted 1024 after && sync &&
                echo 3 > /proc/sys/vm/drop_caches && files_agree /mnt/mounted after
}

guest() {
        local disk

        disk=$(wait_for_kernel_disk MOUNTED 0) || fail "the kernel has the first disk"
        check "the first disk is mounted" mount_disk "$disk"
        disk=$(wait_for_kernel_disk SWAP 0) || fail "the kernel has the second disk"
        check "the second disk is swapped on" swap_on_disk "$disk"
        wait_for_kernel_disk IDLE 0 > /dev/null || fail "the kernel has the third disk"

        start_daemon "present_devices = take"
        check "the idle disk is taken" wait_for_export IDLE 0
        check "the mounted disk is not exported" not export_name MOUNTED 0
        check "the swap disk is not exported" not export_name SWAP 0
        check "the kernel still has the mounted disk" kernel_disk MOUNTED 0
        check "the kernel still has the swap disk" kernel_disk SWAP 0
        check "the mounted file system works" mounted_disk_works
        stop_daemon
        check "the idle disk is given back" wait_for_kernel_disk IDLE 0

        start_daemon "present_devices = keep"
        check "a disk is plugged in" \
                plug LATER usb-storage,bus=xhci.0,port=4,serial=LATER "$LAB_SCRATCH/LATER.img"
        check "it is taken, as it came later" wait_for_export LATER 0
        check "the idle disk is left to the kernel" not export_name IDLE 0
        check "and the kernel has it" kernel_disk IDLE 0
        stop_daemon
        check "the mounted file system still works" mounted_disk_works
}
