/*
 * The plan of what a simulated device does wrong. One table names the kinds and says what each of
 * them takes; the parser, the choice and the error messages all live from it.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "simulator/simulator_fault.h"
#include "simulator/simulator_text.h"

typedef enum ArgumentType {
        ARGUMENT_NONE,
        ARGUMENT_PHASE,
        ARGUMENT_NUMBER,      /* decimal; optional if the kind has a default */
        ARGUMENT_HEXADECIMAL, /* likewise, one byte */
        ARGUMENT_SENSE,       /* KEY/ASC/ASCQ */
        ARGUMENT_ASC,         /* ASC/ASCQ */
} ArgumentType;

typedef struct KindTraits {
        const char *name;
        ArgumentType argument;
        uint64_t argument_default; /* 0: the argument is mandatory, if there is one */
        bool needs_data;
        bool needs_lba;
        bool is_lasting; /* fires always, if no count is told */
} KindTraits;

static const KindTraits kind_traits[_SIMULATOR_FAULT_KIND_MAX] = {
        [SIMULATOR_FAULT_STALL] = { "stall", ARGUMENT_PHASE },
        [SIMULATOR_FAULT_HANG] = { "hang", ARGUMENT_PHASE },
        [SIMULATOR_FAULT_FREEZE] = { "freeze", ARGUMENT_PHASE },
        [SIMULATOR_FAULT_DISCONNECT] = { "disconnect", ARGUMENT_PHASE },
        [SIMULATOR_FAULT_WIRE_ERROR] = { "wire-error", ARGUMENT_PHASE },
        [SIMULATOR_FAULT_SHORT_DATA] = { "short-data", ARGUMENT_NUMBER, 512, .needs_data = true },
        [SIMULATOR_FAULT_SHORT_DATA_UNTOLD] = { "short-data-untold", ARGUMENT_NUMBER, 512,
                                                .needs_data = true },
        [SIMULATOR_FAULT_BABBLE] = { "babble", .needs_data = true },
        [SIMULATOR_FAULT_DATA_SKIPPED] = { "data-skipped", .needs_data = true },
        [SIMULATOR_FAULT_ZERO_PACKET] = { "zero-packet" },
        [SIMULATOR_FAULT_CSW_MISSING] = { "csw-missing" },
        [SIMULATOR_FAULT_CSW_TAG] = { "csw-tag" },
        [SIMULATOR_FAULT_CSW_SIGNATURE] = { "csw-signature" },
        [SIMULATOR_FAULT_CSW_STATUS] = { "csw-status", ARGUMENT_HEXADECIMAL, 0x03 },
        [SIMULATOR_FAULT_CSW_SIZE] = { "csw-size", ARGUMENT_NUMBER, 12 },
        [SIMULATOR_FAULT_PHASE_ERROR] = { "phase-error" },
        [SIMULATOR_FAULT_SENSE_MISSING] = { "sense-missing" },
        [SIMULATOR_FAULT_RESIDUE] = { "residue", ARGUMENT_NUMBER, 512 },
        [SIMULATOR_FAULT_MEDIUM_ERROR] = { "medium-error", .needs_lba = true, .is_lasting = true },
        [SIMULATOR_FAULT_WRITE_ERROR] = { "write-error", .needs_lba = true, .is_lasting = true },
        [SIMULATOR_FAULT_INFORMATION_MISSING] = { "information-missing", .is_lasting = true },
        [SIMULATOR_FAULT_INFORMATION_WRONG] = { "information-wrong", ARGUMENT_NUMBER,
                                                .is_lasting = true },
        [SIMULATOR_FAULT_SENSE] = { "sense", ARGUMENT_SENSE },
        [SIMULATOR_FAULT_DEFERRED] = { "deferred", ARGUMENT_SENSE },
        [SIMULATOR_FAULT_UNIT_ATTENTION] = { "unit-attention", ARGUMENT_ASC },
        [SIMULATOR_FAULT_NOT_READY] = { "not-ready", ARGUMENT_NUMBER },
        [SIMULATOR_FAULT_DATA_FLIPPED] = { "data-flipped", .needs_data = true },
        [SIMULATOR_FAULT_DATA_FILLED] = { "data-filled", ARGUMENT_HEXADECIMAL, .needs_data = true },
        [SIMULATOR_FAULT_SLOW] = { "slow", ARGUMENT_NUMBER, .is_lasting = true },
        [SIMULATOR_FAULT_RESET] = { "reset" },
        [SIMULATOR_FAULT_MEDIUM_CHANGE] = { "medium-change" },
        [SIMULATOR_FAULT_UNMAP_OVERREACH] = { "unmap-overreach", ARGUMENT_NUMBER, 1,
                                              .is_lasting = true },
        [SIMULATOR_FAULT_EVENT_WRONG] = { "event-wrong", .is_lasting = true },
        [SIMULATOR_FAULT_PORT_RESET_FAILS] = { "port-reset-fails" },
        [SIMULATOR_FAULT_PORT_RESET_GONE] = { "port-reset-gone" },
        [SIMULATOR_FAULT_START_STUCK] = { "start-stuck" },
        [SIMULATOR_FAULT_RESUME_FAILS] = { "resume-fails" },
        [SIMULATOR_FAULT_RESUME_FROZEN] = { "resume-frozen" },
        [SIMULATOR_FAULT_RESUME_GONE] = { "resume-gone" },
        [SIMULATOR_FAULT_RESUME_POWER_CYCLE] = { "resume-power-cycle" },
};

