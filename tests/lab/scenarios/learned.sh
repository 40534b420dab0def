# What a disk has taught is known to its next worker and to the next service: QEMU's, which does not bear pipelined
# transfers, breaks over them once.

machine() {
        qemu_arguments+=(
                -device qemu-xhci,id=xhci
                -drive "if=none,id=DISK,format=raw,file=$(make_image DISK 64M)"
                -device "usb-storage,bus=xhci.0,drive=DISK,serial=DISK"
        )
}

learned_file() {
        find "$service_folder/state/learned" -name '*-DISK' | grep .
}

has_learned() {
        grep -qx 'by-phase = yes' "$(learned_file)"
}

count_lessons() {
        grep -c "does not bear pipelined transfers" "$(service_log)"
}

read_and_write() { # EXPORT
        "$here/load.py" "$(export_uri "$1")" --seconds 8
}

guest() {
        local name

        start_daemon "present_devices = take"
        name=$(wait_for_export DISK 0) || fail "the disk is exported"
        check "the disk is read and written" read_and_write "$name"
        check "what it does not bear is in its file" wait_until 60 has_learned
        check "the worker is killed" kill_worker DISK
        check "its export is back" wait_for_export DISK 0
        check "the disk is read and written" read_and_write "$name"
        check "the successor did not learn it again" test "$(count_lessons)" = 1

        stop_daemon
        start_daemon "present_devices = take"
        check "the next service has the export" wait_for_export DISK 0
        check "the disk is read and written" read_and_write "$name"
        check "and it did not learn it again either" test "$(count_lessons)" = 1
        check "what it knows is still there" has_learned
}
