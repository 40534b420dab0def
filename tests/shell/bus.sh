#!/bin/bash
# bus.sh: a message bus of a test's own, on which anybody may do anything. Needs results.sh and service_folder.

bus_pid=
bus_address() {
        echo "unix:path=$service_folder/bus"
}

start_bus() {
        mkdir -p "$service_folder"
        cat > "$service_folder/bus.conf" <<-CONFIGURATION
		<busconfig>
		  <type>system</type>
		  <listen>$(bus_address)</listen>
		  <auth>EXTERNAL</auth>
		  <policy context="default">
		    <allow own="*"/> <allow send_destination="*"/> <allow receive_sender="*"/>
		  </policy>
		</busconfig>
	CONFIGURATION
        dbus-daemon --config-file="$service_folder/bus.conf" --nofork --nopidfile 2> "$service_folder/bus.log" &
        bus_pid=$!
        # shellcheck disable=SC2034 # service.sh's
        service_bus=$(bus_address)
        wait_until 10 test -S "$service_folder/bus"
}
