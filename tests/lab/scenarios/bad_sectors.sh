# A disk that can't read some of its sectors (QEMU's blkdebug): a read fails at the exact place, all around is
# good, and neither the kernel's client nor ours has to wait.

BAD_SECTORS=(4096 4100 20000)

machine() {
        local drive sector i=0

        drive="driver=blkdebug,node-name=bad,image.driver=file,image.filename=$(make_pattern_image)"
        for sector in "${BAD_SECTORS[@]}"; do
                drive+=",inject-error.$i.event=none,inject-error.$i.errno=5"
                drive+=",inject-error.$i.iotype=read,inject-error.$i.sector=$sector"
                i=$((i + 1))
        done
        qemu_arguments+=(
                -device qemu-xhci,id=xhci -blockdev "$drive"
                -blockdev driver=raw,node-name=disk,file=bad
                -device usb-storage,bus=xhci.0,drive=disk,serial=BAD
        )
}

# The number of each sector, all over it.
make_pattern_image() {
        "$here/bad_sectors.py" pattern 16 > "$scratch/bad.img"
        echo "$scratch/bad.img"
}

guest() {
        local disk name

        disk=$(wait_for_kernel_disk BAD 0) || fail "the kernel's driver has the disk"
        check "the kernel reads all but the bad sectors" \
                "$here/bad_sectors.py" device "$disk" "${BAD_SECTORS[@]}"
        start_daemon "present_devices = take" "[usb_storage]" "cache_enabled = false"
        name=$(wait_for_export BAD 0) || fail "the disk is exported"
        check "we read all but the bad sectors, and tell where they are" \
                "$here/bad_sectors.py" export "$(export_uri "$name")" "${BAD_SECTORS[@]}"
        stop_daemon
        start_daemon "present_devices = take"
        name=$(wait_for_export BAD 0) || fail "the disk is exported with a cache"
        check "with a cache, too" \
                "$here/bad_sectors.py" export "$(export_uri "$name")" "${BAD_SECTORS[@]}"
}
