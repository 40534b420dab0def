/*
 * Builders of the commands that the project sends, each from the section of SPC-4 or SBC-3 that it
 * cites.
 */

#include "scsi/scsi_command.h"

#include <string.h>

#include "base/bytes.h"

#define CDB_FUA 0x08
#define CDB_UNMAP 0x08
#define INQUIRY_EVPD 0x01
#define EVENT_CLASSES_MEDIA 0x10

#define SERVICE_ACTION_READ_CAPACITY_16 0x10
#define SERVICE_ACTION_GET_LBA_STATUS 0x12

void scsi_command_init(ScsiCommand *command, uint8_t lun, uint64_t deadline_ns) {
        *command = (ScsiCommand){
                .request = { .lun = lun },
                .deadline_ns = deadline_ns,
        };
        list_init(&command->node);
        list_init(&command->request.node);
}

void scsi_command_set_cdb(ScsiCommand *command, const uint8_t *cdb, size_t cdb_size) {
        assert(cdb_size > 0 && cdb_size <= SCSI_CDB_SIZE_MAX);

        memset(command->request.command, 0, sizeof(command->request.command));
        memcpy(command->request.command, cdb, cdb_size);
        command->request.command_size = (uint8_t) cdb_size;
        command->actual_size_min = 0;
        scsi_command_set_data(command, TRANSPORT_DIRECTION_NONE, NULL, 0);
}

void scsi_command_set_data(ScsiCommand *command, TransportDirection direction, void *data,
                           size_t size) {
        assert((direction == TRANSPORT_DIRECTION_NONE) == (size == 0));
        assert(size == 0 || data);

        command->request.direction = direction;
        command->request.data = data;
        command->request.size = size;
}

/* SPC-4, "TEST UNIT READY command". */
void scsi_command_test_unit_ready(ScsiCommand *command) {
        static const uint8_t cdb[6] = { SCSI_OPCODE_TEST_UNIT_READY };

        scsi_command_set_cdb(command, cdb, sizeof(cdb));
}

/* SPC-4, "INQUIRY command". */
void scsi_command_inquiry(ScsiCommand *command, void *data, size_t size) {
        uint8_t cdb[6] = { SCSI_OPCODE_INQUIRY };

        assert(size <= UINT16_MAX);

        put_be16(cdb + 3, (uint16_t) size);
        scsi_command_set_cdb(command, cdb, sizeof(cdb));
        scsi_command_set_data(command, TRANSPORT_DIRECTION_IN, data, size);
}

/* SPC-4, "Vital product data". */
void scsi_command_inquiry_vpd(ScsiCommand *command, uint8_t page, void *data, size_t size) {
        scsi_command_inquiry(command, data, size);
        command->request.command[1] = INQUIRY_EVPD;
        command->request.command[2] = page;
}

/* SPC-4, "REQUEST SENSE command". */
void scsi_command_request_sense(ScsiCommand *command, void *data, size_t size) {
        uint8_t cdb[6] = { SCSI_OPCODE_REQUEST_SENSE };

        assert(size <= UINT8_MAX);

        cdb[4] = (uint8_t) size;
        scsi_command_set_cdb(command, cdb, sizeof(cdb));
        scsi_command_set_data(command, TRANSPORT_DIRECTION_IN, data, size);
}

/* SBC-3, "READ CAPACITY (10) command": 8 bytes. */
void scsi_command_read_capacity_10(ScsiCommand *command, void *data) {
        static const uint8_t cdb[10] = { SCSI_OPCODE_READ_CAPACITY_10 };

        scsi_command_set_cdb(command, cdb, sizeof(cdb));
        scsi_command_set_data(command, TRANSPORT_DIRECTION_IN, data, 8);
}

static void scsi_command_service_action_in(ScsiCommand *command, uint8_t action, uint64_t lba,
                                           void *data, size_t size) {
        uint8_t cdb[16] = { SCSI_OPCODE_SERVICE_ACTION_IN_16, action };

        assert(size <= UINT32_MAX);

        put_be64(cdb + 2, lba);
        put_be32(cdb + 10, (uint32_t) size);
        scsi_command_set_cdb(command, cdb, sizeof(cdb));
        scsi_command_set_data(command, TRANSPORT_DIRECTION_IN, data, size);
}

/* SBC-3, "READ CAPACITY (16) command". */
void scsi_command_read_capacity_16(ScsiCommand *command, void *data, size_t size) {
        scsi_command_service_action_in(command, SERVICE_ACTION_READ_CAPACITY_16, 0, data, size);
}

