#pragma once

/*
 * Fault
 *
 * What the gadget does wrong, and when. Text of the command line:
 *
 *     KIND[:ARGUMENT][,SELECTOR]...
 *     SELECTOR = "opcode=" HEX      strikes this command alone
 *              | "lba=" A[".."B]    that touches one of these blocks
 *              | "nth=" N           from the N-th command on that fits the others (1)
 *              | "times=" N         so often; "always" (1)
 *              | "for-ms=" N        until N ms after its first strike; implies "always"
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULTS_MAX 16

typedef enum FaultKind {
        FAULT_STALL_COMMAND,     /* both bulk pipes halt in place of what follows the CBW */
        FAULT_STALL_DATA,        /* after ARGUMENT bytes; the status tells ABORTED COMMAND */
        FAULT_STALL_STATUS,      /* the CSW comes once the halt is cleared (BOT 5.3.3) */
        FAULT_STALL_MAX_LUN,     /* GET MAX LUN */
        FAULT_STALL_RESET,       /* Bulk-Only Mass Storage Reset */
        FAULT_HANG_COMMAND,      /* silence after the CBW, until a reset */
        FAULT_HANG_DATA,         /* silence after half of the data */
        FAULT_HANG_STATUS,       /* silence in place of the CSW */
        FAULT_HANG_MAX_LUN,      /* no answer to GET MAX LUN for ARGUMENT ms */
        FAULT_TAG,               /* another dCSWTag */
        FAULT_SIGNATURE,         /* another dCSWSignature */
        FAULT_STATUS,            /* bCSWStatus is ARGUMENT */
        FAULT_PHASE_ERROR,       /* bCSWStatus 02h */
        FAULT_CSW_SIZE,          /* ARGUMENT bytes of it */
        FAULT_CSW_MISSING,       /* none; the next CBW is awaited */
        FAULT_ZERO_PACKET,       /* an empty packet before the CSW */
        FAULT_RESIDUE,           /* dCSWDataResidue is ARGUMENT, with all of the data */
        FAULT_SHORT,             /* the last ARGUMENT bytes are left away; the residue tells so */
        FAULT_SHORT_UNTOLD,      /* the residue tells nothing */
        FAULT_LONG,              /* ARGUMENT bytes too much */
        FAULT_SKIP_DATA,         /* the CSW in place of the data */
        FAULT_DISCONNECT,        /* for ARGUMENT ms, in whole seconds; 0: for good */
        FAULT_SENSE,             /* the command fails with KEY/ASC/ASCQ */
        FAULT_MEDIUM_ERROR,      /* 3/11/0 at block ARGUMENT, in INFORMATION */
        FAULT_MEDIUM_ERROR_BARE, /* the same without INFORMATION */
        _FAULT_KIND_MAX,
} FaultKind;

typedef struct Fault {
        FaultKind kind;
        uint64_t argument;
        uint8_t sense[3]; /* key, ASC, ASCQ */
        bool has_opcode;
        uint8_t opcode;
        bool has_lba;
        uint64_t lba_first;
        uint64_t lba_last; /* inclusive */
        uint64_t nth;
        uint64_t n_left;
        uint64_t for_ms;

        uint64_t n_fitted;
        uint64_t struck_ms; /* for the first time; 0: not yet */
} Fault;

typedef struct FaultPlan {
        Fault faults[FAULTS_MAX];
        size_t n_faults;
} FaultPlan;

/* A command that may be struck. */
typedef struct FaultOccasion {
        uint8_t opcode;
        uint64_t lba;
        uint64_t n_blocks; /* 0: touches none */
} FaultOccasion;

/* Adds one. False: the text is wrong. */
bool fault_plan_add(FaultPlan *plan, const char *text);
/* The first of that kind that strikes now, which is told on standard output; or NULL. Each kind is
 * asked for by one thread alone. */
const Fault *fault_plan_take(FaultPlan *plan, FaultKind kind, const FaultOccasion *occasion);
