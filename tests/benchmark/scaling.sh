#!/bin/bash
# scaling.sh: the part of the benchmark that loads many devices at once. Sourced by run.

scaling_devices=(1 16)
scaling_luns=8

workers() {
        pgrep -P "$service_pid" -f usb-storage-worker
}

# What the service's processes have run, all together.
service_cpu_ns() {
        local pid sum=0

        for pid in "$service_pid" $(pgrep -P "$service_pid"); do
                sum=$((sum + $(cut -d' ' -f1 "/proc/$pid/schedstat")))
        done
        echo "$sum"
}

# A worker's share of memory, without what lies in memfds: the cache, and the simulated disk.
pss_kb() { # PID
        awk '/^[0-9a-f]+-/ { counts = !/\/memfd:/ } /^Pss:/ && counts { kb += $2 } END { print kb }' \
                "/proc/$1/smaps"
}

load_everything() { # prints the bytes of all
        local name

        while read -r name; do
                load "$(service_socket)" "$name" --sequential --size=65536 --depth=4 &
        done < <(list_exports) | sed -nE 's/.*mb_per_s=([0-9.]+).*/\1/p' |
                awk -v s="$seconds" '{ sum += $1 } END { printf "%.0f\n", sum * s * 1e6 }'
}

measure_load() {
        local cpu_ns bytes pid kb=0

        cpu_ns=$(service_cpu_ns)
        bytes=$(load_everything)
        cpu_ns=$(($(service_cpu_ns) - cpu_ns))
        for pid in $(workers); do
                kb=$(printf '%s\n' "$kb" "$(pss_kb "$pid")" | sort -n | tail -n 1)
        done
        awk -v ns="$cpu_ns" -v bytes="$bytes" -v kb="$kb" -v s="$seconds" \
                'BEGIN { printf "cpu_us=%.2f mb_per_s=%.1f pss_mib=%.2f\n", ns / 1e3 / (bytes / 1048576), bytes / 1e6 / s, kb / 1024 }'
}

measure_scaling() {
        local n_devices simulations

        for _ in $(seq "$repetitions"); do
                for n_devices in "${scaling_devices[@]}"; do
                        mapfile -t simulations < <(seq "$n_devices" | tr 0-9 A-J |
                                sed "s/^/size=64M,link=ideal,luns=$scaling_luns,serial=/")
                        start_without_cache "${simulations[@]}"
                        sample "scaling_$n_devices" measure_load
                        stop_service || give_up "the service does not end well"
                done
        done
        row "16 devices of 8 LUNs at once, µs of CPU a MiB" scaling_16.cpu_us scaling_1.cpu_us "one device of 8 LUNs" "<= 1.1 x"
        row "the same, MB/s" scaling_16.mb_per_s scaling_1.mb_per_s "one device of 8 LUNs" ""
        row "the largest worker beside its cache, PSS in MiB" scaling_16.pss_mib "" "" "<= 8 MiB"
}
