#pragma once

/* SimulatedDescriptors: what a simulated device tells of itself (USB 2.0, 9.6; USB 3.2, 9.6). */

#include "simulator/simulator_spec.h"

#define SIMULATED_DESCRIPTOR_SIZE_MAX 255
#define SIMULATED_ENDPOINT_IN 0x81
#define SIMULATED_ENDPOINT_OUT 0x02
#define SIMULATED_ENDPOINT_INTERRUPT 0x83
#define SIMULATED_ENDPOINT_COMMAND 0x04 /* UAS */
#define SIMULATED_ENDPOINT_STATUS 0x85  /* UAS */

/* USB 3.2, table 9-6. */
#define SIMULATED_DESCRIPTOR_DEVICE 0x01
#define SIMULATED_DESCRIPTOR_CONFIGURATION 0x02
#define SIMULATED_DESCRIPTOR_STRING 0x03
#define SIMULATED_DESCRIPTOR_BOS 0x0F

/* Writes the descriptor of that type and index, with all that belongs to it, to
 * SIMULATED_DESCRIPTOR_SIZE_MAX bytes; its size, 0: there is none. */
size_t simulated_descriptors_get(const SimulatorSpec *spec, uint8_t type, uint8_t index,
                                 uint8_t *bytes);
/* Of the bulk endpoints. */
size_t simulated_descriptors_get_packet_size(UsbSpeed speed);