/* Nothing but how much may come. */
static void scsi_command_ask_10(ScsiCommand *command, ScsiOpcode opcode, void *data, size_t size) {
        uint8_t cdb[10] = { opcode };

        assert(size <= UINT16_MAX);

        put_be16(cdb + 7, (uint16_t) size);
        scsi_command_set_cdb(command, cdb, sizeof(cdb));
        scsi_command_set_data(command, TRANSPORT_DIRECTION_IN, data, size);
}

/* UFI 1.0, "READ FORMAT CAPACITIES command". */
void scsi_command_read_format_capacities(ScsiCommand *command, void *data, size_t size) {
        scsi_command_ask_10(command, SCSI_OPCODE_READ_FORMAT_CAPACITIES, data, size);
}

/* SPC-4, "MODE SENSE(6) command". */
void scsi_command_mode_sense_6(ScsiCommand *command, uint8_t page, void *data, size_t size) {
        uint8_t cdb[6] = { SCSI_OPCODE_MODE_SENSE_6, 0, page };

        assert(size <= UINT8_MAX);

        cdb[4] = (uint8_t) size;
        scsi_command_set_cdb(command, cdb, sizeof(cdb));
        scsi_command_set_data(command, TRANSPORT_DIRECTION_IN, data, size);
}

/* SPC-4, "MODE SENSE(10) command". */
void scsi_command_mode_sense_10(ScsiCommand *command, uint8_t page, void *data, size_t size) {
        uint8_t cdb[10] = { SCSI_OPCODE_MODE_SENSE_10, 0, page };

        assert(size <= UINT16_MAX);

        put_be16(cdb + 7, (uint16_t) size);
        scsi_command_set_cdb(command, cdb, sizeof(cdb));
        scsi_command_set_data(command, TRANSPORT_DIRECTION_IN, data, size);
}

/* MMC-6, "GET CONFIGURATION command", "READ DISC INFORMATION command", "READ TOC/PMA/ATIP
 * command": of each the form that is all zeroes. */
void scsi_command_get_configuration(ScsiCommand *command, void *data, size_t size) {
        scsi_command_ask_10(command, SCSI_OPCODE_GET_CONFIGURATION, data, size);
}

/* MMC-6, "GET CONFIGURATION command": RT 2. */
void scsi_command_get_feature(ScsiCommand *command, uint16_t feature, void *data, size_t size) {
        scsi_command_get_configuration(command, data, size);
        command->request.command[1] = 0x02;
        put_be16(command->request.command + 2, feature);
}

void scsi_command_read_disc_information(ScsiCommand *command, void *data, size_t size) {
        scsi_command_ask_10(command, SCSI_OPCODE_READ_DISC_INFORMATION, data, size);
}

void scsi_command_read_toc(ScsiCommand *command, void *data, size_t size) {
        scsi_command_ask_10(command, SCSI_OPCODE_READ_TOC, data, size);
}

/* MMC-6, "GET EVENT STATUS NOTIFICATION command": polled, as drives need not know another way. */
void scsi_command_get_media_event(ScsiCommand *command, void *data, size_t size) {
        scsi_command_ask_10(command, SCSI_OPCODE_GET_EVENT_STATUS_NOTIFICATION, data, size);
        command->request.command[1] = 0x01;
        command->request.command[4] = EVENT_CLASSES_MEDIA;
}

/* SBC-3, "START STOP UNIT command". */
void scsi_command_start_stop(ScsiCommand *command, bool start, bool load_eject, bool immediate) {
        uint8_t cdb[6] = { SCSI_OPCODE_START_STOP_UNIT };

        cdb[1] = immediate ? 0x01 : 0;
        cdb[4] = (uint8_t) ((load_eject ? 0x02 : 0) | (start ? 0x01 : 0));
        scsi_command_set_cdb(command, cdb, sizeof(cdb));
}

/* SPC-4, "PREVENT ALLOW MEDIUM REMOVAL command". */
void scsi_command_prevent_removal(ScsiCommand *command, bool prevent) {
        uint8_t cdb[6] = { SCSI_OPCODE_PREVENT_ALLOW_MEDIUM_REMOVAL };

        cdb[4] = prevent ? 0x01 : 0;
        scsi_command_set_cdb(command, cdb, sizeof(cdb));
}

