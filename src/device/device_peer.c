/* Names are what a process calls itself: nothing is decided by them. */

#include "device/device_peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/macros.h"

/* So that several clients can be named in one line. */
#define IDENTITY_SHOWN_SIZE 72

static void read_name(DevicePeer *peer) {
        char path[64];
        int fd;

        snprintf(path, sizeof(path), "/proc/%d/comm", (int) peer->pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return;
        (void) fd_read_all(fd, peer->name, sizeof(peer->name) - 1);
        fd_close(fd);
        peer->name[strcspn(peer->name, "\n")] = '\0';
        log_sanitise(peer->name);
}

/* One end of a pair that the service made is what somebody was given over the bus. */
static void look_at_process(DevicePeer *peer, int fd) {
        struct ucred credentials;
        socklen_t size = sizeof(credentials);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
                return;
        if (credentials.pid == getpid()) {
                snprintf(peer->name, sizeof(peer->name), "over the bus");
                return;
        }
        peer->pid = credentials.pid;
        peer->uid = credentials.uid;
        if (peer->pid > 0)
                read_name(peer);
}

static void set_address(DevicePeer *peer, const char *format, int family, const void *address,
                        uint16_t port) {
        char text[INET6_ADDRSTRLEN] = "";

        if (inet_ntop(family, address, text, sizeof(text)))
                snprintf(peer->name, sizeof(peer->name), format, text, ntohs(port));
}

static void set_v6_address(DevicePeer *peer, const struct sockaddr_in6 *address) {
        if (IN6_IS_ADDR_V4MAPPED(&address->sin6_addr))
                set_address(peer, "%s:%u", AF_INET, &address->sin6_addr.s6_addr[12],
                            address->sin6_port);
        else
                set_address(peer, "[%s]:%u", AF_INET6, &address->sin6_addr, address->sin6_port);
}

void device_peer_look_at(DevicePeer *ret, unsigned lun, int fd, const char *identity) {
        union {
                struct sockaddr any;
                struct sockaddr_in v4;
                struct sockaddr_in6 v6;
                struct sockaddr_storage storage;
        } address;
        socklen_t size = sizeof(address);

        *ret = (DevicePeer){ .lun = lun };
        snprintf(ret->identity, sizeof(ret->identity), "%s", identity);
        log_sanitise(ret->identity);
        if (getpeername(fd, &address.any, &size) < 0)
                return;
        if (address.any.sa_family == AF_UNIX)
                look_at_process(ret, fd);
        else if (address.any.sa_family == AF_INET)
                set_address(ret, "%s:%u", AF_INET, &address.v4.sin_addr, address.v4.sin_port);
        else if (address.any.sa_family == AF_INET6)
                set_v6_address(ret, &address.v6);
}

void device_peer_format(const DevicePeer *peer, char ret[static DEVICE_PEER_TEXT_SIZE]) {
        const char *name = peer->name[0] != '\0' ? peer->name : "somebody";
        bool has_identity = peer->identity[0] != '\0';
        char identity[IDENTITY_SHOWN_SIZE];

        /* What it was cut within is no character any more. */
        snprintf(identity, sizeof(identity), "%.*s", (int) sizeof(identity) - 1, peer->identity);
        log_sanitise(identity);
        if (peer->pid > 0)
                snprintf(ret, DEVICE_PEER_TEXT_SIZE, "%s (process %d, user %u%s%s)", name,
                         (int) peer->pid, (unsigned) peer->uid, has_identity ? ", " : "", identity);
        else
                snprintf(ret, DEVICE_PEER_TEXT_SIZE, "%s%s%s%s", name, has_identity ? " (" : "",
                         identity, has_identity ? ")" : "");
}
