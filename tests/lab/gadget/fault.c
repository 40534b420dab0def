/* Faults are few and commands are slow here, so each command asks for each kind. */

#include "fault.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OPCODE_REQUEST_SENSE 0x03
#define OPCODE_INQUIRY 0x12
#define OPCODE_REPORT_LUNS 0xA0

typedef enum FaultArgument {
        FAULT_ARGUMENT_NONE,
        FAULT_ARGUMENT_NUMBER,
        FAULT_ARGUMENT_LBA, /* the fault strikes who touches that block */
        FAULT_ARGUMENT_SENSE,
} FaultArgument;

typedef struct FaultName {
        const char *name;
        FaultArgument argument;
} FaultName;

static const FaultName fault_names[_FAULT_KIND_MAX] = {
        [FAULT_STALL_COMMAND] = { "stall-command", FAULT_ARGUMENT_NONE },
        [FAULT_STALL_DATA] = { "stall-data", FAULT_ARGUMENT_NUMBER },
        [FAULT_STALL_STATUS] = { "stall-status", FAULT_ARGUMENT_NONE },
        [FAULT_STALL_MAX_LUN] = { "stall-max-lun", FAULT_ARGUMENT_NONE },
        [FAULT_STALL_RESET] = { "stall-reset", FAULT_ARGUMENT_NONE },
        [FAULT_HANG_COMMAND] = { "hang-command", FAULT_ARGUMENT_NONE },
        [FAULT_HANG_DATA] = { "hang-data", FAULT_ARGUMENT_NONE },
        [FAULT_HANG_STATUS] = { "hang-status", FAULT_ARGUMENT_NONE },
        [FAULT_HANG_MAX_LUN] = { "hang-max-lun", FAULT_ARGUMENT_NUMBER },
        [FAULT_TAG] = { "tag", FAULT_ARGUMENT_NONE },
        [FAULT_SIGNATURE] = { "signature", FAULT_ARGUMENT_NONE },
        [FAULT_STATUS] = { "status", FAULT_ARGUMENT_NUMBER },
        [FAULT_PHASE_ERROR] = { "phase-error", FAULT_ARGUMENT_NONE },
        [FAULT_CSW_SIZE] = { "csw-size", FAULT_ARGUMENT_NUMBER },
        [FAULT_CSW_MISSING] = { "csw-missing", FAULT_ARGUMENT_NONE },
        [FAULT_ZERO_PACKET] = { "zero-packet", FAULT_ARGUMENT_NONE },
        [FAULT_RESIDUE] = { "residue", FAULT_ARGUMENT_NUMBER },
        [FAULT_SHORT] = { "short", FAULT_ARGUMENT_NUMBER },
        [FAULT_SHORT_UNTOLD] = { "short-untold", FAULT_ARGUMENT_NUMBER },
        [FAULT_LONG] = { "long", FAULT_ARGUMENT_NUMBER },
        [FAULT_SKIP_DATA] = { "skip-data", FAULT_ARGUMENT_NONE },
        [FAULT_DISCONNECT] = { "disconnect", FAULT_ARGUMENT_NUMBER },
        [FAULT_SENSE] = { "sense", FAULT_ARGUMENT_SENSE },
        [FAULT_MEDIUM_ERROR] = { "medium-error", FAULT_ARGUMENT_LBA },
        [FAULT_MEDIUM_ERROR_BARE] = { "medium-error-bare", FAULT_ARGUMENT_LBA },
};

