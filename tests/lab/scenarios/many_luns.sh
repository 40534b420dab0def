# QEMU's usb-bot with four LUNs, one of which has blocks of 4096 bytes.

machine() {
        local lun

        qemu_arguments+=(-device qemu-xhci,id=xhci -device usb-bot,id=bot,bus=xhci.0,serial=MANY)
        for lun in 0 1 2 3; do
                qemu_arguments+=(
                        -drive "if=none,id=lun$lun,format=raw,file=$(make_image "lun$lun" 32M)"
                        -device "scsi-hd,bus=bot.0,lun=$lun,drive=lun$lun$(block_size_of "$lun")"
                )
        done
}

block_size_of() { # LUN
        [ "$1" != 2 ] || echo ",logical_block_size=4096,physical_block_size=4096"
}

guest() {
        round_trips MANY:0:4096 MANY:1:4096 MANY:2:4096 MANY:3:4096
}
