#pragma once

/*
 * UasIu
 *
 * The information units of UAS (T10/2095-D, revision 04, 6) as bytes: encodes those that a host
 * sends, takes those apart that a device sends. Pure functions.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UAS_IU_COMMAND_SIZE 32
#define UAS_IU_TASK_MANAGEMENT_SIZE 16
#define UAS_IU_CDB_SIZE_MAX 16
/* A sense IU with as much sense as is worth having. */
#define UAS_IU_STATUS_SIZE_MAX 128

/* 6.2.1, table 9: those that come from a device. */
typedef enum UasIuType {
        UAS_IU_TYPE_SENSE = 0x03,
        UAS_IU_TYPE_RESPONSE = 0x04,
        UAS_IU_TYPE_READ_READY = 0x06,
        UAS_IU_TYPE_WRITE_READY = 0x07,
} UasIuType;

/* 6.2.3, table 15: those that we use. */
typedef enum UasFunction {
        UAS_FUNCTION_ABORT_TASK = 0x01,
        UAS_FUNCTION_LOGICAL_UNIT_RESET = 0x08,
        UAS_FUNCTION_I_T_NEXUS_RESET = 0x10,
} UasFunction;

/* 6.2.5, table 18: the answers that mean success. */
#define UAS_RESPONSE_COMPLETE 0x00
#define UAS_RESPONSE_SUCCEEDED 0x08

typedef struct UasIu {
        UasIuType type;
        uint16_t tag;
        uint8_t status;       /* SENSE: the SCSI status */
        const uint8_t *sense; /* SENSE: points into the bytes that were decoded */
        size_t sense_size;
        uint8_t response; /* RESPONSE */
} UasIu;

/* `bytes` has room for UAS_IU_COMMAND_SIZE. */
void uas_iu_encode_command(uint8_t *bytes, uint16_t tag, uint8_t lun, const uint8_t *cdb,
                           size_t cdb_size);
/* `bytes` has room for UAS_IU_TASK_MANAGEMENT_SIZE. */
void uas_iu_encode_task_management(uint8_t *bytes, uint16_t tag, UasFunction function,
                                   uint16_t managed_tag, uint8_t lun);
/* False: no IU that a device sends. Sense that was cut is what of it came. */
bool uas_iu_decode(UasIu *iu, const uint8_t *bytes, size_t size);
