# Selective suspend on xHCI, by Bulk-Only and by UAS, on EHCI and on dummy_hcd: a device that nobody uses sleeps, as
# the kernel says as well, and a read wakes it.

machine() {
        qemu_arguments+=(-device qemu-xhci,id=xhci -device usb-ehci,id=ehci)
        add_disk xhci XHCI
        add_disk ehci EHCI
        qemu_arguments+=(
                -device "usb-uas,id=UAS,bus=xhci.0,serial=UAS"
                -drive "if=none,id=UAS0,format=raw,file=$(make_image UAS 64M)"
                -device "scsi-hd,bus=UAS.0,scsi-id=0,lun=0,drive=UAS0"
        )
}

add_disk() { # CONTROLLER SERIAL
        qemu_arguments+=(
                -drive "if=none,id=$2,format=raw,file=$(make_image "$2" 64M)"
                -device "usb-storage,bus=$1.0,drive=$2,serial=$2"
        )
}

usb_folder() { # SERIAL
        dirname "$(grep -lx "$1" /sys/bus/usb/devices/*/serial)"
}

# Behind dummy_hcd's hub for SuperSpeed the kernel suspends nothing.
add_gadget() {
        load_gadget_modules is_super_speed=0 && make_gadget lab GADGET mass_storage || return 1
        truncate -s 64M "$state/gadget.img"
        echo "$state/gadget.img" > "$gadgets/lab/functions/mass_storage.lab/lun.0/file"
        connect_gadget lab 0
}

# What our udev rule does where udevd runs. The kernel's own delay, two seconds, is not ours to measure; with none a
# suspend that fails at first is not tried again.
let_suspend() { # SERIAL
        local folder

        folder=$(usb_folder "$1") || return 1
        echo auto > "$folder/power/control"
        echo 100 > "$folder/power/autosuspend_delay_ms"
}

kernel_says() { # SERIAL STATUS
        test "$(cat "$(usb_folder "$1")/power/runtime_status")" = "$2"
}

falls_asleep_and_wakes() { # SERIAL
        local name

        name=$(wait_for_export "$1" 0) || return 1
        "$here/power.py" "$(export_uri "$name")" "$(usb_folder "$1")" > "$state/latencies-$1"
}

guest() {
        local serial

        check "a gadget is connected" add_gadget
        for serial in XHCI EHCI UAS GADGET; do
                check "$serial: the kernel has it" wait_for_kernel_disk "$serial" 0
                check "$serial: it may be suspended" let_suspend "$serial"
        done
        start_daemon "present_devices = take" "[power]" "suspend_timeout = 1s"
        for serial in XHCI EHCI UAS GADGET; do
                check "$serial: it falls asleep, and a read wakes it" falls_asleep_and_wakes "$serial"
                sed "s/^# /# $serial: /" "$state/latencies-$serial"
        done
        for serial in XHCI EHCI UAS GADGET; do
                check "$serial: it sleeps while nobody uses it" wait_until 60 kernel_says "$serial" suspended
        done
        # Also those that sleep are given back awake, and what was read through them was right.
        stop_daemon
        for serial in XHCI EHCI UAS GADGET; do
                check "$serial: the kernel's driver has it again" wait_for_kernel_disk "$serial" 0
        done
        start_daemon "present_devices = take"
        for serial in XHCI EHCI UAS GADGET; do
                check "$serial: it is exported" wait_for_export "$serial" 0
        done
        sleep 5
        for serial in XHCI EHCI UAS GADGET; do
                check "$serial: by default it does not sleep" kernel_says "$serial" active
        done
}
