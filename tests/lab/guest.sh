#!/bin/bash
# guest.sh: what the scenarios share inside the guest: the machine's monitor, the kernel's disks, /dev/nbd0.

source "$here/../shell/results.sh"
source "$here/../shell/service.sh"
source "$here/../shell/bus.sh"
state=/run/lab
service_folder=$state/service
declare -A load_pids=()

show_context() {
        tail -60 "$(service_log)" 2> /dev/null
        dmesg | tail -40
}

# --- the machine

open_monitor() {
        local greeting

        exec 7<> /dev/lab.qmp
        read -r -t 10 greeting <&7 && monitor '{"execute":"qmp_capabilities"}' > /dev/null
}

# Talks QMP; prints the answer, skipping the events that come between.
monitor() { # JSON
        local line

        echo "$1" >&7
        while read -r -t 20 line <&7; do
                case $line in
                *'"return"'*) echo "$line"; return 0 ;;
                *'"error"'*) echo "$line"; return 1 ;;
                esac
        done
        return 1
}

# Adds the drive anew, too: QEMU drops it together with its device.
plug() { # ID DRIVER,OPTION=VALUE... IMAGE
        local driver=${2%%,*} arguments

        monitor "$(jq -n -c --arg drive "drive_add 0 if=none,id=$1-drive,format=raw,file=$3" \
                '{ execute: "human-monitor-command", arguments: { "command-line": $drive } }')"
        arguments=$(tr ',' '\n' <<< "${2#*,},id=$1,drive=$1-drive,driver=$driver" |
                jq -R -c -n '[inputs | split("=") | { key: .[0], value: .[1] }] | from_entries')
        monitor "$(jq -n -c --argjson arguments "$arguments" \
                '{ execute: "device_add", arguments: $arguments }')"
}

unplug() { # ID
        monitor "$(jq -n -c --arg id "$1" '{ execute: "device_del", arguments: { id: $id } }')"
}

load_modules() {
        modprobe -a xhci_pci ehci_pci uhci_hcd usb_storage uas sd_mod ext4 &&
                modprobe nbd nbds_max=4 max_part=0
}

start_guest() {
        mkdir -p "$state" /mnt/disk
        load_modules || fail "the kernel's modules load"
        open_monitor || fail "the machine's monitor answers"
}

# --- gadgets on dummy_hcd

gadgets=/sys/kernel/config/usb_gadget

load_gadget_modules() { # [OPTION OF DUMMY_HCD]...
        modprobe dummy_hcd is_super_speed=1 "$@" &&
                modprobe -a libcomposite usb_f_fs usb_f_mass_storage &&
                { mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config; }
}

# With one function, KIND.NAME; it is not on a controller yet.
make_gadget() { # NAME SERIAL KIND
        local gadget=$gadgets/$1

        mkdir -p "$gadget/strings/0x409" "$gadget/configs/c.1" "$gadget/functions/$3.$1"
        echo 0x1d6b > "$gadget/idVendor"
        echo 0x0104 > "$gadget/idProduct"
        echo "$2" > "$gadget/strings/0x409/serialnumber"
}

connect_gadget() { # NAME CONTROLLER
        ln -s "$gadgets/$1"/functions/* "$gadgets/$1/configs/c.1/" &&
                echo "dummy_udc.$2" > "$gadgets/$1/UDC"
}

# --- the kernel's disks

usb_folder_of_disk() { # sdX
        local folder

        folder=$(realpath "/sys/block/$1/device") || return 1
        until [ -e "$folder/idVendor" ]; do
                [ "$folder" != / ] || return 1
                folder=$(dirname "$folder")
        done
        echo "$folder"
}

# The kernel's name of a LUN, by the serial number of its USB device; fails where the kernel has no such disk.
kernel_disk() { # SERIAL LUN
        local disk folder address

        for disk in /sys/block/sd*; do
                [ -e "$disk" ] || continue
                folder=$(usb_folder_of_disk "${disk##*/}") || continue
                address=$(basename "$(realpath "$disk/device")")
                [ "$(cat "$folder/serial" 2> /dev/null)" = "$1" ] || continue
                [ "${address##*:}" = "$2" ] || continue
                # A disk without its size is one that the kernel is still reading.
                [ "$(cat "$disk/size")" -gt 0 ] || continue
                echo "/dev/${disk##*/}"
                return 0
        done
        return 1
}

wait_for_kernel_disk() { # SERIAL LUN
        wait_until 40 kernel_disk "$1" "$2" && kernel_disk "$1" "$2"
}

no_error_in_kernel_log() {
        ! dmesg | grep -iE 'I/O error|EXT4-fs error|JBD2: Error|abort(ed|ing) journal|Remounting filesystem read-only' |
                sed 's/^/# /' | grep .
}

# While the service was restarted, the kernel's driver had the disk.
no_error_on_the_device() {
        ! dmesg | grep -E 'dev nbd|nbd[0-9].*error|EXT4-fs error|JBD2: Error|[Aa]borting journal' | sed 's/^/# /' | grep .
}

# --- files