static const char *const phase_names[_SIMULATOR_PHASE_MAX] = {
        [SIMULATOR_PHASE_COMMAND] = "command",
        [SIMULATOR_PHASE_DATA] = "data",
        [SIMULATOR_PHASE_STATUS] = "status",
        [SIMULATOR_PHASE_CONTROL] = "control",
};

const char *simulator_fault_kind_to_string(SimulatorFaultKind kind) {
        assert(kind < _SIMULATOR_FAULT_KIND_MAX);
        return kind_traits[kind].name;
}

const char *simulator_phase_to_string(SimulatorPhase phase) {
        assert(phase < _SIMULATOR_PHASE_MAX);
        return phase_names[phase];
}

static bool kind_from_text(SimulatorText text, SimulatorFaultKind *ret) {
        for (SimulatorFaultKind kind = 0; kind < _SIMULATOR_FAULT_KIND_MAX; kind++)
                if (simulator_text_equals(text, kind_traits[kind].name)) {
                        *ret = kind;
                        return true;
                }
        return false;
}

static bool phase_from_text(SimulatorText text, SimulatorPhase *ret) {
        for (SimulatorPhase phase = 0; phase < _SIMULATOR_PHASE_MAX; phase++)
                if (simulator_text_equals(text, phase_names[phase])) {
                        *ret = phase;
                        return true;
                }
        return false;
}

/* Exactly `n` hexadecimal bytes with '/' between them. */
static bool parse_bytes(SimulatorText text, uint8_t *bytes, size_t n) {
        for (size_t i = 0; i < n; i++) {
                SimulatorText piece, rest;
                uint64_t value;

                bool has_more = simulator_text_split(text, '/', &piece, &rest);
                if (has_more != (i + 1 < n) ||
                    !simulator_text_to_number(piece, 16, 0, UINT8_MAX, &value))
                        return false;
                bytes[i] = (uint8_t) value;
                text = rest;
        }
        return true;
}

static const char *argument_allowed(ArgumentType type) {
        switch (type) {
        case ARGUMENT_NONE:
                return "no argument";
        case ARGUMENT_PHASE:
                return "command, data, status or control";
        case ARGUMENT_NUMBER:
                return "a decimal number from 1 to 4294967295";
        case ARGUMENT_HEXADECIMAL:
                return "a hexadecimal byte";
        case ARGUMENT_SENSE:
                return "KEY/ASC/ASCQ in hexadecimal, as 3/11/00";
        case ARGUMENT_ASC:
                return "ASC/ASCQ in hexadecimal, as 28/00";
        }

        assert_not_reached();
}

