/* The time model of the cable. */

#include "simulator/simulated_link.h"
#include "simulator/simulated_descriptors.h"

/*
 * The most that bulk transfers can carry. Full speed: 19 packets of 64 bytes in a frame of 1 ms
 * (USB 2.0, table 5-9). High speed: 13 of 512 in a microframe of 125 µs (table 5-10). SuperSpeed:
 * 500 MB/s after 8b/10b, of which a packet of 1024 needs 1056 with its header, framing and link
 * commands, and an acknowledgement on the other lane (USB 3.2, 7.2), and what hosts leave of that.
 */
uint64_t simulated_link_get_payload_rate(UsbSpeed speed) {
        switch (speed) {
        case USB_SPEED_FULL:
                return UINT64_C(19) * 64 * 1000;
        case USB_SPEED_HIGH:
                return UINT64_C(13) * 512 * 8000;
        case USB_SPEED_SUPER:
                return UINT64_C(55) * 1024 * 8000;
        case USB_SPEED_UNKNOWN:
        case USB_SPEED_LOW:
        case USB_SPEED_SUPER_PLUS:
        case _USB_SPEED_MAX:
                break;
        }

        assert_not_reached();
}

uint64_t simulated_link_send(SimulatedLink *link, uint64_t ready_at_ns, size_t size) {
        uint64_t n_packets = MAX(DIV_ROUND_UP(size, link->packet_size), UINT64_C(1));
        uint64_t duration_ns = link->latency_ns;

        if (!link->is_ideal)
                duration_ns += n_packets * link->packet_size * NS_PER_S /
                               simulated_link_get_payload_rate(link->speed);
        link->free_at_ns = MAX(link->free_at_ns, ready_at_ns) + duration_ns;
        return link->free_at_ns;
}

void simulated_link_init(SimulatedLink *link, UsbSpeed speed, bool is_ideal, uint64_t latency_us) {
        *link = (SimulatedLink){
                .speed = speed,
                .packet_size = simulated_descriptors_get_packet_size(speed),
                .is_ideal = is_ideal,
                .latency_ns = latency_us * NS_PER_US,
        };
}