static uint64_t now_ms(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

static bool parse_number(const char *text, int base, uint64_t *ret) {
        char *end;

        errno = 0;
        *ret = strtoull(text, &end, base);
        return errno == 0 && end != text && *end == '\0';
}

static bool parse_argument(Fault *fault, const char *text) {
        int n = 0;

        switch (fault_names[fault->kind].argument) {
        case FAULT_ARGUMENT_NONE:
                return !text;
        case FAULT_ARGUMENT_NUMBER:
                return text && parse_number(text, 0, &fault->argument);
        case FAULT_ARGUMENT_LBA:
                fault->has_lba = true;
                if (!text || !parse_number(text, 0, &fault->argument))
                        return false;
                fault->lba_first = fault->lba_last = fault->argument;
                return true;
        case FAULT_ARGUMENT_SENSE:
                return text &&
                       sscanf(text, "%2hhx/%2hhx/%2hhx%n", &fault->sense[0], &fault->sense[1],
                              &fault->sense[2], &n) == 3 &&
                       text[n] == '\0';
        }
        return false;
}

static bool parse_kind(Fault *fault, char *text) {
        char *argument = strchr(text, ':');

        if (argument)
                *argument++ = '\0';
        for (FaultKind kind = 0; kind < _FAULT_KIND_MAX; kind++)
                if (strcmp(text, fault_names[kind].name) == 0) {
                        fault->kind = kind;
                        return parse_argument(fault, argument);
                }
        return false;
}

static bool parse_blocks(Fault *fault, char *text) {
        char *last = strstr(text, "..");

        fault->has_lba = true;
        if (!last)
                return parse_number(text, 0, &fault->lba_first) &&
                       parse_number(text, 0, &fault->lba_last);
        *last = '\0';
        return parse_number(text, 0, &fault->lba_first) &&
               parse_number(last + 2, 0, &fault->lba_last);
}

static bool parse_selector(Fault *fault, char *text) {
        char *value = strchr(text, '=');
        uint64_t opcode;

        if (!value)
                return false;
        *value++ = '\0';
        if (strcmp(text, "lba") == 0)
                return parse_blocks(fault, value);
        if (strcmp(text, "nth") == 0)
                return parse_number(value, 10, &fault->nth);
        if (strcmp(text, "times") == 0 && strcmp(value, "always") == 0) {
                fault->n_left = UINT64_MAX;
                return true;
        }
        if (strcmp(text, "times") == 0)
                return parse_number(value, 10, &fault->n_left);
        if (strcmp(text, "for-ms") == 0) {
                fault->n_left = UINT64_MAX;
                return parse_number(value, 10, &fault->for_ms);
        }
        if (strcmp(text, "opcode") != 0 || !parse_number(value, 16, &opcode) || opcode > UINT8_MAX)
                return false;
        fault->has_opcode = true;
        fault->opcode = (uint8_t) opcode;
        return true;
}

bool fault_plan_add(FaultPlan *plan, const char *text) {
        Fault fault = { .nth = 1, .n_left = 1 };
        char copy[256], *rest = copy, *part;

        if (plan->n_faults == FAULTS_MAX || strlen(text) >= sizeof(copy))
                return false;
        strcpy(copy, text);
        if (!parse_kind(&fault, strsep(&rest, ",")))
                return false;
        while ((part = strsep(&rest, ",")))
                if (!parse_selector(&fault, part))
                        return false;
        plan->faults[plan->n_faults++] = fault;
        return true;
}

/* These are carried out whatever the unit has to tell (SPC-4, 5.14), unless it is asked for. */
static bool is_exempt(const Fault *fault, uint8_t opcode) {
        return fault->kind == FAULT_SENSE && !fault->has_opcode &&
               (opcode == OPCODE_INQUIRY || opcode == OPCODE_REQUEST_SENSE ||
                opcode == OPCODE_REPORT_LUNS);
}

static bool fits(const Fault *fault, const FaultOccasion *occasion) {
        if (fault->has_opcode && fault->opcode != occasion->opcode)
                return false;
        if (fault->has_lba &&
            (occasion->n_blocks == 0 || fault->lba_first >= occasion->lba + occasion->n_blocks ||
             fault->lba_last < occasion->lba))
                return false;
        return !is_exempt(fault, occasion->opcode);
}

static bool strikes(Fault *fault) {
        fault->n_fitted++;
        if (fault->n_fitted < fault->nth || fault->n_left == 0)
                return false;
        if (fault->for_ms > 0 && fault->struck_ms > 0 &&
            now_ms() - fault->struck_ms >= fault->for_ms)
                return false;
        if (fault->struck_ms == 0)
                fault->struck_ms = now_ms();
        if (fault->n_left != UINT64_MAX)
                fault->n_left--;
        return true;
}

const Fault *fault_plan_take(FaultPlan *plan, FaultKind kind, const FaultOccasion *occasion) {
        for (size_t i = 0; i < plan->n_faults; i++) {
                Fault *fault = &plan->faults[i];

                if (fault->kind != kind || !fits(fault, occasion) || !strikes(fault))
                        continue;
                printf("struck: %s at command %02x, block %" PRIu64 "\n", fault_names[kind].name,
                       occasion->opcode, occasion->lba);
                return fault;
        }
        return NULL;
}
