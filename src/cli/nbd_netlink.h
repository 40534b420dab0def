#pragma once

/*
 * NbdNetlink
 *
 * The kernel's NBD driver, by generic netlink (linux/nbd-netlink.h): /dev/nbdN gets a socket, and
 * another one when that has died. Calls wait for the kernel's answer, which takes no time worth
 * telling. All but looking needs CAP_SYS_ADMIN.
 */

#include "base/macros.h"

/* What the kernel shows in /sys/block/nbdN/backend: who a device belongs to. */
#define NBD_NETLINK_IDENTIFIER_SIZE 160
#define NBD_NETLINK_INDEX_ANY UINT32_MAX

typedef struct NbdNetlink NbdNetlink;

typedef struct NbdNetlinkDevice {
        uint32_t index;             /* N, or any that is free */
        const char *identifier;     /* borrowed */
        uint64_t size;              /* bytes */
        uint32_t block_size;        /* bytes */
        uint16_t flags;             /* NBD's transmission flags */
        uint64_t request_timeout_s; /* an answer that is later ends the connection */
        uint64_t dead_timeout_s;    /* so long a dead connection's successor is waited for */
} NbdNetlinkDevice;

/* -ENOENT: the kernel has no NBD driver, or it is not loaded; -errno. */
int nbd_netlink_new(NbdNetlink **ret);
NbdNetlink *nbd_netlink_free(NbdNetlink *netlink);
DEFINE_CLEANUP(NbdNetlink *, nbd_netlink_free);

/* The kernel keeps the socket by itself: `fd` is borrowed. -EBUSY: it is in use already; -EPERM. */
int nbd_netlink_connect(NbdNetlink *netlink, const NbdNetlinkDevice *device, int fd,
                        uint32_t *ret_index);
/* In place of one that died. -ENOSPC: none has; -EINVAL: it is not attached, or not as this. */
int nbd_netlink_reconnect(NbdNetlink *netlink, uint32_t index, const char *identifier, int fd);
int nbd_netlink_disconnect(NbdNetlink *netlink, uint32_t index);

/* To be polled for input; then nbd_netlink_read_dead() until it is false. */
int nbd_netlink_get_fd(const NbdNetlink *netlink);
/* The next device whose connection has died. INDEX_ANY: some were missed, so it may be any. */
bool nbd_netlink_read_dead(NbdNetlink *netlink, uint32_t *ret_index);