static bool parse_argument_value(SimulatorFault *fault, ArgumentType type, SimulatorText text) {
        uint8_t bytes[3];

        switch (type) {
        case ARGUMENT_NONE:
                return false;
        case ARGUMENT_PHASE:
                return phase_from_text(text, &fault->phase);
        case ARGUMENT_NUMBER:
                return simulator_text_to_number(text, 10, 1, UINT32_MAX, &fault->argument);
        case ARGUMENT_HEXADECIMAL:
                return simulator_text_to_number(text, 16, 0, UINT8_MAX, &fault->argument);
        case ARGUMENT_SENSE:
                if (!parse_bytes(text, bytes, 3) || bytes[0] > 0x0F)
                        return false;
                fault->sense_key = bytes[0];
                fault->asc = bytes[1];
                fault->ascq = bytes[2];
                return true;
        case ARGUMENT_ASC:
                if (!parse_bytes(text, bytes, 2))
                        return false;
                fault->asc = bytes[0];
                fault->ascq = bytes[1];
                return true;
        }

        assert_not_reached();
}

static int parse_kind(SimulatorFault *fault, SimulatorText text, char **ret_error) {
        SimulatorText name, argument;

        bool has_argument = simulator_text_split(text, ':', &name, &argument);
        if (!kind_from_text(name, &fault->kind))
                return simulator_text_refuse(
                                ret_error, -EINVAL,
                                "faults: \"%.*s\" is no fault; allowed are stall, hang, freeze, "
                                "disconnect, wire-error (each with :command, :data, :status or "
                                ":control), short-data, short-data-untold, babble, data-skipped, "
                                "zero-packet, csw-missing, csw-tag, csw-signature, csw-status, "
                                "csw-size, phase-error, sense-missing, residue, medium-error, "
                                "write-error, "
                                "information-missing, information-wrong, sense, deferred, "
                                "unit-attention, not-ready, data-flipped, data-filled, "
                                "slow, reset, medium-change, "
                                "unmap-overreach, event-wrong, port-reset-fails, port-reset-gone, "
                                "start-stuck, resume-fails, resume-frozen, resume-gone, "
                                "resume-power-cycle",
                                (int) name.size, name.start);

        const KindTraits *traits = &kind_traits[fault->kind];
        fault->argument = traits->argument_default;
        fault->n_left = traits->is_lasting ? SIMULATOR_FAULT_ALWAYS : 1;
        bool is_optional = traits->argument == ARGUMENT_NONE || traits->argument_default != 0;
        if (!has_argument && is_optional)
                return 0;
        if (!has_argument || !parse_argument_value(fault, traits->argument, argument))
                return simulator_text_refuse(ret_error, -EINVAL,
                                             "faults: %s: \"%.*s\" is wrong; allowed is %s",
                                             traits->name, (int) argument.size, argument.start,
                                             argument_allowed(traits->argument));
        return 0;
}

static bool parse_lba_range(SimulatorFault *fault, SimulatorText value) {
        const char *dots = value.size < 2 ? NULL : memmem(value.start, value.size, "..", 2);
        SimulatorText first = value, last = value;

        if (dots) {
                first.size = (size_t) (dots - value.start);
                last.start = dots + 2;
                last.size = value.size - first.size - 2;
        }
        fault->has_lba = true;
        return simulator_text_to_number(first, 10, 0, UINT64_MAX, &fault->lba_first) &&
               simulator_text_to_number(last, 10, fault->lba_first, UINT64_MAX, &fault->lba_last);
}

static bool parse_cdb_byte(SimulatorFault *fault, SimulatorText value) {
        SimulatorText index_text, byte_text;
        uint64_t index, byte;

        fault->has_cdb_byte = simulator_text_split(value, '/', &index_text, &byte_text) &&
                              simulator_text_to_number(index_text, 10, 0, 15, &index) &&
                              simulator_text_to_number(byte_text, 16, 0, UINT8_MAX, &byte);
        if (!fault->has_cdb_byte)
                return false;
        fault->cdb_index = (uint8_t) index;
        fault->cdb_byte = (uint8_t) byte;
        return true;
}

