#!/bin/bash
# check_layers.sh [BUILD_FOLDER]: holds the code to the layers. A folder includes its own headers and those of
# rows below, private headers stay in their folder, each foreign library has one home, and each program
# (where the build folder has it) links only what is its own.
set -uo pipefail
cd "$(dirname "$(realpath "$0")")/.." || exit 2
build_folder=${1:-build}
n_violations=0

# From the top to the bottom. Neighbours in a row do not see each other.
rows=(
        "daemon cli"
        "dbus"
        "device"
        "storage"
        "control"
        "negotiation export"
        "performance"
        "cache"
        "block smart"
        "power"
        "error"
        "scsi"
        "transport simulator"
        "usb"
        "sandbox config"
        "base"
)

# Which files may include a foreign library's headers: pattern of the header, pattern of the file.
homes=(
        'libusb|^(src|include)/usb/'
        'ini\.h|^src/config/'
        'seccomp\.h|^src/sandbox/'
        'scsi/sg_|^src/scsi/scsi_sense\.c'
        'xxhash\.h|^src/cache/'
        'bsd/|^src/cache/'
        'fuse|^src/export/'
        'gnutls/|^src/negotiation/'
        'systemd/sd-bus|^src/(dbus|cli)/'
        'systemd/sd-event|^src/base/systemd_event_loop\.c'
        'systemd/sd-journal|^src/base/log'
        'systemd/sd-device|^src/device/'
        'libudev|^src/device/'
        'json-c/|^src/cli/'
        'libnbd|^src/cli/'
        'netlink/|^src/cli/'
        'nettle/|^src/device/'
        'valgrind/|^src/base/'
        'sanitizer/|^src/base/'
        'check\.h|^tests/'
)

# Libraries that a program must not link directly.
programs=(
        "usb-storaged|libusb libfuse libgnutls libsgutils"
        "usb-storage-worker|libgnutls libudev libinih libnl"
        "usb-storage-front|libusb libfuse libudev libinih libsgutils"
)

violation() {
        echo "check_layers: $*"
        n_violations=$((n_violations + 1))
}

rank_of() { # LAYER
        local i

        for i in "${!rows[@]}"; do
                if [[ " ${rows[i]} " == *" $1 "* ]]; then
                        echo "$i"
                        return 0
                fi
        done
        return 1
}

layer_of_file() { # FILE
        case $1 in
        daemon/*) echo daemon ;;
        *) cut -d/ -f2 <<< "$1" ;;
        esac
}

# What the rows alone would allow: manager and worker never meet, only the programs and tests simulate, and the
# command line is a client like any other.
is_forbidden() { # LAYER TARGET
        case $1:$2 in
        device:storage) return 0 ;;
        cli:base) return 1 ;;
        cli:*) return 0 ;;
        daemon:simulator) return 1 ;;
        *:simulator) return 0 ;;
        *) return 1 ;;
        esac
}

check_own_include() { # FILE LAYER HEADER
        local file=$1 layer=$2 header=$3 target rank target_rank

        # The programs' own parts lie beside them.
        [ "$layer" != daemon ] || [ ! -e "daemon/$header" ] || return
        if [[ $header != */* ]]; then
                violation "$file: \"$header\" is included without its folder"
                return
        fi
        target=${header%%/*}
        if ! target_rank=$(rank_of "$target"); then
                violation "$file: \"$header\" is of no known layer"
                return
        fi
        if [ ! -e "include/$header" ] && [ ! -e "src/$header" ]; then
                violation "$file: \"$header\" does not exist"
        fi
        [ "$target" != "$layer" ] || return
        rank=$(rank_of "$layer")
        if [ "$target_rank" -le "$rank" ]; then
                violation "$file: $layer must not include \"$header\": $target is not below it"
        elif is_forbidden "$layer" "$target"; then
                violation "$file: $layer must not include \"$header\""
        elif [ ! -e "include/$header" ]; then
                violation "$file: \"$header\" is private to $target"
        fi
}

check_foreign_include() { # FILE HEADER
        local home

        for home in "${homes[@]}"; do
                if [[ $2 =~ ^(libusb-1\.0/)?${home%%|*} ]] && ! [[ $1 =~ ${home#*|} ]]; then
                        violation "$1: <$2> has another home (${home#*|})"
                fi
        done
}

check_includes() {
        local file include header layer

        while IFS=: read -r file include; do
                header=$(sed -E 's/.*[<"](.*)[>"].*/\1/' <<< "$include")
                if [[ $include == *\<* ]]; then
                        check_foreign_include "$file" "$header"
                        continue
                fi
                layer=$(layer_of_file "$file")
                if rank_of "$layer" > /dev/null; then
                        check_own_include "$file" "$layer" "$header"
                else
                        violation "$file: $layer is no known layer"
                fi
        done < <(grep -rHE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]' src include daemon \
                --include='*.[ch]')
}

check_programs() {
        local program name file needed library

        for program in "${programs[@]}"; do
                name=${program%%|*}
                file=$build_folder/daemon/$name
                [ -e "$file" ] || continue
                needed=$(readelf -d "$file" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p')
                for library in ${program#*|}; do
                        if grep -q "^$library" <<< "$needed"; then
                                violation "$file links $(grep "^$library" <<< "$needed")"
                        fi
                done
        done
}

check_includes
check_programs
[ "$n_violations" = 0 ] || exit 1
echo "check_layers: every include and every program's library is where it belongs"
