# A system with the Debian packages is shut down while a file system of /etc/fstab is mounted from an attached disk: it is
# unmounted first, then the disk is detached, then the service ends, and all is on the disk.

source "$here/debian.sh"

machine() {
        prepare_packages
        lab_options+=(--shut-down "--keep=$scratch/kept")
        qemu_arguments+=(-device qemu-xhci,id=xhci)
        make_image DISK 128M > /dev/null
}

# What happens in the shutdown comes to the console, which stays.
forward_journal() {
        mkdir -p /etc/systemd/journald.conf.d
        printf '[Journal]\nForwardToConsole=yes\n' > /etc/systemd/journald.conf.d/console.conf
        systemctl restart systemd-journald
}

mount_by_fstab() {
        mkfs.ext4 -q -F "$(by_id DISK)" && mkdir -p /mnt/disk || return 1
        echo "$(by_id DISK) /mnt/disk ext4 nofail,_netdev 0 0" >> /etc/fstab
        systemctl daemon-reload && systemctl restart remote-fs.target &&
                wait_until 60 mountpoint /mnt/disk
}

# With nothing of it flushed.
write_files_and_sums() {
        write_files /mnt/disk 4096 files && cp "$state/files.sums" /mnt/disk/
}

guest() {
        start_system
        check "the journal goes to the console" forward_journal
        check "the packages are installed" install_packages "$packages_folder"
        check "a disk is plugged in" plug_disk DISK 2
        check "it is exported" wait_until 60 export_of DISK
        check "a unit attaches it" systemctl enable --now "usb-storage-attach@$(export_of DISK).service"
        check "it is attached under its name" wait_until 60 is_attached DISK
        check "a file system on it is mounted as a remote one" mount_by_fstab
        check "files are written" write_files_and_sums
}

in_order() { # WORDS...
        local words line=0 next

        for words in "$@"; do
                next=$(grep -n "$words" "$scratch/kept/console" | tail -1 | cut -d : -f 1)
                [ "${next:-0}" -gt "$line" ] || { echo "'$words' is in line '$next', after line $line"; return 1; }
                line=$next
        done
}

is_whole() {
        local disk=$scratch/DISK.img

        ! dumpe2fs -h "$disk" 2>&1 | grep needs_recovery && e2fsck -fn "$disk"
}

has_files() {
        local copy=$scratch/copy

        mkdir "$copy" && debugfs -R "rdump / $copy" "$scratch/DISK.img" &&
                (cd "$copy" && sha256sum --quiet -c files.sums)
}

show_context() {
        if [ -n "${scratch:-}" ]; then
                grep -E 'mnt-disk|usb-storage|nbd|remote-fs' "$scratch/kept/console"
        else
                journalctl --no-pager -n 80 -o short-monotonic
        fi
}

afterwards() {
        check "at shutdown it is unmounted, detached, and the service ends" in_order \
                'Unmounted mnt-disk.mount' 'nbd0 is no longer' 'Stopped usb-storage-attach@' \
                'everything was given back' 'Stopped usb-storaged.service'
        check "nothing failed or had to be killed" not grep -E 'usb-storage.*(Failed|timed out|Killing)' "$scratch/kept/console"
        check "the file system is clean" is_whole
        check "the files are as they were" has_files
}