static bool parse_selector_value(SimulatorFault *fault, SimulatorText key, SimulatorText value) {
        uint64_t number;

        if (simulator_text_equals(key, "nth"))
                return simulator_text_to_number(value, 10, 1, UINT64_MAX, &fault->nth);
        if (simulator_text_equals(key, "every"))
                return simulator_text_to_number(value, 10, 1, UINT64_MAX, &fault->every);
        if (simulator_text_equals(key, "one-in"))
                return simulator_text_to_number(value, 10, 1, UINT64_MAX, &fault->one_in);
        if (simulator_text_equals(key, "longer"))
                return simulator_text_to_number(value, 10, 1, UINT64_MAX, &fault->longer);
        if (simulator_text_equals(key, "over")) {
                fault->over = simulator_text_equals(value, "uas") ? SIMULATOR_PROTOCOL_UAS
                                                                  : SIMULATOR_PROTOCOL_BOT;
                return fault->over == SIMULATOR_PROTOCOL_UAS || simulator_text_equals(value, "bot");
        }
        if (simulator_text_equals(key, "cdb"))
                return parse_cdb_byte(fault, value);
        if (simulator_text_equals(key, "lba"))
                return parse_lba_range(fault, value);
        if (simulator_text_equals(key, "opcode")) {
                fault->has_opcode = simulator_text_to_number(value, 16, 0, UINT8_MAX, &number);
                fault->opcode = fault->has_opcode ? (uint8_t) number : 0;
                return fault->has_opcode;
        }
        if (simulator_text_equals(key, "lun")) {
                fault->has_lun = simulator_text_to_number(value, 10, 0, 15, &number);
                fault->lun = fault->has_lun ? (uint8_t) number : 0;
                return fault->has_lun;
        }
        return false;
}

static int parse_selectors(SimulatorFault *fault, SimulatorText text, char **ret_error) {
        SimulatorText selector;

        while (simulator_text_next(&text, '+', &selector)) {
                SimulatorText key, value;

                simulator_text_split(selector, '=', &key, &value);
                if (!parse_selector_value(fault, key, value))
                        return simulator_text_refuse(
                                        ret_error, -EINVAL,
                                        "faults: selector \"%.*s\" is wrong; allowed are nth=N, "
                                        "every=N, longer=N, one-in=N (from 1), opcode=HEX, "
                                        "lun=0 to 15, cdb=N/HEX, over=bot or uas, "
                                        "lba=A or lba=A..B",
                                        (int) selector.size, selector.start);
        }
        return 0;
}

static int parse_count(SimulatorFault *fault, SimulatorText text, char **ret_error) {
        if (simulator_text_equals(text, "always")) {
                fault->n_left = SIMULATOR_FAULT_ALWAYS;
                return 0;
        }
        if (!simulator_text_to_number(text, 10, 1, UINT32_MAX, &fault->n_left))
                return simulator_text_refuse(ret_error, -EINVAL,
                                             "faults: count \"%.*s\" is wrong; allowed is a number "
                                             "from 1 to 4294967295, or always",
                                             (int) text.size, text.start);
        return 0;
}

static int parse_fault(SimulatorFault *fault, SimulatorText text, char **ret_error) {
        SimulatorText kind, selectors, count;

        *fault = (SimulatorFault){ 0 };

        bool has_count = simulator_text_split(text, '*', &text, &count);
        bool has_selectors = simulator_text_split(text, '@', &kind, &selectors);

        int r = parse_kind(fault, kind, ret_error);
        if (r == 0 && has_selectors)
                r = parse_selectors(fault, selectors, ret_error);
        if (r == 0 && has_count)
                r = parse_count(fault, count, ret_error);
        if (r == 0 && kind_traits[fault->kind].needs_lba && !fault->has_lba)
                r = simulator_text_refuse(ret_error, -EINVAL,
                                          "faults: %s needs a selector lba=A or lba=A..B",
                                          kind_traits[fault->kind].name);
        return r;
}

int simulator_fault_plan_add(SimulatorFaultPlan *plan, const SimulatorFault *fault) {
        assert(plan->n_faults <= SIMULATOR_FAULTS_MAX);
        assert(fault->kind < _SIMULATOR_FAULT_KIND_MAX);

        if (plan->n_faults == SIMULATOR_FAULTS_MAX)
                return -E2BIG;

        plan->faults[plan->n_faults++] = *fault;
        return 0;
}