# Some small files and a large one in a folder of their own, and their sums.
write_files() { # FOLDER KILOBYTES NAME
        local i

        mkdir -p "$1/$3"
        for i in $(seq 20); do
                echo "file $i of $3" > "$1/$3/$i"
        done
        head -c "$2K" /dev/urandom > "$1/$3/large"
        (cd "$1" && find "$3" -type f -print0 | sort -z | xargs -0 sha256sum > "$state/$3.sums")
}

files_agree() { # FOLDER NAME
        (cd "$1" && sha256sum --quiet -c "$state/$2.sums")
}

# Blocks of 4096 bytes, because the kernel mounts no smaller ones on a disk whose own are that large.
fill_disk() { # DEVICE KILOBYTES NAME
        mkfs.ext4 -q -F -b 4096 "$1" && mount "$1" /mnt/disk && write_files /mnt/disk "$2" "$3" &&
                umount /mnt/disk
}

disk_agrees() { # DEVICE NAME
        e2fsck -fn "$1" && mount -o ro "$1" /mnt/disk && files_agree /mnt/disk "$2" && umount /mnt/disk
}

# --- the service

start_daemon() { # [CONFIGURATION LINE]...
        {
                echo "[device]"
                printf '%s\n' "$@"
        } > "$state/usb-storage.conf"
        start_service --config "$state/usb-storage.conf" --log-level info ||
                fail "the service listens"
}

stop_daemon() {
        stop_service || fail "the service ends well within 30 s of SIGTERM"
}

# Which process holds the USB device: the worker has its usbfs node open.
worker_of() { # SERIAL
        local folder node pid

        folder=$(dirname "$(grep -lx "$1" /sys/bus/usb/devices/*/serial)")
        node=$(printf '/dev/bus/usb/%03d/%03d' "$(cat "$folder/busnum")" "$(cat "$folder/devnum")")
        for pid in $(pgrep -f usb-storage-worker); do
                readlink "/proc/$pid/fd/"* 2> /dev/null | grep -qx "$node" && echo "$pid" && return 0
        done
        return 1
}

another_worker() { # SERIAL OLD-PID
        local pid

        pid=$(worker_of "$1") && [ "$pid" != "$2" ]
}

# Kills it when it pleases a command that is given, or at once.
kill_worker() { # SERIAL [COMMAND WITH PID...]
        local pid

        pid=$(worker_of "$1") || return 1
        [ $# = 1 ] || "${@:2}" "$pid" || return 1
        kill -9 "$pid"
        wait_until 30 another_worker "$1" "$pid"
}

# Loads that run in the background until end_load(), with their output in a file each.
start_load() { # NAME EXPORT [ARGUMENT]...
        "$here/load.py" "$(export_uri "$2")" --seconds 400 --until "$state/$1.end" "${@:3}" \
                > "$state/$1.load" 2>&1 &
        load_pids[$1]=$!
}

# Passes if the load ended well: what it expects is on the disk.
end_load() { # NAME SENTENCE
        local status

        touch "$state/$1.end"
        wait "${load_pids[$1]}"
        status=$?
        sed 's/^/# /' "$state/$1.load"
        [ "$status" = 0 ] || fail "$2"
        report ok "$2"
}

attach() { # NAME
        nbd-client -unix "$(service_socket)" /dev/nbd0 -N "$1"
}

detach() {
        nbd-client -d /dev/nbd0
}

mount_new_file_system() {
        mkfs.ext4 -q -F /dev/nbd0 && mount /dev/nbd0 /mnt/disk
}

# --- the round trip: the kernel writes, we read and write, the kernel reads

kernel_fills_disk() { # SERIAL LUN KILOBYTES
        local disk

        disk=$(wait_for_kernel_disk "$1" "$2") || fail "$1 LUN $2: the kernel's driver has the disk"
        check "$1 LUN $2: the kernel makes a file system and files" \
                fill_disk "$disk" "$3" "kernel-$1-$2"
}

export_round_trip() { # SERIAL LUN KILOBYTES
        local name

        name=$(wait_for_export "$1" "$2") || fail "$1 LUN $2: the disk is exported"
        check "$1 LUN $2: the kernel has let the disk go" not kernel_disk "$1" "$2"
        check "$1 LUN $2: nbd-client attaches the export $name" attach "$name"
        check "$1 LUN $2: the kernel's files are read through /dev/nbd0" \
                disk_agrees /dev/nbd0 "kernel-$1-$2"
        check "$1 LUN $2: a file system and files are made through /dev/nbd0" \
                fill_disk /dev/nbd0 "$3" "export-$1-$2"
        check "$1 LUN $2: /dev/nbd0 is detached" detach
}

kernel_agrees() { # SERIAL LUN
        local disk

        disk=$(wait_for_kernel_disk "$1" "$2") || fail "$1 LUN $2: the kernel has the disk back"
        check "$1 LUN $2: the kernel finds a clean file system and the same files" \
                disk_agrees "$disk" "export-$1-$2"
}

# The whole way for a machine's disks, each given as SERIAL:LUN:KILOBYTES.
# shellcheck disable=SC2086 # these are words
round_trips() { # DISK...
        local disk

        for disk in "$@"; do
                kernel_fills_disk ${disk//:/ }
        done
        start_daemon "present_devices = take"
        for disk in "$@"; do
                export_round_trip ${disk//:/ }
        done
        stop_daemon
        for disk in "$@"; do
                kernel_agrees ${disk//:/ }
        done
}
