#!/bin/bash
# qemu-img: conversion in and out, comparison, map, a short benchmark. Expects an export of 64 MiB.
here=$(realpath "$(dirname "$0")")
source "$here/../shell/results.sh"

truncate -s 64M "$SCRATCH/data"
head -c 24M /dev/urandom | dd of="$SCRATCH/data" bs=1M seek=8 conv=notrunc status=none

check "an image is converted into the export, out of order" \
        qemu-img convert -n -f raw -O raw -W -m 16 "$SCRATCH/data" "$URI"
check "the two compare equal" qemu-img compare -f raw -F raw "$SCRATCH/data" "$URI"
check "the map can be asked for" qemu-img map --output=json -f raw "$URI"
check "the export is converted into an image" \
        qemu-img convert -f raw -O qcow2 "$URI" "$SCRATCH/out.qcow2"
check "which is the same again" qemu-img compare -f raw -F qcow2 "$SCRATCH/data" "$SCRATCH/out.qcow2"
check "64 reads at once" qemu-img bench -f raw -c 5000 -d 64 -s 4096 "$URI"
check "64 writes at once with flushes between" \
        qemu-img bench -f raw -c 5000 -d 64 -s 4096 -w --flush-interval=1000 "$URI"
finish
