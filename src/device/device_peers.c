/* In the order in which they came. */

#include "device/device_peers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"

/* What is left for how many others there are. */
#define REST_SIZE sizeof(" and 999 more")

typedef struct DevicePeerEntry {
        uint64_t id;
        DevicePeer peer;
        ListNode node; /* DevicePeers::list */
} DevicePeerEntry;

void device_peers_init(DevicePeers *peers) {
        *peers = (DevicePeers){};
        list_init(&peers->list);
}

uint64_t device_peers_add(DevicePeers *peers, unsigned lun, int fd, const char *identity) {
        DevicePeerEntry *entry;

        if (peers->n >= DEVICE_PEERS_MAX)
                return 0;
        entry = calloc(1, sizeof(*entry));
        if (!entry)
                return 0;
        device_peer_look_at(&entry->peer, lun, fd, identity);
        entry->id = ++peers->last_id;
        list_init(&entry->node);
        list_append(&peers->list, &entry->node);
        peers->n++;
        return entry->id;
}

static void drop(DevicePeers *peers, DevicePeerEntry *entry) {
        list_unlink(&entry->node);
        free(entry);
        peers->n--;
}

int device_peers_remove(DevicePeers *peers, uint64_t id) {
        LIST_FOR_EACH (node, &peers->list) {
                DevicePeerEntry *entry = list_entry(node, DevicePeerEntry, node);

                if (entry->id != id)
                        continue;
                drop(peers, entry);
                return 0;
        }
        return -ENOENT;
}

void device_peers_clear(DevicePeers *peers) {
        LIST_FOR_EACH (node, &peers->list)
                drop(peers, list_entry(node, DevicePeerEntry, node));
}

bool device_peers_get(const DevicePeers *peers, size_t index, DevicePeer *ret) {
        LIST_FOR_EACH (node, &peers->list) {
                if (index-- > 0)
                        continue;
                *ret = list_entry(node, DevicePeerEntry, node)->peer;
                return true;
        }
        return false;
}

void device_peers_append_names(const DevicePeers *peers, char words[static CONTROL_WORDS_SIZE]) {
        size_t length = strnlen(words, CONTROL_WORDS_SIZE), n = 0;

        LIST_FOR_EACH (node, &peers->list) {
                char text[DEVICE_PEER_TEXT_SIZE];

                device_peer_format(&list_entry(node, DevicePeerEntry, node)->peer, text);
                if (length + strlen(text) + sizeof(": ") + REST_SIZE > CONTROL_WORDS_SIZE)
                        break;
                length += (size_t) snprintf(words + length, CONTROL_WORDS_SIZE - length, "%s%s",
                                            n > 0 ? ", " : ": ", text);
                n++;
        }
        if (n > 0 && n < peers->n)
                snprintf(words + length, CONTROL_WORDS_SIZE - length, " and %zu more",
                         peers->n - n);
}
