# Disks are plugged in and out while the service runs, with udevd and during I/O.

machine() {
        qemu_arguments+=(
                -device qemu-xhci,id=xhci
                -drive "if=none,id=WITNESS,format=raw,file=$(make_image WITNESS 64M)"
                -device usb-storage,bus=xhci.0,port=1,drive=WITNESS,serial=WITNESS
        )
        make_image PLUGGED 64M > /dev/null
}

plug_disk() {
        plug PLUGGED usb-storage,bus=xhci.0,port=2,serial=PLUGGED "$LAB_SCRATCH/PLUGGED.img"
}

unplug_during_io() { # NAME ROUND
        local load

        "$here/load.py" "$(export_uri "$1")" --seconds 120 --until-error --seed "$2" --save "$state/saved" &
        load=$!
        sleep 5
        unplug PLUGGED
        wait "$load"
}

guest() {
        local name witness round

        /lib/systemd/systemd-udevd --daemon || fail "udevd starts"
        udevadm trigger && udevadm settle
        start_daemon "present_devices = take"
        witness=$(wait_for_export WITNESS 0) || fail "the disk that was there is exported"
        start_load witness "$witness"

        for round in 1 2; do
                check "round $round: a disk is plugged in" plug_disk
                name=$(wait_for_export PLUGGED 0) || fail "round $round: it is exported"
                check "round $round: the kernel's driver does not have it" not kernel_disk PLUGGED 0
                if [ "$round" = 2 ]; then
                        check "what was written before it was unplugged is on it" \
                                "$here/load.py" "$(export_uri "$name")" --verify "$state/saved"
                fi
                check "round $round: unplugged during I/O, the client gets an error" \
                        unplug_during_io "$name" "$round"
                check "round $round: the export is gone" wait_until 70 not export_name PLUGGED 0
        done

        end_load witness "the other device's client saw no error"
        check "the service is the same" kill -0 "$service_pid"
}
