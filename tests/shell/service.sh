#!/bin/bash
# service.sh: starts and stops a service of our own in a folder, on the bus of bus.sh where one was started, and finds its
# exports. Needs results.sh, BUILD_FOLDER and service_folder.

service_pid=
service_bus=none

storagectl() { # ARGUMENT...
        "$BUILD_FOLDER/src/cli/usb-storagectl" --address "$service_bus" "$@"
}

service_socket() {
        echo "$service_folder/nbd.sock"
}

service_log() {
        echo "$service_folder/usb-storaged.log"
}

start_service() { # [ARGUMENT]...
        mkdir -p "$service_folder"/{runtime,state}
        "$BUILD_FOLDER/daemon/usb-storaged" --bus "$service_bus" --nbd "unix:$(service_socket)" \
                --runtime-dir "$service_folder/runtime" --state-dir "$service_folder/state" "$@" \
                >> "$(service_log)" 2>&1 &
        service_pid=$!
        wait_until 30 service_listens_or_ended && service_listens
}

service_listens_or_ended() {
        service_listens || ! kill -0 "$service_pid" 2> /dev/null
}

service_listens() {
        nbdinfo --list "$(export_uri "")" > /dev/null 2>&1
}

# Fails if the service does not end, or not with status 0.
stop_service() {
        local status

        [ -n "$service_pid" ] || return 0
        kill -TERM "$service_pid"
        if ! wait_until 30 not kill -0 "$service_pid"; then
                kill -KILL "$service_pid"
                service_pid=
                return 1
        fi
        wait "$service_pid"
        status=$?
        service_pid=
        return $status
}

kill_service() {
        [ -z "$service_pid" ] || kill -KILL "$service_pid" 2> /dev/null
}

export_uri() { # NAME
        echo "nbd+unix:///$1?socket=$(service_socket)"
}

list_exports() {
        nbdinfo --list --json "$(export_uri "")" | jq -r '.exports[]["export-name"]'
}

# The export of a LUN is found by the end of its name, which starts with the vendor's and product's numbers.
export_name() { # SERIAL LUN
        list_exports | grep -E -- "^[0-9a-f]{4}-[0-9a-f]{4}-$1-lun$2\$"
}

wait_for_export() { # SERIAL LUN
        wait_until 40 export_name "$1" "$2" && export_name "$1" "$2"
}
