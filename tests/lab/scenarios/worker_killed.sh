# A worker is killed in mid-I/O: its device comes back by itself and clients that reconnect go on, with every
# acknowledged write in place; the other device does not notice.

machine() {
        local serial

        qemu_arguments+=(-device qemu-xhci,id=xhci)
        for serial in VICTIM WITNESS; do
                qemu_arguments+=(
                        -drive "if=none,id=$serial,format=raw,file=$(make_image "$serial" 64M)"
                        -device "usb-storage,bus=xhci.0,drive=$serial,serial=$serial"
                )
        done
}

guest() {
        local victim witness witness_worker

        start_daemon "present_devices = take"
        victim=$(wait_for_export VICTIM 0) || fail "the first disk is exported"
        witness=$(wait_for_export WITNESS 0) || fail "the second disk is exported"
        witness_worker=$(worker_of WITNESS) || fail "each disk has a worker of its own"
        start_load victim "$victim" --reconnect --reconnects-min 2
        start_load witness "$witness"

        sleep 6
        check "a killed worker has a successor on the same device" kill_worker VICTIM
        check "its export is back" wait_for_export VICTIM 0
        sleep 6
        check "a second time, too" kill_worker VICTIM
        check "its export is back" wait_for_export VICTIM 0
        sleep 6
        end_load victim "the client reconnected and every acknowledged write is in place"
        end_load witness "the other device's client saw no error"
        check "the other device's worker is the same" \
                test "$(worker_of WITNESS)" = "$witness_worker"
        check "the service is the same" kill -0 "$service_pid"
}
