# The kernel's own mass-storage gadget on dummy_hcd, with three LUNs, and its files compared byte for byte.

machine() {
        lab_options+=(--memory=2048)
}

make_gadget() { # SERIAL
        local gadget=/sys/kernel/config/usb_gadget/lab lun function

        modprobe dummy_hcd is_super_speed=1 && modprobe -a libcomposite usb_f_mass_storage
        mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
        function=$gadget/functions/mass_storage.0
        mkdir -p "$gadget/strings/0x409" "$gadget/configs/c.1" "$function"/lun.{1,2}
        echo 0x1d6b > "$gadget/idVendor"
        echo 0x0104 > "$gadget/idProduct"
        echo "$1" > "$gadget/strings/0x409/serialnumber"
        for lun in 0 1 2; do
                truncate -s 32M "$state/lun$lun.img"
                echo "$state/lun$lun.img" > "$function/lun.$lun/file"
        done
        echo 1 > "$function/lun.1/removable"
        ln -s "$function" "$gadget/configs/c.1/"
        ls /sys/class/udc | head -1 > "$gadget/UDC"
}

file_is_what_was_written() { # LUN
        local name

        name=$(wait_for_export GADGET "$1") || return 1
        head -c 32M /dev/urandom > "$state/written"
        nbdcopy --flush "$state/written" "$(export_uri "$name")" && cmp "$state/written" "$state/lun$1.img" &&
                nbdcopy "$(export_uri "$name")" - | cmp - "$state/written"
}

guest() {
        local lun

        check "a gadget with three LUNs is made" make_gadget GADGET
        round_trips GADGET:0:4096 GADGET:1:4096 GADGET:2:4096

        start_daemon "present_devices = take"
        for lun in 0 1 2; do
                check "GADGET LUN $lun: the gadget's file holds byte for byte what was written" \
                        file_is_what_was_written "$lun"
        done
        stop_daemon
}
