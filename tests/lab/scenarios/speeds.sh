# QEMU's usb-storage at super, high and full speed: on xHCI, EHCI and UHCI.

machine() {
        qemu_arguments+=(
                -device qemu-xhci,id=xhci -device usb-ehci,id=ehci -device piix3-usb-uhci,id=uhci
        )
        add_disk xhci SUPER 64M
        add_disk ehci HIGH 64M
        add_disk uhci FULL 16M
}

add_disk() { # CONTROLLER SERIAL SIZE
        qemu_arguments+=(
                -drive "if=none,id=$2,format=raw,file=$(make_image "$2" "$3")"
                -device "usb-storage,bus=$1.0,drive=$2,serial=$2"
        )
}

guest() {
        round_trips SUPER:0:16384 HIGH:0:8192 FULL:0:1024
}
