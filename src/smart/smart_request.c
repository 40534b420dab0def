/* The commands that tell of a drive's health: ACS-3, ATA8-ACS for SMART, NVM Express 1.4. */

#include "smart/smart_request.h"

#include "base/macros.h"

#define ATA_SECTOR_SIZE 512
#define ATA_READ_LOG_EXT 0x2F
#define ATA_SMART 0xB0
#define ATA_CHECK_POWER_MODE 0xE5
#define ATA_IDENTIFY_DEVICE 0xEC

#define SMART_READ_LOG 0xD5
#define SMART_EXECUTE_OFFLINE 0xD4
#define SMART_RETURN_STATUS 0xDA
#define SMART_SIGNATURE UINT64_C(0xC24F00) /* in the LBA */

#define NVME_GET_LOG_PAGE 0x02
#define NVME_IDENTIFY 0x06
#define NVME_SELF_TEST 0x14
#define NVME_IDENTIFY_SIZE 4096
#define NVME_IDENTIFY_CONTROLLER 1
#define NVME_NSID_ALL UINT32_MAX

static void set_input(SmartRequest *request, size_t size) {
        request->direction = TRANSPORT_DIRECTION_IN;
        request->data_size = size;
}

static void set_input_sectors(SmartRequest *request, uint16_t n_sectors) {
        assert(n_sectors > 0);

        request->count = n_sectors;
        set_input(request, (size_t) n_sectors * ATA_SECTOR_SIZE);
}

void smart_request_identify_device(SmartRequest *request) {
        *request = (SmartRequest){ .command = ATA_IDENTIFY_DEVICE };
        set_input_sectors(request, 1);
}

void smart_request_smart_read(SmartRequest *request, uint8_t feature) {
        *request = (SmartRequest){
                .command = ATA_SMART,
                .features = feature,
                .lba = SMART_SIGNATURE,
        };
        set_input_sectors(request, 1);
}

void smart_request_smart_read_log(SmartRequest *request, uint8_t log, uint8_t n_sectors) {
        *request = (SmartRequest){
                .command = ATA_SMART,
                .features = SMART_READ_LOG,
                .lba = SMART_SIGNATURE | log,
        };
        set_input_sectors(request, n_sectors);
}

void smart_request_smart_status(SmartRequest *request) {
        *request = (SmartRequest){
                .command = ATA_SMART,
                .features = SMART_RETURN_STATUS,
                .lba = SMART_SIGNATURE,
                .needs_registers = true,
        };
}

void smart_request_smart_self_test(SmartRequest *request, uint8_t test) {
        *request = (SmartRequest){
                .command = ATA_SMART,
                .features = SMART_EXECUTE_OFFLINE,
                .lba = SMART_SIGNATURE | test,
        };
}

void smart_request_read_log_ext(SmartRequest *request, uint8_t log, uint16_t page,
                                uint16_t n_sectors) {
        *request = (SmartRequest){
                .command = ATA_READ_LOG_EXT,
                .is_extended = true,
                .lba = log | (uint64_t) (page & 0xFF) << 8 | (uint64_t) (page >> 8) << 32,
        };
        set_input_sectors(request, n_sectors);
}

void smart_request_check_power(SmartRequest *request) {
        *request = (SmartRequest){ .command = ATA_CHECK_POWER_MODE, .needs_registers = true };
}

void smart_request_nvme_identify_controller(SmartRequest *request) {
        *request = (SmartRequest){
                .is_nvme = true,
                .opcode = NVME_IDENTIFY,
                .cdw10_to_15 = { NVME_IDENTIFY_CONTROLLER },
        };
        set_input(request, NVME_IDENTIFY_SIZE);
}

void smart_request_nvme_log(SmartRequest *request, uint8_t log_page, size_t size) {
        assert(size > 0 && size % 4 == 0 && size / 4 <= UINT16_MAX);

        *request = (SmartRequest){
                .is_nvme = true,
                .opcode = NVME_GET_LOG_PAGE,
                .nsid = NVME_NSID_ALL,
                .cdw10_to_15 = { (uint32_t) (size / 4 - 1) << 16 | log_page },
        };
        set_input(request, size);
}

void smart_request_nvme_self_test(SmartRequest *request, uint8_t test) {
        *request = (SmartRequest){
                .is_nvme = true,
                .opcode = NVME_SELF_TEST,
                .nsid = NVME_NSID_ALL,
                .cdw10_to_15 = { test },
        };
}
