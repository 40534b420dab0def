# Another host, which is another network namespace here: it reads and writes a disk over TCP and TLS, by libnbd, QEMU and
# the kernel's nbd, as the list of who may open what lets it; who has no certificate, a revoked one or another
# authority's is not let in, and nobody in the clear.

machine() {
        qemu_arguments+=(
                -device qemu-xhci,id=xhci
                -drive "if=none,id=DISK,format=raw,file=$(make_image DISK 32M)"
                -device "usb-storage,bus=xhci.0,drive=DISK,serial=DISK"
        )
        make_certificates
}

make_certificates() {
        PYTHONPATH=$here/../interop python3 - "$scratch/pki" "$scratch/other-pki" <<-'PROGRAM'
		import sys
		from certificates import Authority
		authority, other = (Authority(folder) for folder in sys.argv[1:])
		authority.server("disks.example.org", "192.0.2.1")
		for name in ("alice", "reader", "revoked", "stranger"):
		    authority.client(name)
		other.client("alice")
		authority.revoke("revoked")
	PROGRAM
        # It trusts the service, whose authority does not know it.
        mkdir "$scratch"/{nobody,other}
        cp "$scratch/pki/ca-cert.pem" "$scratch/nobody/"
        cp "$scratch/other-pki/alice"/client-* "$scratch/pki/ca-cert.pem" "$scratch/other/"
}

make_other_host() {
        modprobe veth && ip netns add other && ip link add here type veth peer name there netns other &&
                ip address add 192.0.2.1/24 dev here && ip link set here up &&
                over_there ip address add 192.0.2.2/24 dev there && over_there ip link set there up &&
                echo "192.0.2.1 disks.example.org" >> /etc/hosts
}

over_there() { # COMMAND...
        ip netns exec other "$@"
}

# Also the service's own socket is for TLS alone.
export_uri() { # NAME
        echo "nbds+unix:///$1?socket=$(service_socket)&tls-verify-peer=false&tls-certificates=$pki/alice"
}

uri() { # FOLDER
        echo "nbds://disks.example.org/$name?tls-certificates=$1"
}

configure() {
        cat > "$state/access.conf" <<-'ACCESS'
		allow *-DISK-* to certificate "CN=alice,O=Example"
		allow *-DISK-* to certificate "CN=reader,O=Example" read-only
	ACCESS
        printf '%s\n' "present_devices = take" "[nbd]" "tls = require" "tls_certificate = $pki/server-cert.pem" \
                "tls_key = $pki/server-key.pem" "tls_client_ca = $pki/ca-cert.pem" "tls_client_crl = $pki/crl.pem" \
                "access_file = $state/access.conf"
}

start_daemon_with_tls() {
        {
                echo "[device]"
                configure
        } > "$state/usb-storage.conf"
        start_service --config "$state/usb-storage.conf" --nbd tcp:192.0.2.1:10809
}

lets_in() { # FOLDER
        over_there nbdinfo --list "nbds://disks.example.org/?tls-certificates=$1" | grep -q "export=\"$name\""
}

opens() { # FOLDER
        over_there nbdinfo "$(uri "$1")"
}

copies() {
        head -c 32M /dev/urandom > "$state/data"
        over_there nbdcopy "$state/data" "$(uri "$pki/alice")" &&
                over_there nbdcopy "$(uri "$pki/alice")" "$state/copy" && cmp "$state/data" "$state/copy"
}

writes() { # FOLDER
        over_there qemu-io --object "tls-creds-x509,id=t,dir=$1,endpoint=client" --image-opts \
                -c "write -P 7 0 64k" -c "read -P 7 0 64k" \
                "driver=nbd,host=disks.example.org,port=10809,export=$name,tls-creds=t" > "$state/qemu-io" 2>&1
        cat "$state/qemu-io"
        grep -q "wrote 65536/65536" "$state/qemu-io" && ! grep -qiE "failed|error" "$state/qemu-io"
}

# The driver's netlink is in the first network namespace alone.
attach_over_there() {
        over_there nbd-client disks.example.org 10809 /dev/nbd0 -N "$name" -nonetlink -cacertfile "$pki/ca-cert.pem" \
                -certfile "$pki/alice/client-cert.pem" -keyfile "$pki/alice/client-key.pem" &&
                wait_until 10 is_attached
}

detach_over_there() {
        over_there nbd-client -nonetlink -d /dev/nbd0
}

is_attached() {
        [ "$(cat /sys/block/nbd0/size)" -gt 0 ]
}

is_told() { # FOLDER
        storagectl status DISK > "$state/status" && cat "$state/status" &&
                grep -qE "client 192\.0\.2\.2:[0-9]+ \(certificate CN=alice,O=Example\)$" "$state/status"
}

guest() {
        pki=$LAB_SCRATCH/pki
        start_bus || fail "a bus is started"
        check "there is another host" make_other_host
        wait_for_kernel_disk DISK 0 > /dev/null || fail "the kernel's driver has the disk"
        start_daemon_with_tls || fail "the service listens"
        name=$(wait_for_export DISK 0) || fail "the disk is exported"

        check "who has a certificate sees the disk" lets_in "$pki/alice"
        check "it is copied to and from over there" copies
        check "QEMU writes to it" writes "$pki/alice"
        check "who may only read opens it" opens "$pki/reader"
        check "and can't write" not writes "$pki/reader"
        check "whom the list does not name sees nothing" not lets_in "$pki/stranger"
        check "and can't open it" not opens "$pki/stranger"
        check "nor can who has no certificate" not opens "$LAB_SCRATCH/nobody"
        check "nor one of another authority" not opens "$LAB_SCRATCH/other"
        check "nor a revoked one" not opens "$pki/revoked"
        check "nor anybody in the clear" not over_there nbdinfo "nbd://disks.example.org/$name"
        check "who has a certificate still can" opens "$pki/alice"

        check "the other host's kernel has it as a block device" attach_over_there
        check "the service tells who is connected" is_told
        check "with a file system on it" mount_new_file_system
        write_files /mnt/disk 4096 tls
        check "which is unmounted" umount /mnt/disk
        check "and read again" disk_agrees /dev/nbd0 tls
        check "it is detached" detach_over_there
        stop_daemon
        check "the disk has what was written over there" disk_agrees "$(wait_for_kernel_disk DISK 0)" tls
}
