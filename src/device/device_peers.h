#pragma once

/*
 * DevicePeers
 *
 * The clients that a device's worker was given, until it tells that they have gone. Private to device.
 */

#include "base/list.h"
#include "control/control_request.h"
#include "device/device_peer.h"

/* Of a device: beyond it nobody is noted. */
#define DEVICE_PEERS_MAX 512

typedef struct DevicePeers {
        ListNode list; /* DevicePeerEntry::node */
        size_t n;
        uint64_t last_id;
} DevicePeers;

void device_peers_init(DevicePeers *peers);
/* Looks at a client's own socket. Returns its id, or 0: it is not noted. */
uint64_t device_peers_add(DevicePeers *peers, unsigned lun, int fd, const char *identity);
/* -ENOENT: there is none. */
int device_peers_remove(DevicePeers *peers, uint64_t id);
void device_peers_clear(DevicePeers *peers);
bool device_peers_get(const DevicePeers *peers, size_t index, DevicePeer *ret);
/* Adds who they are to what was said of them, as far as there is room. */
void device_peers_append_names(const DevicePeers *peers, char words[static CONTROL_WORDS_SIZE]);
