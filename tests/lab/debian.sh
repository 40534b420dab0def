#!/bin/bash
# debian.sh: what the scenarios of the Debian packages share. Needs scenario's names, and in the guest guest.sh.

# --- on the host

packages_folder=$BUILD_FOLDER/package
next_folder=$BUILD_FOLDER/package-next

skip() { # WHY
        echo "1..0 # SKIP $1"
        exit 0
}

# The packages, which suite `package` may have made in the same run, and a root to install them in.
prepare_packages() {
        [ "$(id -u)" = 0 ] || skip "only root can make the guest's root with debootstrap"
        if ! { "$here/../package/build" --if-needed "$packages_folder" && "$here/prepare-root" "$packages_folder"/usb-*[dl]_*.deb; } >&2; then
                echo "Bail out! there are no packages, or no root for them"
                exit 1
        fi
        lab_options+=("--root=$LAB_FOLDER/root")
}

# --- in the guest

package_names=(usb-storaged usb-storagectl orion-usb-storage-doc)

install_packages() { # FOLDER
        local name files=()

        for name in "${package_names[@]}"; do
                files+=("$1/$name"_[0-9]*.deb)
        done
        DEBIAN_FRONTEND=noninteractive dpkg -i "${files[@]}"
}

# How a guest with systemd starts for what is installed here: the kernel's NBD driver is for the units to load.
start_system() {
        modprobe -r nbd || fail "the kernel's NBD driver can be loaded anew"
        systemctl is-active --quiet dbus.service systemd-udevd.service || fail "the bus and udevd run"
}

says_nothing() { # COMMAND...
        ! "$@" 2>&1 | grep .
}

plug_disk() { # SERIAL PORT
        plug "$1" "usb-storage,bus=xhci.0,port=$2,serial=$1" "$LAB_SCRATCH/$1.img"
}

export_of() { # SERIAL
        usb-storagectl -j list | jq -r '.[].export' | grep -- "-$1-lun0\$"
}

unit_has() { # UNIT PROPERTY VALUE
        [ "$(systemctl show -P "$2" "$1")" = "$3" ]
}

by_id() { # SERIAL
        echo /dev/disk/by-id/usb-storage-*-"$1"-lun0
}

is_attached() { # SERIAL
        test -b "$(by_id "$1")"
}

mount_new() { # DEVICE FOLDER [OPTION OF MOUNT]...
        mkdir -p "$2" && mkfs.ext4 -q -F "$1" && mount "${@:3}" "$1" "$2"
}

holds_files() { # DEVICE NAME [OPTION OF MOUNT]...
        mkdir -p /mnt/look && mount -o ro "${@:3}" "$1" /mnt/look && files_agree /mnt/look "$2" && umount /mnt/look
}
