#pragma once

/*
 * SmartBridge
 *
 * How a USB bridge carries a command to the ATA or NVMe drive behind it. Pure: a SmartBridgeRun takes
 * one request, tells which SCSI commands are to be sent, one after the other, and is told what came
 * of each. Nothing else may be sent to the drive in between: most bridges keep what they were told.
 *
 * Vendors' commands are for bridges that are known to have them: others may hang over them.
 */

#include "scsi/scsi_cdb.h"
#include "smart/smart_ata.h"
#include "smart/smart_request.h"

typedef enum SmartBridgeKind {
        SMART_BRIDGE_KIND_NONE, /* it carries nothing */
        SMART_BRIDGE_KIND_SAT_16,
        SMART_BRIDGE_KIND_SAT_12,
        SMART_BRIDGE_KIND_JMICRON,
        SMART_BRIDGE_KIND_SUNPLUS,
        SMART_BRIDGE_KIND_CYPRESS,
        SMART_BRIDGE_KIND_PROLIFIC,
        SMART_BRIDGE_KIND_NVME_JMICRON,
        SMART_BRIDGE_KIND_NVME_ASMEDIA,
        SMART_BRIDGE_KIND_NVME_REALTEK,
        _SMART_BRIDGE_KIND_MAX,
} SmartBridgeKind;

#define SMART_BRIDGE_PORT_UNKNOWN (-1)
#define SMART_BRIDGE_CYPRESS_SIGNATURE 0x24

typedef struct SmartBridge {
        SmartBridgeKind kind;
        bool is_sat_too;   /* of those for NVMe: with SATA drives it is SAT_16 */
        bool is_extended;  /* JMicron: carries commands of 48 bits, without their upper halves */
        bool is_prolific;  /* JMicron's commands in a PL3507 */
        int port;          /* JMicron: 0, 1 or unknown, then the bridge is asked */
        uint8_t signature; /* Cypress */
} SmartBridge;

#define SMART_BRIDGE_BYTES_SIZE 512

/* One SCSI command. */
typedef struct SmartBridgeStep {
        uint8_t cdb[SCSI_CDB_SIZE_MAX];
        size_t cdb_size;
        TransportDirection direction;
        size_t data_size;
        bool is_request_data; /* the data is the request's, else that in SmartBridgeRun::bytes */
} SmartBridgeStep;

/* What came of it. */
typedef struct SmartBridgeOutcome {
        bool is_good;         /* SCSI status GOOD; else CHECK CONDITION, with this sense: */
        const uint8_t *sense; /* as bytes; also with GOOD, if there is any; borrowed */
        size_t sense_size;
        size_t actual_size; /* of data */
} SmartBridgeOutcome;

typedef struct SmartBridgeRun {
        SmartBridge bridge; /* its port is known once the first run has ended well */
        SmartRequest request;
        unsigned step; /* the one that is next, or under way */
        bool is_done;

        /* When it is done. */
        SmartAnswer answer;
        bool has_registers;
        SmartAtaRegisters registers;
        uint16_t nvme_status; /* without the phase bit; 0: success, or the bridge does not tell */

        uint8_t bytes[SMART_BRIDGE_BYTES_SIZE];
} SmartBridgeRun;

void smart_bridge_init(SmartBridge *bridge, SmartBridgeKind kind);
/* A small table of bridges that are known for sure. False: there is nothing about it. */
bool smart_bridge_find(SmartBridge *ret, uint16_t vendor_id, uint16_t product_id,
                       uint16_t device_bcd);
/* As smartctl's option -d names them: "sat,12", "usbjmicron,x", "sntjmicron/sat". -EINVAL: there is no
 * such kind. */
int smart_bridge_parse(SmartBridge *ret, const char *text, size_t size);
bool smart_bridge_is_nvme(const SmartBridge *bridge);
/* How much of an NVMe log page may be read at once: there are bridges that hang, or answer with
 * something else. */
size_t smart_bridge_get_log_size_max(const SmartBridge *bridge, uint8_t log_page);
/* Whether it keeps from one command to the next what it was told: then nobody else may be served in
 * between. */
bool smart_bridge_keeps_state(const SmartBridge *bridge, const SmartRequest *request);
const char *smart_bridge_kind_to_string(SmartBridgeKind kind);

/* -EOPNOTSUPP: the bridge does not carry that; nothing is to be sent. */
int smart_bridge_run_init(SmartBridgeRun *run, const SmartBridge *bridge,
                          const SmartRequest *request);
/* False: the run is done. */
bool smart_bridge_run_get_step(SmartBridgeRun *run, SmartBridgeStep *ret);
void smart_bridge_run_take(SmartBridgeRun *run, const SmartBridgeOutcome *outcome);
