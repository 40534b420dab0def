#!/bin/bash
# fuse.sh: an image file of ours and one of qemu-storage-daemon, under the same fio. Needs what run has, and root.

FUSE_SIZE=512M

mount_ours() { # FILE
        printf '[usb_storage]\ncache_size = "1GB"\n' > "$service_folder/fuse.conf"
        start_service --no-usb --log-level warning --bus "$(bus_address)" \
                --config "$service_folder/fuse.conf" --simulate "size=$FUSE_SIZE,link=ideal,serial=FUSE" ||
                give_up "no service"
        wait_for_export FUSE 0 > /dev/null || give_up "FUSE is not exported"
        : > "$1"
        "$BUILD_FOLDER/src/cli/usb-storagectl" --address="$(bus_address)" mount FUSE "$1" >&2 ||
                give_up "our file can't be mounted"
}

# Its disk is a file in memory, as ours is simulated there.
mount_qemu() { # FILE
        : > "$1"
        qemu_image=$(mktemp /dev/shm/benchmark.XXXXXX)
        head -c "$FUSE_SIZE" /dev/zero > "$qemu_image"
        qemu-storage-daemon --blockdev "driver=file,node-name=disk,filename=$qemu_image" \
                --export "type=fuse,id=export,node-name=disk,mountpoint=$1,writable=on" &
        peer_pids+=($!)
        wait_until 10 test -s "$1" || give_up "qemu-storage-daemon does not mount"
}

fuse_load() { # FILE ARGUMENT...
        fio --name=load --filename="$1" --invalidate=1 --output-format=json --size="$FUSE_SIZE" "${@:2}" |
                jq -r '.jobs[0] | (if .write.total_ios > 0 then .write else .read end) |
                        "iops=\(.iops) mb_per_s=\(.bw_bytes / 1e6)"'
}

random_4k() { # FILE
        fuse_load "$1" --ioengine=libaio --iodepth=16 --direct=1 --rw=randread --bs=4k --time_based --runtime="$seconds"
}

# Once over the file: what the kernel has cached of it then is forgotten by the next run.
buffered_1m() { # FILE OPERATION
        fuse_load "$1" --ioengine=psync --rw="$2" --bs=1M
}

measure_fuse() {
        local ours=$service_folder/ours.img qemu=$service_folder/qemu.img

        start_bus || give_up "no bus"
        peer_pids+=("$bus_pid")
        mount_ours "$ours"
        mount_qemu "$qemu"
        buffered_1m "$ours" write > /dev/null # so that the cache has it
        for _ in $(seq "$repetitions"); do
                sample fuse_ours_4k random_4k "$ours"
                sample fuse_qemu_4k random_4k "$qemu"
                sample fuse_ours_read buffered_1m "$ours" read
                sample fuse_qemu_read buffered_1m "$qemu" read
                sample fuse_ours_write buffered_1m "$ours" write
                sample fuse_qemu_write buffered_1m "$qemu" write
        done
        umount "$qemu" "$ours"
        rm "$qemu_image"
        stop_service || give_up "the service does not end well"

        row "FUSE, 4 KiB reads, queue depth 16, requests/s" fuse_ours_4k.iops fuse_qemu_4k.iops "qemu-storage-daemon, FUSE" ">= 3 x (from the cache)"
        row "FUSE, reads of 1 MiB, buffered, MB/s" fuse_ours_read.mb_per_s fuse_qemu_read.mb_per_s "qemu-storage-daemon, FUSE" ">= 3 x (from the cache)"
        row "FUSE, writes of 1 MiB, buffered, MB/s" fuse_ours_write.mb_per_s fuse_qemu_write.mb_per_s "qemu-storage-daemon, FUSE" ">= 3 x (write-back)"
}
