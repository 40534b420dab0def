# A worker is killed under a mounted file system in use: where the kernel is given a new connection the mount
# survives, nobody sees an error, and what was written is there.

machine() {
        qemu_arguments+=(
                -device qemu-xhci,id=xhci
                -drive "if=none,id=DISK,format=raw,file=$(make_image DISK 128M)"
                -device "usb-storage,bus=xhci.0,drive=DISK,serial=DISK"
        )
}

# Stays until SIGTERM; what it says is in a file.
start_attach() { # EXPORT
        "$BUILD_FOLDER/src/cli/usb-storagectl" --address "$service_bus" attach "$1" /dev/nbd0 > "$state/attach" 2>&1 &
        attach_pid=$!
}

is_attached() {
        wait_until 30 grep -q '^/dev/nbd0 is ' "$state/attach" || { cat "$state/attach"; return 1; }
}

stop_attach() {
        kill -TERM "$attach_pid" && wait "$attach_pid"
}

n_reconnects() {
        grep -c 'is again' "$state/attach"
}

has_reconnected() { # COUNT BEFORE
        [ "$(n_reconnects)" -gt "$1" ]
}

# A worker that is stopped answers nothing: what the kernel asks of it now is unanswered when it dies.
stop_until_asked() { # PID
        kill -STOP "$1"
        wait_until 20 requests_in_flight
}

requests_in_flight() {
        awk '{ exit $1 + $2 == 0 }' /sys/block/nbd0/inflight
}

loses_worker() { # SENTENCE [COMMAND]
        local n_before

        n_before=$(n_reconnects)
        check "$1" kill_worker DISK "${@:2}"
        check "the kernel is given a new connection" wait_until 60 has_reconnected "$n_before"
}

survives_kills() {
        local work

        write_files /mnt/disk 4096 before
        "$here/files.py" /mnt/disk/work --seconds 110 > "$state/work" &
        work=$!
        sleep 8
        loses_worker "the worker is killed and has a successor"
        sleep 20
        check "the programs on it still work" kill -0 "$work"
        loses_worker "killed again, with requests unanswered" stop_until_asked
        wait "$work" || fail "the programs on it saw no error"
        report ok "the programs on it saw no error"
        sed 's/^/# /' "$state/work"
        check "the kernel saw none either" no_error_in_kernel_log
        check "the files are as they were" files_agree /mnt/disk before
}

guest() {
        local name

        start_bus || fail "a bus is started"
        start_daemon "present_devices = take"
        name=$(wait_for_export DISK 0) || fail "the disk is exported"
        start_attach "$name"
        check "the export is attached" is_attached
        check "a file system is made and mounted" mount_new_file_system
        survives_kills
        check "the file system is unmounted" umount /mnt/disk
        check "and clean" e2fsck -fn /dev/nbd0
        stop_attach || fail "/dev/nbd0 is detached"
        report ok "/dev/nbd0 is detached"
        check "the service is the same" kill -0 "$service_pid"
}