/* SBC-3, "READ (10) command" and its like: READ and WRITE share their form. */
static void scsi_command_read_write(ScsiCommand *command, uint8_t opcode_10, uint8_t opcode_16,
                                    uint8_t flags, uint64_t lba, uint32_t n_blocks) {
        uint8_t cdb[16] = { opcode_16, flags };

        assert(n_blocks > 0);

        if (lba <= UINT32_MAX && n_blocks <= UINT16_MAX) {
                cdb[0] = opcode_10;
                put_be32(cdb + 2, (uint32_t) lba);
                put_be16(cdb + 7, (uint16_t) n_blocks);
                scsi_command_set_cdb(command, cdb, 10);
                return;
        }

        put_be64(cdb + 2, lba);
        put_be32(cdb + 10, n_blocks);
        scsi_command_set_cdb(command, cdb, 16);
}

void scsi_command_read(ScsiCommand *command, uint64_t lba, uint32_t n_blocks, void *data,
                       size_t size) {
        scsi_command_read_write(command, SCSI_OPCODE_READ_10, SCSI_OPCODE_READ_16, 0, lba,
                                n_blocks);
        scsi_command_set_data(command, TRANSPORT_DIRECTION_IN, data, size);
        command->actual_size_min = size;
}

void scsi_command_write(ScsiCommand *command, uint64_t lba, uint32_t n_blocks, bool fua, void *data,
                        size_t size) {
        scsi_command_read_write(command, SCSI_OPCODE_WRITE_10, SCSI_OPCODE_WRITE_16,
                                fua ? CDB_FUA : 0, lba, n_blocks);
        scsi_command_set_data(command, TRANSPORT_DIRECTION_OUT, data, size);
        command->actual_size_min = size;
}

/* SBC-3, "SYNCHRONIZE CACHE (10) command": no LBA and no count is everything, beyond the reach of
 * 32 bits too. */
void scsi_command_synchronize_cache(ScsiCommand *command) {
        static const uint8_t cdb[10] = { SCSI_OPCODE_SYNCHRONIZE_CACHE_10 };

        scsi_command_set_cdb(command, cdb, sizeof(cdb));
}

/* SBC-3, "UNMAP command": a header of 8 bytes and one descriptor of 16. */
void scsi_command_unmap(ScsiCommand *command, uint64_t lba, uint32_t n_blocks, void *data) {
        uint8_t cdb[10] = { SCSI_OPCODE_UNMAP };
        uint8_t *list = data;

        memset(list, 0, SCSI_UNMAP_DATA_SIZE);
        put_be16(list, SCSI_UNMAP_DATA_SIZE - 2);
        put_be16(list + 2, SCSI_UNMAP_DATA_SIZE - 8);
        put_be64(list + 8, lba);
        put_be32(list + 16, n_blocks);

        put_be16(cdb + 7, SCSI_UNMAP_DATA_SIZE);
        scsi_command_set_cdb(command, cdb, sizeof(cdb));
        scsi_command_set_data(command, TRANSPORT_DIRECTION_OUT, data, SCSI_UNMAP_DATA_SIZE);
}

/* SBC-3, "WRITE SAME (16) command". */
void scsi_command_write_same(ScsiCommand *command, uint64_t lba, uint32_t n_blocks, bool unmap,
                             void *data, size_t block_size) {
        uint8_t cdb[16] = { SCSI_OPCODE_WRITE_SAME_16 };

        assert(n_blocks > 0);

        cdb[1] = unmap ? CDB_UNMAP : 0;
        put_be64(cdb + 2, lba);
        put_be32(cdb + 10, n_blocks);
        scsi_command_set_cdb(command, cdb, sizeof(cdb));
        scsi_command_set_data(command, TRANSPORT_DIRECTION_OUT, data, block_size);
}

/* SBC-3, "GET LBA STATUS command". */
void scsi_command_get_lba_status(ScsiCommand *command, uint64_t lba, void *data, size_t size) {
        scsi_command_service_action_in(command, SERVICE_ACTION_GET_LBA_STATUS, lba, data, size);
}

/* SPC-4, "REPORT LUNS command". */
void scsi_command_report_luns(ScsiCommand *command, void *data, size_t size) {
        uint8_t cdb[12] = { SCSI_OPCODE_REPORT_LUNS };

        assert(size <= UINT32_MAX);

        put_be32(cdb + 6, (uint32_t) size);
        scsi_command_set_cdb(command, cdb, sizeof(cdb));
        scsi_command_set_data(command, TRANSPORT_DIRECTION_IN, data, size);
}
