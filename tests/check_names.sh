#!/bin/bash
# check_names.sh [BUILD_FOLDER]: one type, one file, one prefix. Basenames are unique over all layers (a .c and its
# .h apart), and what an object exports begins with the name of its file, with that of a type which the file's
# header declares (usb_transfer_init() in usb_device.c), or with that of a header which the file's name continues
# (scsi_command_read() in scsi_command_build.c).
set -uo pipefail
cd "$(dirname "$(realpath "$0")")/.." || exit 2
build_folder=${1:-build}
n_violations=0

violation() {
        echo "check_names: $*"
        n_violations=$((n_violations + 1))
}

# "LAYER STEM" of each file.
list_stems() {
        find src include daemon -name '*.[ch]' |
                sed -E 's|^daemon/|src/daemon/|; s|^(src\|include)/([^/]+)/(.*/)?([^/]+)\.[ch]$|\2 \4|' | sort -u
}

check_basenames() {
        local stem

        while read -r stem; do
                violation "$stem is in several layers:" \
                        "$(list_stems | awk -v stem="$stem" '$2 == stem { print $1 }' | paste -sd' ')"
        done < <(list_stems | awk '{ print $2 }' | sort | uniq -d)
}

# UsbTransfer: usb_transfer.
list_types() { # HEADER
        sed -nE 's/^typedef (enum|struct|union) ([A-Z][A-Za-z0-9]*).*/\2/p' "$1" |
                sed -E 's/([a-z0-9])([A-Z])/\1_\2/g' | tr '[:upper:]' '[:lower:]'
}

# The prefixes that a file's exported names may have.
list_prefixes() { # LAYER STEM
        local header stem

        echo "$2"
        for header in include/"$1"/*.h src/"$1"/*.h; do
                [ -e "$header" ] || continue
                stem=$(basename "$header" .h)
                [ "$stem" != "$2" ] || list_types "$header"
                [[ $2 != "${stem}"_* ]] || echo "$stem"
        done
}

check_object() { # LAYER OBJECT
        local stem symbol prefix prefixes

        stem=$(basename "$2" .c.o)
        mapfile -t prefixes < <(list_prefixes "$1" "$stem")
        while read -r symbol; do
                for prefix in "${prefixes[@]}"; do
                        [[ $symbol != "${prefix}"_* && $symbol != "$prefix" ]] || continue 2
                done
                violation "$1/$stem.c exports $symbol, expected ${prefixes[*]/%/_*}"
        done < <(nm -g --defined-only "$2" | awk 'NF == 3 && $3 !~ /^__(asan|ubsan|odr|start|stop)/ { print $3 }')
}

check_objects() {
        local object source layer n_objects=0

        for object in "$build_folder"/src/*/lib*.a.p/*.c.o; do
                [ -e "$object" ] || continue
                layer=$(cut -d/ -f3- <<< "${object#"$build_folder"}" | cut -d/ -f1)
                source=src/$layer/$(basename "$object" .o)
                # An object whose source was renamed or removed meanwhile.
                [ -e "$source" ] || continue
                check_object "$layer" "$object"
                n_objects=$((n_objects + 1))
        done
        [ "$n_objects" -gt 0 ] || violation "$build_folder has no objects: build first"
}

check_basenames
check_objects
[ "$n_violations" = 0 ] || exit 1
echo "check_names: every basename is unique and every exported name has its file's prefix"
