#pragma once

/*
 * DevicePeer
 *
 * Who is connected to a unit of a device, as the kernel knows the other end of the connection, and
 * TLS. Plain data.
 */

#include <sys/types.h>

#include "device/device_manager.h"
#include "negotiation/nbd_peer.h"

#define DEVICE_PEER_NAME_SIZE 64
/* "qemu-system-x86 (process 4711, user 1000)", "192.0.2.7:40000 (certificate CN=alice)" */
#define DEVICE_PEER_TEXT_SIZE 192

typedef struct DevicePeer {
        unsigned lun;
        pid_t pid; /* 0: not known: not of this host, or somebody who was given a socket by us */
        uid_t uid; /* where `pid` is known */
        char name[DEVICE_PEER_NAME_SIZE]; /* of the process as it was then, or an address; printable;
                                             "": not known */
        char identity[NBD_IDENTITY_SIZE]; /* as nbd_peer_format_identity() tells; printable */
} DevicePeer;

/* One after the other, from 0 on, of the device with that id; false: there are no more. */
bool device_manager_get_peer(const DeviceManager *manager, uint64_t id, size_t index,
                             DevicePeer *ret);
/* What the kernel says of a connected socket's other end. `identity`: any text. */
void device_peer_look_at(DevicePeer *ret, unsigned lun, int fd, const char *identity);
/* A long identity is cut. */
void device_peer_format(const DevicePeer *peer, char ret[static DEVICE_PEER_TEXT_SIZE]);
