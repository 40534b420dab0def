# A virtual machine has a disk of ours as its own, through QEMU's NBD client as usb-storaged(8) shows it: the disk's
# process is killed on the host, the service restarted and killed, and the guest sees no error; what it wrote is there.
# The service runs on the host, and does what the guest asks for by a serial port.

machine() {
        source "$here/../shell/results.sh"
        source "$here/../shell/service.sh"
        # A socket's path must be short.
        service_folder=$(mktemp -d /tmp/lab.XXXXXX)
        disk=$(make_image DISK 64M)
        mkfifo "$scratch/host.in" "$scratch/host.out"
        answer_guest &
        answering_pid=$!
        qemu_arguments+=(
                -blockdev "driver=nbd,node-name=usb0,server.type=unix,server.path=$(service_socket),export=1209-0001-DISK-lun0,reconnect-delay=90,open-timeout=90,discard=unmap"
                -device virtio-blk-pci,drive=usb0
                -chardev "pipe,id=host,path=$scratch/host"
                -device virtserialport,chardev=host,name=lab.host
        )
}

end_machine() {
        kill "$answering_pid" 2> /dev/null
        kill -9 "$(cat "$service_folder/pid")" 2> /dev/null
        rm -rf "$service_folder"
}

# --- on the host

start() {
        printf '[device]\ntrim = yes\n' > "$service_folder/usb-storage.conf"
        start_service --no-usb --config "$service_folder/usb-storage.conf" --simulate "file=$disk,serial=DISK" &&
                wait_for_export DISK 0 > /dev/null && echo "$service_pid" > "$service_folder/pid"
}

worker() {
        sed -n 's/.*is driven by process \([0-9]*\).*/\1/p' "$(service_log)" | tail -n 1
}

has_other_worker() { # PID
        [ "$(worker)" != "$1" ]
}

kill_the_worker() {
        local pid

        pid=$(worker)
        kill -9 "$pid" && wait_until 30 has_other_worker "$pid"
}

restart() {
        stop_service && start
}

kill_everything() {
        kill -9 "$service_pid" && wait_until 30 not kill -0 "$service_pid" && start
}

# Its sum is what the answer is.
stop() {
        stop_service && sha256sum < "$disk"
}

answer_guest() {
        local command

        # QEMU waits for it.
        sleep 2
        start
        while read -r command; do
                "$command" > "$service_folder/answer" 2>&1 && echo "done" >> "$service_folder/answer"
                paste -s -d ' ' "$service_folder/answer"
        done < "$scratch/host.out" > "$scratch/host.in"
}

# --- in the guest

ask_host() { # COMMAND
        local answer

        echo "$1" >&6
        read -r -t 90 answer <&6 || return 1
        echo "$answer"
        [[ $answer == *done* ]]
}

survives() { # SENTENCE COMMAND
        check "$1" ask_host "$2"
        sleep 3
        check "the programs on its disk still work" kill -0 "$work"
}

guest() {
        modprobe virtio_blk || fail "the kernel's modules load"
        exec 6<> /dev/lab.host
        check "the guest has the disk" test "$(cat /sys/block/vda/size)" = $((64 * 2048))
        check "a file system is made on it" mkfs.ext4 -q -F /dev/vda
        check "and mounted" mount /dev/vda /mnt/disk
        write_files /mnt/disk 4096 before
        "$here/files.py" /mnt/disk/work --seconds 300 --until "$state/end" > "$state/work" &
        work=$!
        sleep 2
        survives "the disk's process is killed on the host" kill_the_worker
        survives "the service is restarted" restart
        survives "the service is killed, and another one started" kill_everything
        touch "$state/end"
        wait "$work" || fail "the programs saw no error"
        report ok "the programs saw no error"
        sed 's/^/# /' "$state/work"
        check "the kernel saw none either" no_error_in_kernel_log
        check "the files are as they were" files_agree /mnt/disk before
        check "the blocks that nobody uses are discarded" fstrim /mnt/disk
        check "the file system is unmounted" umount /mnt/disk
        check "and clean" e2fsck -fn /dev/vda
        sum=$(sha256sum < /dev/vda)
        check "the disk is what the guest has read, once the service has stopped" is_sum_of_host "$sum"
}

is_sum_of_host() { # SUM
        [ "$(ask_host stop)" = "$1 done" ]
}
