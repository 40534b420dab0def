# Gadgets that misbehave, first under the kernel's usb-storage, then under us, and a table of what each of the two
# did. We are right where the kernel is, never wrong, never late, and other devices do not notice.

# A command of the kernel's and a request of ours may take so long; both drivers' own defaults are 30 s.
KERNEL_SECONDS=6
DEADLINE_SECONDS=12
# For what the machine itself takes, which is slow.
SLACK_SECONDS=6
WITNESS_SLOT=0

machine() {
        lab_options+=(--memory=2048)
}

misbehaving() { # ACTION
        "$here/misbehaving.py" "$1" --folder "$state" --socket "$(service_socket)" --first-slot 1 \
                --gadget "$BUILD_FOLDER/tests/lab/gadget/usb-storage-gadget" --only "${LAB_ONLY:-}" \
                --kernel-timeout "$KERNEL_SECONDS" --deadline $((DEADLINE_SECONDS + SLACK_SECONDS))
}

load_gadget_modules() {
        modprobe dummy_hcd is_super_speed=1 num=17 && modprobe -a libcomposite usb_f_fs usb_f_mass_storage &&
                mount -t configfs configfs /sys/kernel/config &&
                echo 0 > /sys/module/usb_storage/parameters/delay_use
}

# The kernel's own gadget, which is well-behaved.
make_witness() {
        local gadget=/sys/kernel/config/usb_gadget/witness

        mkdir -p "$gadget/strings/0x409" "$gadget/configs/c.1" "$gadget/functions/mass_storage.0"
        echo 0x1d6b > "$gadget/idVendor"
        echo 0x0104 > "$gadget/idProduct"
        echo WITNESS > "$gadget/strings/0x409/serialnumber"
        truncate -s 32M "$state/witness.img"
        echo "$state/witness.img" > "$gadget/functions/mass_storage.0/lun.0/file"
        ln -s "$gadget/functions/mass_storage.0" "$gadget/configs/c.1/"
        echo "dummy_udc.$WITNESS_SLOT" > "$gadget/UDC"
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

        check "there are controllers for gadgets" load_gadget_modules
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