int simulator_fault_plan_parse(SimulatorFaultPlan *plan, const char *text, char **ret_error) {
        SimulatorText rest = simulator_text(text), piece;
        size_t n_before = plan->n_faults;
        int r = 0;

        *ret_error = NULL;

        while (r == 0 && simulator_text_next(&rest, ';', &piece)) {
                SimulatorFault fault;

                r = parse_fault(&fault, piece, ret_error);
                if (r == 0 && simulator_fault_plan_add(plan, &fault) < 0)
                        r = simulator_text_refuse(ret_error, -E2BIG, "faults: more than %d faults",
                                                  SIMULATOR_FAULTS_MAX);
        }
        if (r < 0)
                plan->n_faults = n_before;
        return r;
}

static bool touches_lba(const SimulatorFault *fault, const SimulatorFaultOccasion *occasion) {
        if (!fault->has_lba)
                return true;
        return occasion->n_blocks > 0 && occasion->lba <= fault->lba_last &&
               occasion->lba + occasion->n_blocks - 1 >= fault->lba_first;
}

/* Chance comes last, so that the dice are cast only where everything else holds. */
static bool fault_holds(const SimulatorFault *fault, const SimulatorFaultOccasion *occasion,
                        Random *random) {
        if (fault->n_left == 0)
                return false;
        if (kind_traits[fault->kind].needs_data && !occasion->has_data)
                return false;
        if (kind_traits[fault->kind].argument == ARGUMENT_PHASE &&
            fault->phase == SIMULATOR_PHASE_DATA && !occasion->has_data)
                return false;
        if (fault->nth != 0 && fault->nth != occasion->nth)
                return false;
        if (fault->every != 0 && (occasion->nth == 0 || occasion->nth % fault->every != 0))
                return false;
        if (fault->has_opcode && fault->opcode != occasion->opcode)
                return false;
        if (fault->has_cdb_byte &&
            (!occasion->cdb || occasion->cdb[fault->cdb_index] != fault->cdb_byte))
                return false;
        if (fault->has_lun && fault->lun != occasion->lun)
                return false;
        if (fault->over != SIMULATOR_PROTOCOL_ANY && fault->over != occasion->over)
                return false;
        if (fault->longer != 0 && occasion->n_blocks <= fault->longer)
                return false;
        if (!touches_lba(fault, occasion))
                return false;
        return fault->one_in == 0 || random_one_in(random, fault->one_in);
}

static void fault_take(SimulatorFault *fault) {
        log_debug("Simulated fault: %s%s%s.", kind_traits[fault->kind].name,
                  kind_traits[fault->kind].argument == ARGUMENT_PHASE ? " in phase " : "",
                  kind_traits[fault->kind].argument == ARGUMENT_PHASE ? phase_names[fault->phase]
                                                                      : "");
        if (fault->n_left != SIMULATOR_FAULT_ALWAYS)
                fault->n_left--;
}

const SimulatorFault *simulator_fault_plan_take(SimulatorFaultPlan *plan, SimulatorFaultKind kind,
                                                SimulatorPhase phase,
                                                const SimulatorFaultOccasion *occasion,
                                                Random *random) {
        for (size_t i = 0; i < plan->n_faults; i++) {
                SimulatorFault *fault = &plan->faults[i];

                if (fault->kind != kind)
                        continue;
                if (kind_traits[kind].argument == ARGUMENT_PHASE && fault->phase != phase)
                        continue;
                if (!fault_holds(fault, occasion, random))
                        continue;
                fault_take(fault);
                return fault;
        }
        return NULL;
}

bool simulator_fault_plan_find_bad_block(SimulatorFaultPlan *plan, SimulatorFaultKind kind,
                                         const SimulatorFaultOccasion *occasion, Random *random,
                                         uint64_t *ret_lba) {
        SimulatorFault *found = NULL;
        uint64_t found_lba = 0;

        for (size_t i = 0; i < plan->n_faults; i++) {
                SimulatorFault *fault = &plan->faults[i];

                if (fault->kind != kind || !fault_holds(fault, occasion, random))
                        continue;
                uint64_t lba = MAX(fault->lba_first, occasion->lba);
                if (!found || lba < found_lba) {
                        found = fault;
                        found_lba = lba;
                }
        }
        if (!found)
                return false;

        fault_take(found);
        *ret_lba = found_lba;
        return true;
}
