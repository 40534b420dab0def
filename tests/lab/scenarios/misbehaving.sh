# Gadgets that misbehave, first under the kernel's usb-storage, then under us, and a table of what each of the two
# did. We are right where the kernel is, never wrong, never hang, and other devices do not notice.

# A command of the kernel's and a request of ours may take so long; both drivers' own defaults are 30 s.
KERNEL_SECONDS=6
DEADLINE_SECONDS=12
# A request that takes so much longer hangs; the machine is slow, and nothing is said of speed here.
SLACK_SECONDS=30
WITNESS_SLOT=0
# Gadgets at a time. More of them are done sooner, but each waits for the others.
N_SLOTS=8

machine() {
        lab_options+=(--memory=2048 --time-limit=1440)
}

misbehaving() { # ACTION
        "$here/misbehaving.py" "$1" --folder "$state" --socket "$(service_socket)" --first-slot 1 --slots "$N_SLOTS" \
                --gadget "$BUILD_FOLDER/tests/lab/gadget/usb-storage-gadget" --only "${LAB_ONLY:-}" \
                --kernel-timeout "$KERNEL_SECONDS" --deadline $((DEADLINE_SECONDS + SLACK_SECONDS))
}

add_controllers() {
        load_gadget_modules num=$((N_SLOTS + 1)) && echo 0 > /sys/module/usb_storage/parameters/delay_use
}

# The kernel's own gadget, which is well-behaved.
make_witness() {
        make_gadget witness WITNESS mass_storage && truncate -s 32M "$state/witness.img" &&
                echo "$state/witness.img" > "$gadgets/witness/functions/mass_storage.witness/lun.0/file" &&
                connect_gadget witness "$WITNESS_SLOT"
}

report_cases() {
        local status sentence n_failed=0

        while read -r status sentence; do
                case $status in
                ok) report ok "$sentence" ;;
                not)
                        report "not ok" "${sentence#ok }"
                        n_failed=$((n_failed + 1))
                        ;;
                *) echo "$status $sentence" ;;
                esac
        done < <(misbehaving judge)
        [ "$n_failed" = 0 ] || fail "$n_failed cases are worse than the kernel"
}

guest() {
        local witness worker

        check "there are controllers for gadgets" add_controllers
        check "all cases are run under the kernel's driver" misbehaving kernel
        echo "# $SECONDS s"
        check "the kernel's drivers are unloaded" modprobe -r uas usb_storage

        start_daemon "present_devices = take" "park_timeout = ${DEADLINE_SECONDS}s" "[usb_storage]" "cache_enabled = false" \
                "storage_device_timeout = ${DEADLINE_SECONDS}000" "storage_device_max_devices = 64"
        check "a gadget that behaves well is made" make_witness
        witness=$(wait_for_export WITNESS 0) || fail "it is exported"
        worker=$(worker_of WITNESS) || fail "it has a worker"
        start_load witness "$witness" --pause 0.05
        check "all cases are run under us" misbehaving ours
        echo "# $SECONDS s"
        misbehaving table | sed 's/^/# /'
        end_load witness "the other device's client saw no error"
        check "its worker is the same" test "$(worker_of WITNESS)" = "$worker"
        check "the service is the same" kill -0 "$service_pid"
        report_cases
}
