# QEMU's usb-uas on xHCI with streams and on EHCI without, with two LUNs each.

machine() {
        qemu_arguments+=(-device qemu-xhci,id=xhci -device usb-ehci,id=ehci)
        add_uas xhci STREAMS 64M
        add_uas ehci PLAIN 16M
}

add_uas() { # CONTROLLER SERIAL SIZE
        local lun

        qemu_arguments+=(-device "usb-uas,id=$2,bus=$1.0,serial=$2")
        for lun in 0 1; do
                qemu_arguments+=(
                        -drive "if=none,id=$2$lun,format=raw,file=$(make_image "$2$lun" "$3")"
                        -device "scsi-hd,bus=$2.0,scsi-id=0,lun=$lun,drive=$2$lun"
                )
        done
}

guest() {
        modprobe uas
        round_trips STREAMS:0:16384 STREAMS:1:8192 PLAIN:0:4096 PLAIN:1:1024
}
