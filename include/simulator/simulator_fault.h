#pragma once

/*
 * SimulatorFault
 *
 * What a simulated device does wrong, and when: plain data, parsed from text or filled in by tests.
 *
 *     PLAN     = FAULT *( ";" FAULT )
 *     FAULT    = KIND [ ":" ARGUMENT ] [ "@" SELECTOR *( "+" SELECTOR ) ] [ "*" COUNT ]
 *     COUNT    = decimal, or "always"
 *     SELECTOR = "nth=" N        the N-th command since the device was made, from 1
 *              | "every=N"       each N-th command
 *              | "opcode=" HEX   the command's first byte; for phase control, bRequest
 *              | "lun=" N
 *              | "cdb=" N "/" HEX    byte N (decimal) of the command block; at most one of these
 *              | "lba=" A [".." B]   the command touches one of these blocks
 *              | "longer=" N     the command touches more blocks than that
 *              | "over=" P       the device is driven so: bot or uas (CBI is neither)
 *              | "one-in=" N     by chance, from the device's seed
 *
 * A fault fires when all of its selectors hold, COUNT times (once, if not told otherwise), on
 * commands that it can happen to: what needs a data phase waits for a command that has one. Of
 * several faults of one kind only the first that holds fires on a command; different kinds combine.
 *
 * With CBI the command is the control request, and the CSW is the interrupt: csw-status is its
 * value (for UFI its ASC), csw-signature its type. What it has no word for, or what CB has no status
 * for, does not happen.
 *
 * With UAS the CSW is the sense IU: csw-status is its status, csw-signature its id, csw-missing keeps
 * the command until a task management function or a reset ends it, and phase-error is a response IU
 * that calls the command's invalid. It has no residue, so data that is written is never short. What hangs is silent until a port reset.
 *
 *     KIND [:ARGUMENT]            what happens
 *     stall:PHASE                 PHASE is command, data, status or control; the endpoint halts
 *     hang:PHASE                  never answers; a class or port reset ends it
 *     freeze:PHASE                the same, and control requests hang too; a port reset ends it
 *     disconnect:PHASE            the device is gone
 *     wire-error:PHASE            the transfer fails as a CRC error does
 *     short-data[:BYTES]          leaves away the last BYTES (512) of the data; residue and status
 *                                 tell so
 *     short-data-untold[:BYTES]   the same, but the residue is 0
 *     babble                      more data than was asked for
 *     data-skipped                the CSW comes in place of the data
 *     zero-packet                 an empty packet before the CSW
 *     csw-missing                 no CSW; the device waits for the next CBW
 *     csw-tag                     another tag
 *     csw-signature               another signature
 *     csw-status[:HEX]            this bCSWStatus (03: reserved)
 *     csw-size[:BYTES]            the CSW cut to so many bytes (12)
 *     phase-error                 bCSWStatus 02
 *     sense-missing               UAS: a failure without its sense
 *     residue[:N]                 dCSWDataResidue N (512) whatever was moved
 *     medium-error                03/11/00 at the first selected block; reading (always; needs
 *                                 lba=)
 *     write-error                 03/0C/00 likewise; writing (always; needs lba=)
 *     information-missing         a medium-error or write-error does not tell where (always)
 *     information-wrong:LBA       it tells this block instead (always)
 *     sense:KEY/ASC/ASCQ          the command fails so (hexadecimal)
 *     deferred:KEY/ASC/ASCQ       likewise, but as a deferred error: what the LUN's cache held is
 *                                 lost
 *     unit-attention:ASC/ASCQ     established on all LUNs before the command
 *     not-ready:MS                02/04/01 from this command on for MS milliseconds
 *     data-flipped                a bit in the middle of an answer is the other one
 *     data-filled:HEX             each byte of an answer is that
 *     slow:MS                     the answer comes MS milliseconds later (always)
 *     reset                       the device's own reset: its cache is lost, 29/00
 *     medium-change               another medium, as seen by the host: 28/00
 *     unmap-overreach[:BLOCKS]    UNMAP and WRITE SAME with UNMAP also clear so many blocks (1) before
 *                                 and behind (always)
 *     event-wrong                 GET EVENT STATUS NOTIFICATION tells of no event, and the opposite of
 *                                 whether there is a disc (always)
 *     port-reset-fails            a port reset ends in an error; of the selectors over and one-in apply
 *     port-reset-gone             after a port reset it is another device; likewise
 *     start-stuck                 a START STOP UNIT that starts a unit leaves it at 02/04/01 until a
 *                                 reset
 *     resume-fails                it is not resumed, and sleeps on until a port reset; of the selectors
 *                                 over and one-in apply, as to the next three
 *     resume-frozen               resumed, it answers nothing until a port reset
 *     resume-gone                 resumed, it is another device
 *     resume-power-cycle          it lost its power while it slept
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIMULATOR_FAULTS_MAX 64
#define SIMULATOR_FAULT_ALWAYS UINT64_MAX

typedef struct Random Random;

typedef enum SimulatorFaultKind {
        SIMULATOR_FAULT_STALL,
        SIMULATOR_FAULT_HANG,
        SIMULATOR_FAULT_FREEZE,
        SIMULATOR_FAULT_DISCONNECT,
        SIMULATOR_FAULT_WIRE_ERROR,
        SIMULATOR_FAULT_SHORT_DATA,
        SIMULATOR_FAULT_SHORT_DATA_UNTOLD,
        SIMULATOR_FAULT_BABBLE,
        SIMULATOR_FAULT_DATA_SKIPPED,
        SIMULATOR_FAULT_ZERO_PACKET,
        SIMULATOR_FAULT_CSW_MISSING,
        SIMULATOR_FAULT_CSW_TAG,
        SIMULATOR_FAULT_CSW_SIGNATURE,
        SIMULATOR_FAULT_CSW_STATUS,
        SIMULATOR_FAULT_CSW_SIZE,
        SIMULATOR_FAULT_PHASE_ERROR,
        SIMULATOR_FAULT_SENSE_MISSING,
        SIMULATOR_FAULT_RESIDUE,
        SIMULATOR_FAULT_MEDIUM_ERROR,
        SIMULATOR_FAULT_WRITE_ERROR,
        SIMULATOR_FAULT_INFORMATION_MISSING,
        SIMULATOR_FAULT_INFORMATION_WRONG,
        SIMULATOR_FAULT_SENSE,
        SIMULATOR_FAULT_DEFERRED,
        SIMULATOR_FAULT_UNIT_ATTENTION,
        SIMULATOR_FAULT_NOT_READY,
        SIMULATOR_FAULT_DATA_FLIPPED,
        SIMULATOR_FAULT_DATA_FILLED,
        SIMULATOR_FAULT_SLOW,
        SIMULATOR_FAULT_RESET,
        SIMULATOR_FAULT_MEDIUM_CHANGE,
        SIMULATOR_FAULT_UNMAP_OVERREACH,
        SIMULATOR_FAULT_EVENT_WRONG,
        SIMULATOR_FAULT_PORT_RESET_FAILS,
        SIMULATOR_FAULT_PORT_RESET_GONE,
        SIMULATOR_FAULT_START_STUCK,
        SIMULATOR_FAULT_RESUME_FAILS,
        SIMULATOR_FAULT_RESUME_FROZEN,
        SIMULATOR_FAULT_RESUME_GONE,
        SIMULATOR_FAULT_RESUME_POWER_CYCLE,
        _SIMULATOR_FAULT_KIND_MAX,
} SimulatorFaultKind;

typedef enum SimulatorPhase {
        SIMULATOR_PHASE_COMMAND,
        SIMULATOR_PHASE_DATA,
        SIMULATOR_PHASE_STATUS,
        SIMULATOR_PHASE_CONTROL,
        _SIMULATOR_PHASE_MAX,
} SimulatorPhase;

/* How the device is driven, as far as faults are chosen by it. */
typedef enum SimulatorProtocol {
        SIMULATOR_PROTOCOL_ANY, /* in a fault: whatever it is; in an occasion: neither of these */
        SIMULATOR_PROTOCOL_BOT,
        SIMULATOR_PROTOCOL_UAS,
} SimulatorProtocol;

