# The life of the Debian packages where systemd is PID 1: installed, a disk attached and another one as an image file, replugged
# and upgraded under load, removed, purged, installed again.

source "$here/debian.sh"

machine() {
        prepare_packages
        "$here/../package/next" "$packages_folder" "$next_folder" || exit 1
        qemu_arguments+=(-device qemu-xhci,id=xhci)
        make_image DISK 128M > /dev/null
        make_image FILE 128M > /dev/null
}

show_context() {
        cat "$state/work"
        journalctl --no-pager -n 80 -o short-monotonic
        systemctl --no-pager --all list-units 'usb-storage*'
}

# --- what is asked of it

main_pid() { # UNIT
        systemctl show -P MainPID "$1"
}

is_unprivileged() {
        local pid

        pid=$(main_pid usb-storaged) && [ "$(stat -c %U "/proc/$pid")" = usb-storage ] &&
                grep -q '^CapEff:[[:space:]]*0*$' "/proc/$pid/status"
}

nobody_looks() {
        setpriv --reuid=nobody --regid=nogroup --clear-groups usb-storagectl -j list | jq -e '. == []'
}

version_on_bus() {
        busctl get-property org.orion.UsbStorage1 /org/orion/UsbStorage1 org.orion.UsbStorage1.Manager Version
}

is_version_of() { # FOLDER
        local version

        version=$(dpkg-deb -f "$1"/usb-storaged_*.deb Version) &&
                [ "$(version_on_bus)" = "s \"$version\"" ] && [ "$(usb-storagectl --version)" = "usb-storagectl $version" ] &&
                [ "$(dpkg-query -W -f '${Version}' usb-storaged)" = "$version" ]
}

watchdog_is_fed() {
        local before

        before=$(systemctl show -P WatchdogTimestampMonotonic usb-storaged)
        [ "$before" -gt 0 ] && wait_until 60 not unit_has usb-storaged WatchdogTimestampMonotonic "$before"
}

nothing_has_failed() {
        says_nothing systemctl --failed --no-legend list-units && unit_has usb-storaged NRestarts 0
}

