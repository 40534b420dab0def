#pragma once

/*
 * SmartRequest
 *
 * A command to a drive, before any bridge has packed it: ATA registers, or an NVMe admin command.
 * Plain data.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/transport.h"

typedef struct SmartRequest {
        bool is_nvme;
        TransportDirection direction; /* with data */
        size_t data_size;

        /* ATA */
        bool is_extended;     /* a command of 48 bits: the upper halves of its registers count */
        bool needs_registers; /* the answer is in the registers; without data */
        uint16_t features;
        uint16_t count; /* of sectors, where there is data */
        uint64_t lba;
        uint8_t device;
        uint8_t command;

        /* NVMe admin commands */
        uint8_t opcode;
        uint32_t nsid;
        uint32_t cdw10_to_15[6];
} SmartRequest;

/* The requests that are needed. */
void smart_request_identify_device(SmartRequest *request);
void smart_request_smart_read(SmartRequest *request, uint8_t feature); /* D0h, D1h */
void smart_request_smart_read_log(SmartRequest *request, uint8_t log, uint8_t n_sectors);
void smart_request_smart_status(SmartRequest *request);
void smart_request_smart_self_test(SmartRequest *request, uint8_t test);
void smart_request_read_log_ext(SmartRequest *request, uint8_t log, uint16_t page,
                                uint16_t n_sectors);
void smart_request_check_power(SmartRequest *request);
void smart_request_nvme_identify_controller(SmartRequest *request);
/* Of the controller; `size` is a multiple of 4. */
void smart_request_nvme_log(SmartRequest *request, uint8_t log_page, size_t size);
void smart_request_nvme_self_test(SmartRequest *request, uint8_t test);
