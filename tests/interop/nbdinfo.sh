#!/bin/bash
# nbdinfo: what the exports say of themselves. Expects two devices: A with two LUNs of 64 MiB, and B, read-only, with
# 32 MiB in blocks of 4096 bytes.
here=$(realpath "$(dirname "$0")")
source "$here/../shell/results.sh"

uri() { # EXPORT
        echo "nbd+unix:///$1?socket=$SOCKET"
}

field() { # EXPORT JQ-FILTER
        nbdinfo --json "$(uri "$1")" | jq -r ".exports[0] | $2"
}

names_are() {
        [ "$(nbdinfo --list --json "$(uri "")" | jq -r '.exports[]["export-name"]' | sort | paste -sd' ')" = \
                "1209-0001-A-lun0 1209-0001-A-lun1 1209-0001-B-lun0" ]
}

is() { # EXPORT JQ-FILTER VALUE
        local value

        value=$(field "$1" "$2")
        echo "$1 $2: $value"
        [ "$value" = "$3" ]
}

maps_all() { # EXPORT SIZE
        nbdinfo --map --json "$(uri "$1")" | jq -e "map(.length) | add == $2"
}

a=1209-0001-A-lun0
b=1209-0001-B-lun0
check "every LUN is listed, by vendor, product, serial number and LUN" names_are
check "the size is that of the medium" is $a '.["export-size"]' 67108864
check "so it is for the other device" is $b '.["export-size"]' 33554432
check "an export has a description" not is $a '.description // ""' ""
check "blocks of 512 bytes can be told apart" is $a '.block_size_minimum <= 512 and .block_size_minimum > 0' true
check "a device of 4096 bytes says so" is $b '.block_size_preferred >= 4096' true
check "as much as 32 MiB may be asked for at once" is $a '.block_size_maximum >= 33554432' true
for what in flush fua trim zero df cache fast-zero multi-conn; do
        check "the export can $what" nbdinfo --can $what "$(uri $a)"
done
check "the writable export is writable" not nbdinfo --is readonly "$(uri $a)"
check "the read-only export is read-only" nbdinfo --is readonly "$(uri $b)"
check "a disk that does not rotate says so" not nbdinfo --is rotational "$(uri $a)"
check "the allocation map covers the whole export" maps_all $a 67108864
check "an export that does not exist is refused" not nbdinfo "$(uri nothing)"
check "the empty name is refused while there are several exports" not nbdinfo --size "$(uri "")"
finish
