#pragma once

/*
 * SimulatedLink
 *
 * How long bytes take on a simulated cable. Transfers go one after another; each takes its packets'
 * time and the latency. The account is kept in the time when the link would be free, not in when
 * somebody looked, so that a late timer costs nothing as long as transfers are queued.
 */

#include "base/event_loop.h"
#include "usb/usb_device.h"

typedef struct SimulatedLink {
        UsbSpeed speed;
        uint64_t packet_size;
        uint64_t latency_ns;
        bool is_ideal;
        uint64_t free_at_ns;
} SimulatedLink;

void simulated_link_init(SimulatedLink *link, UsbSpeed speed, bool is_ideal, uint64_t latency_us);
/* Nothing takes time, so that nobody needs to ask. */
static inline bool simulated_link_is_instant(const SimulatedLink *link) {
        return link->is_ideal && link->latency_ns == 0;
}
/* Sends `size` bytes that were ready at `ready_at_ns`; when they have arrived. */
uint64_t simulated_link_send(SimulatedLink *link, uint64_t ready_at_ns, size_t size);
/* Bytes a second in full packets. */
uint64_t simulated_link_get_payload_rate(UsbSpeed speed);