image_of() { # SERIAL
        echo /run/usb-storage-images/*-"$1"-lun0.img
}

is_image() { # SERIAL
        test -s "$(image_of "$1")"
}

# --- the steps

is_installed() {
        check "the packages are installed" install_packages "$packages_folder"
        check "with all that belongs to them" says_nothing dpkg --verify "${package_names[@]}"
        check "the service runs" unit_has usb-storaged ActiveState active
        check "as a user of its own, without capabilities" is_unprivileged
        check "it is on the system's bus in its version" is_version_of "$packages_folder"
        check "anybody may look" nobody_looks
        check "the watchdog is fed" watchdog_is_fed
        check "systemd is told what there is" unit_has usb-storaged StatusText "0 disks, 0 exports"
        check "nothing has failed" nothing_has_failed
}

is_used() {
        local image

        check "two disks are plugged in" plug_disk DISK 2
        plug_disk FILE 3 > /dev/null
        check "both are exported" wait_until 60 export_of DISK
        check "both are exported, the other one, too" wait_until 60 export_of FILE
        check "systemd is told" wait_until 30 unit_has usb-storaged StatusText "2 disks, 2 exports"
        check "the units for attaching and for image files are enabled" \
                systemctl enable --now usb-storage-attach.service usb-storage-images.service
        check "a disk is attached under its name" wait_until 60 is_attached DISK
        check "a file system on it is mounted" mount_new "$(by_id DISK)" /mnt/disk
        check "the other one is a file" wait_until 60 is_image FILE
        image=$(image_of FILE)
        check "a file system in it is mounted" mount_new "$image" /mnt/file -o loop
        write_files /mnt/file 2048 in-file
        check "that is unmounted" umount /mnt/file
        check "its files stay" holds_files "$image" in-file -o loop
}

begin_work() {
        write_files /mnt/disk 2048 on-disk
        "$here/files.py" /mnt/disk/work --seconds 500 --until "$state/work-end" > "$state/work" 2>&1 &
        work_pid=$!
        sleep 3
}

is_replugged() {
        check "the attached disk is pulled out under load" unplug DISK
        sleep 3
        check "and put back at another port" plug_disk DISK 4
        check "systemd is told" wait_until 60 unit_has usb-storaged StatusText "2 disks, 2 exports"
}

is_upgraded() {
        local service attach images

        service=$(main_pid usb-storaged)
        attach=$(main_pid usb-storage-attach)
        images=$(main_pid usb-storage-images)
        check "the packages are upgraded under load" install_packages "$next_folder"
        check "the service is the new one" not test "$(main_pid usb-storaged)" = "$service"
        check "it is on the system's bus in its version" is_version_of "$next_folder"
        check "what attaches runs and is the new one" is_successor usb-storage-attach "$attach"
        check "what mounts image files runs and is the new one" is_successor usb-storage-images "$images"
        check "the disks are taken again" wait_until 60 export_of DISK
        check "the disks are taken again, the other one, too" wait_until 60 export_of FILE
        check "the other one is a file again" wait_until 60 is_image FILE
        check "with its files" holds_files "$(image_of FILE)" in-file -o loop
}

is_successor() { # UNIT FORMER-PID
        unit_has "$1" ActiveState active && [ "$(main_pid "$1")" != "$2" ]
}

has_survived() {
        sleep 3
        touch "$state/work-end"
        wait "$work_pid" || fail "the programs on it saw no error"
        report ok "the programs on it saw no error"
        check "the kernel saw none either" no_error_on_the_device
        check "the files are as they were" files_agree /mnt/disk on-disk
        check "the file system is unmounted" umount /mnt/disk
        check "and clean" e2fsck -fn "$(by_id DISK)"
        check "nothing has failed" nothing_has_failed
}

is_activatable() {
        busctl --activatable list | grep -q org.orion.UsbStorage1
}

list_files() {
        local file

        dpkg -L "${package_names[@]}" | sort -u | while read -r file; do
                [ -d "$file" ] || echo "$file"
        done | grep -v '^/etc/'
}

none_is_there() {
        local file is_there=

        while read -r file; do
                [ ! -e "$file" ] || is_there+=" $file"
        done < "$state/files"
        echo "$is_there"
        [ -z "$is_there" ]
}

# What was enabled stays so until it is purged: systemd still knows the names.
list_units() {
        systemctl --all --plain --no-legend list-units 'usb-storage*' | awk '$2 != "not-found" || $3 != "inactive"'
}

# The service's package goes first, as it does when it is the only one: who attaches has still to let go.
is_removed() {
        local disk

        list_files > "$state/files"
        check "the packages are removed" dpkg -r "${package_names[@]}"
        check "no service or socket is left" says_nothing list_units
        check "the bus does not know its name" not busctl --quiet status org.orion.UsbStorage1
        check "nor how to start it" not is_activatable
        check "nothing is attached" test ! -e /sys/block/nbd0/pid
        check "nor named" not is_attached DISK
        check "the files are gone" none_is_there
        check "what was made in /run is gone" says_nothing find /run -maxdepth 1 -name 'usb-storage*'
        disk=$(wait_for_kernel_disk DISK 0) || fail "the kernel has the disk again"
        check "the kernel has the disk again, with its files" holds_files "$disk" on-disk
        check "the configuration stays" test -e /etc/usb-storage/usb-storage.conf
}

# The user may own what nobody knows of: Debian leaves such users.
is_nowhere() {
        says_nothing find /etc /lib /usr /var -xdev -name '*usb-storage*' &&
                says_nothing find /run -maxdepth 1 -name 'usb-storage*'
}

is_purged() {
        local orphan=/var/lib/usb-storage/orphans/1-lun0.1.orphan

        mkdir -p "${orphan%/*}"
        echo data > "$orphan"
        check "the packages are purged" dpkg --purge "${package_names[@]}"
        check "but not data of disks that did not come back" test -s "$orphan"
        check "nor anything else of the service's state" test "$(ls /var/lib/usb-storage)" = orphans
        rm -r "${orphan%/*/*}"
        check "nothing else of them is left" is_nowhere
}

is_installed_again() {
        check "they are installed again" install_packages "$next_folder"
        check "the service is on the system's bus" is_version_of "$next_folder"
        check "disks that were there are the kernel's" not export_of DISK
        check "they are purged at once" dpkg --purge "${package_names[@]}"
        check "nothing of them is left" is_nowhere
}

guest() {
        start_system
        is_installed
        is_used
        begin_work
        is_replugged
        is_upgraded
        has_survived
        is_removed
        is_purged
        is_installed_again
}