typedef struct SimulatorFault {
        SimulatorFaultKind kind;
        SimulatorPhase phase; /* of those kinds that take one */
        uint64_t argument;    /* bytes, milliseconds, a status: as the kind says */
        uint8_t sense_key;
        uint8_t asc;
        uint8_t ascq;

        /* Selectors; 0 or false: any. */
        uint64_t nth;
        uint64_t every;
        uint64_t one_in;
        uint64_t longer;
        bool has_opcode;
        uint8_t opcode;
        bool has_lun;
        uint8_t lun;
        bool has_cdb_byte;
        uint8_t cdb_index;
        uint8_t cdb_byte;
        bool has_lba;
        uint64_t lba_first;
        uint64_t lba_last; /* inclusive */
        SimulatorProtocol over;

        uint64_t n_left; /* how often it still fires; SIMULATOR_FAULT_ALWAYS */
} SimulatorFault;

typedef struct SimulatorFaultPlan {
        SimulatorFault faults[SIMULATOR_FAULTS_MAX];
        size_t n_faults;
} SimulatorFaultPlan;

/* What a fault is chosen by. */
typedef struct SimulatorFaultOccasion {
        uint64_t nth; /* 0: no command, a control request */
        uint8_t opcode;
        const uint8_t *cdb; /* 16 bytes; borrowed; NULL: there is none */
        uint8_t lun;
        bool has_data;
        uint64_t lba;
        uint64_t n_blocks; /* 0: touches none */
        SimulatorProtocol over;
} SimulatorFaultOccasion;

/*
 * Adds the faults of `text` to the plan, or none of them. -EINVAL and -E2BIG (more than
 * SIMULATOR_FAULTS_MAX) set `ret_error` to a sentence for the user, to be freed; -ENOMEM sets NULL.
 */
int simulator_fault_plan_parse(SimulatorFaultPlan *plan, const char *text, char **ret_error);
/* -E2BIG. */
int simulator_fault_plan_add(SimulatorFaultPlan *plan, const SimulatorFault *fault);

/*
 * The first fault of that kind that holds and takes one of its `n_left`, or NULL. Kinds with a
 * phase are asked for by phase; for others the phase is ignored. Faults at a bad block are asked
 * for with simulator_fault_plan_find_bad_block().
 */
const SimulatorFault *simulator_fault_plan_take(SimulatorFaultPlan *plan, SimulatorFaultKind kind,
                                                SimulatorPhase phase,
                                                const SimulatorFaultOccasion *occasion,
                                                Random *random);
/* Whether a block of the occasion is bad for MEDIUM_ERROR or WRITE_ERROR: the first of them. */
bool simulator_fault_plan_find_bad_block(SimulatorFaultPlan *plan, SimulatorFaultKind kind,
                                         const SimulatorFaultOccasion *occasion, Random *random,
                                         uint64_t *ret_lba);

/* The name in the grammar. */
const char *simulator_fault_kind_to_string(SimulatorFaultKind kind);
const char *simulator_phase_to_string(SimulatorPhase phase);
