# The kernel's own mass-storage gadget on dummy_hcd, with three LUNs, and its files compared byte for byte.

machine() {
        lab_options+=(--memory=2048)
}

add_luns() {
        local function=$gadgets/lab/functions/mass_storage.lab lun

        mkdir "$function"/lun.{1,2}
        for lun in 0 1 2; do
                truncate -s 32M "$state/lun$lun.img"
                echo "$state/lun$lun.img" > "$function/lun.$lun/file"
        done
        echo 1 > "$function/lun.1/removable"
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

        check "there is a controller for gadgets" load_gadget_modules
        check "a gadget is made" make_gadget lab GADGET mass_storage
        check "it has three LUNs" add_luns
        check "it is connected" connect_gadget lab 0
        round_trips GADGET:0:4096 GADGET:1:4096 GADGET:2:4096

        start_daemon "present_devices = take"
        for lun in 0 1 2; do
                check "GADGET LUN $lun: the gadget's file holds byte for byte what was written" \
                        file_is_what_was_written "$lun"
        done
        stop_daemon
}
