#pragma once

/*
 * SimulatorDrive
 *
 * Describes the drive behind a simulated device's bridge, as far as its health goes: plain data,
 * parsed as a part of SimulatorSpec. Each LUN has such a drive.
 *
 *     smart=none|ata|nvme|scsi what kind of drive it is; none: it tells nothing (none)
 *     bridge=sat|sat12|jmicron|sunplus|cypress|prolific|nvme-jmicron|nvme-asmedia|nvme-realtek|none
 *                              what carries its commands (ATA: sat, NVMe: nvme-jmicron)
 *     registers=descriptor|fixed|cut|half|none   how a bridge that speaks SAT gives the ATA registers
 *                              back; cut: no more than 18 bytes of sense, half: without the upper
 *                              byte of the LBA, none: not at all (descriptor)
 *     smart-enabled=yes|no     ATA (yes)
 *     failing                  flag: it predicts its own failure (no)
 *     attribute-ID=RAW[/VALUE[/WORST[/THRESHOLD]]]   ATA; of an ID that there is not yet, one more
 *     temperature=N            degrees, 1 to 120 (33)
 *     power-on-hours=N         (1000)
 *     wear=N                   percent of its life that are over: NVMe and SCSI, 0 to 255 (1)
 *     spare=N                  percent, NVMe (100)
 *     media-errors=N           NVMe; SCSI: reads that could not be corrected (0)
 *     defects=N                SCSI: that have grown, 0 to 1000 (0)
 *     errors=N                 that its log tells of, 0 to 1000: ATA, NVMe (0)
 *     self-test-ms=N           how long a short one takes; the extended one takes twice as long (1000)
 *     self-test-result=HEX     how it ends: 0 passed, 7 failed (0)
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIMULATOR_ATTRIBUTES_MAX 30

typedef enum SimulatorDriveKind {
        SIMULATOR_DRIVE_NONE,
        SIMULATOR_DRIVE_ATA,
        SIMULATOR_DRIVE_NVME,
        SIMULATOR_DRIVE_SCSI,
        _SIMULATOR_DRIVE_MAX,
} SimulatorDriveKind;

typedef enum SimulatorBridge {
        SIMULATOR_BRIDGE_DEFAULT, /* the usual one of its drive */
        SIMULATOR_BRIDGE_NONE,
        SIMULATOR_BRIDGE_SAT,
        SIMULATOR_BRIDGE_SAT_12,
        SIMULATOR_BRIDGE_JMICRON,
        SIMULATOR_BRIDGE_SUNPLUS,
        SIMULATOR_BRIDGE_CYPRESS,
        SIMULATOR_BRIDGE_PROLIFIC,
        SIMULATOR_BRIDGE_NVME_JMICRON,
        SIMULATOR_BRIDGE_NVME_ASMEDIA,
        SIMULATOR_BRIDGE_NVME_REALTEK,
        _SIMULATOR_BRIDGE_MAX,
} SimulatorBridge;

typedef enum SimulatorRegisters {
        SIMULATOR_REGISTERS_DESCRIPTOR,
        SIMULATOR_REGISTERS_FIXED,
        SIMULATOR_REGISTERS_CUT,
        SIMULATOR_REGISTERS_HALF,
        SIMULATOR_REGISTERS_NONE,
        _SIMULATOR_REGISTERS_MAX,
} SimulatorRegisters;

typedef struct SimulatorAttribute {
        uint8_t id;
        uint16_t flags;
        uint8_t value;
        uint8_t worst;
        uint8_t threshold;
        uint64_t raw;
} SimulatorAttribute;

typedef struct SimulatorDrive {
        SimulatorDriveKind kind;
        SimulatorBridge bridge;
        SimulatorRegisters registers;
        bool is_smart_off;
        bool is_failing;
        SimulatorAttribute attributes[SIMULATOR_ATTRIBUTES_MAX];
        size_t n_attributes;
        uint8_t celsius;
        uint32_t power_on_hours;
        uint8_t wear_percent;
        uint8_t spare_percent;
        uint32_t n_media_errors;
        uint16_t n_defects;
        uint16_t n_errors;
        uint64_t self_test_ms;
        uint8_t self_test_result;
} SimulatorDrive;

void simulator_drive_init(SimulatorDrive *drive);
/* What the kind of drive leaves open. False: that bridge is for other drives. */
bool simulator_drive_settle(SimulatorDrive *drive);
