/* The classification as a table of its own, and total over everything that sense can say. */

#include "base/macros.h"
#include "error/error_action.h"
#include "unit_test.h"

typedef struct ActionCase {
        const char *what;
        ScsiResult result;
        uint32_t sense; /* 0xKKAAQQ */
        bool is_deferred;
        ErrorAction fixed;
        ErrorAction removable;
} ActionCase;

#define OUTCOME(result, action) \
        { #result, SCSI_RESULT_##result, 0, false, ERROR_ACTION_##action, ERROR_ACTION_##action }
#define SENSE(what, sense, action)                                                      \
        {                                                                               \
                what, SCSI_RESULT_CHECK_CONDITION, sense, false, ERROR_ACTION_##action, \
                                ERROR_ACTION_##action                                   \
        }
#define SENSE_OF(what, sense, fixed, removable)                                        \
        {                                                                              \
                what, SCSI_RESULT_CHECK_CONDITION, sense, false, ERROR_ACTION_##fixed, \
                                ERROR_ACTION_##removable                               \
        }
#define DEFERRED(what, sense, action)                                                  \
        {                                                                              \
                what, SCSI_RESULT_CHECK_CONDITION, sense, true, ERROR_ACTION_##action, \
                                ERROR_ACTION_##action                                  \
        }

static const ActionCase action_cases[] = {
        OUTCOME(GOOD, SUCCEED),
        OUTCOME(BUSY, RETRY_LATER),
        OUTCOME(RESERVED, FAIL),
        OUTCOME(TRANSPORT_ERROR, RECOVER),
        OUTCOME(TIMED_OUT, RECOVER),
        OUTCOME(NO_MEMORY, FAIL),
        OUTCOME(CANCELLED, FAIL),
        OUTCOME(GONE, GONE),

        SENSE("no sense", 0x000000, RETRY_NOW),
        SENSE("ATA information", 0x00001D, RETRY_NOW),
        SENSE("recovered", 0x011700, SUCCEED),
        SENSE("failure predicted", 0x015D00, SUCCEED),
        SENSE("not ready, nobody knows why", 0x020400, RETRY_SLOWLY),
        SENSE("becoming ready", 0x020401, RETRY_LATER),
        SENSE("start required", 0x020402, WAKE),
        SENSE("a hand required", 0x020403, FAIL),
        SENSE("format in progress", 0x020404, RETRY_LATER),
        SENSE("long write in progress", 0x020408, RETRY_LATER),
        SENSE("self-test in progress", 0x020409, RETRY_LATER),
        SENSE("notify required", 0x020411, RETRY_LATER),
        SENSE("space allocation in progress", 0x020414, RETRY_LATER),
        SENSE("start in progress", 0x02041A, RETRY_LATER),
        SENSE("configuration in progress", 0x02041D, RETRY_LATER),
        SENSE("rebuild in progress", 0x020405, RETRY_LATER),
        SENSE("recalculation in progress", 0x020406, RETRY_LATER),
        SENSE("operation in progress", 0x020407, RETRY_LATER),
        SENSE("access state transition", 0x02040A, RETRY_LATER),
        SENSE("standby port", 0x02040B, FAIL),
        SENSE("unavailable port", 0x02040C, FAIL),
        SENSE("security session in progress", 0x02040E, RETRY_LATER),
        SENSE("offline", 0x020412, FAIL),
        SENSE("SA creation in progress", 0x020413, RETRY_LATER),
        SENSE("sanitize in progress", 0x02041B, RETRY_LATER),
        SENSE("power not granted yet", 0x02041C, RETRY_LATER),
        SENSE("depopulation in progress", 0x020424, RETRY_LATER),
        SENSE("restoration in progress", 0x020425, RETRY_LATER),
        SENSE("power cycle required", 0x020422, FAIL),
        SENSE("does not respond to selection", 0x020500, RETRY_SLOWLY),
        SENSE("drive not reached", 0x020800, RETRY_SLOWLY),
        SENSE("not self-configured yet", 0x023E00, RETRY_LATER),
        SENSE("failed self-configuration", 0x024C00, RETRY_SLOWLY),
        SENSE("vendor's not ready", 0x028001, FAIL),
        SENSE_OF("no medium", 0x023A00, FAIL, MEDIUM_CHANGED),
        SENSE_OF("no medium, tray open", 0x023A02, FAIL, MEDIUM_CHANGED),
        SENSE("write error", 0x030C00, RETRY_NOW),
        SENSE("unrecovered read", 0x031100, FAIL),
        SENSE("unrecovered read, auto-reallocation failed", 0x031104, FAIL),
        SENSE("no record", 0x031401, FAIL),
        SENSE("no address mark", 0x031300, FAIL),
        SENSE("no seek complete", 0x030200, RETRY_NOW),
        SENSE("incompatible medium", 0x033000, FAIL),
        SENSE("medium format corrupted", 0x033100, FAIL),
        SENSE("no spare blocks left", 0x033200, FAIL),
        SENSE("no table of contents", 0x035700, FAIL),
        SENSE("copy protection", 0x036F00, FAIL),
        SENSE("hardware", 0x044400, RETRY_SLOWLY),
        SENSE("a failure without sense", 0x040000, RETRY_SLOWLY),
        SENSE("drive not reached", 0x040800, RETRY_SLOWLY),
        SENSE("no spare blocks left, hardware", 0x043200, FAIL),
        SENSE("failed its self-test", 0x043E03, FAIL),
        SENSE("timeout on the unit", 0x043E02, RETRY_SLOWLY),
        SENSE("broken component", 0x044081, FAIL),
        SENSE("failure predicted, hardware", 0x045D10, FAIL),
        SENSE("unknown command", 0x052000, FAIL),
        SENSE("LBA out of range", 0x052100, FAIL),
        SENSE_OF("medium may have changed", 0x062800, RETRY_FREELY, MEDIUM_CHANGED),
        SENSE("power on or reset", 0x062900, RETRY_FREELY),
        SENSE("bus reset", 0x062902, RETRY_FREELY),
        SENSE("modes changed", 0x062A01, RETRY_FREELY),
        SENSE_OF("capacity changed", 0x062A09, RETRY_FREELY, MEDIUM_CHANGED),
        SENSE_OF("medium went", 0x063A00, RETRY_FREELY, MEDIUM_CHANGED),
        SENSE("units changed", 0x063F0E, RETRY_FREELY),
        SENSE("commands cleared by another initiator", 0x062F00, RETRY_FREELY),
        SENSE("reservations released", 0x062A04, RETRY_FREELY),
        SENSE("removal requested", 0x065A01, RETRY_FREELY),
        SENSE("space is becoming short", 0x063807, RETRY_FREELY),
        SENSE("microcode changed", 0x063F01, RETRY_FREELY),
        SENSE("write protected", 0x072700, FAIL),
        SENSE("space allocation failed", 0x072707, FAIL),
        SENSE("blank", 0x080000, FAIL),
        SENSE("vendor specific", 0x098000, FAIL),
        SENSE("copy aborted", 0x0A0000, FAIL),
        SENSE("aborted", 0x0B0000, RETRY_NOW),
        SENSE("drive not reached, aborted", 0x0B0800, RETRY_SLOWLY),
        SENSE("data phase error", 0x0B4B00, RETRY_NOW),
        SENSE("CRC error on the way", 0x0B4703, RETRY_NOW),
        SENSE("protection information", 0x0B1001, FAIL),
        SENSE("no time for it", 0x0B2E01, FAIL),
        SENSE("overflow", 0x0D0000, FAIL),
        SENSE("miscompare", 0x0E1D00, FAIL),
        SENSE("completed", 0x0F0000, SUCCEED),
        DEFERRED("a deferred write error", 0x030C00, RETRY_NOW),
        DEFERRED("a deferred illegal request", 0x052000, RETRY_NOW),
};

static ScsiSense make_sense(uint32_t sense, bool is_deferred) {
        return (ScsiSense){
                .key = sense >> 16,
                .asc = (uint8_t) (sense >> 8),
                .ascq = (uint8_t) sense,
                .is_deferred = is_deferred,
        };
}

START_TEST(outcomes_have_their_action) {
        const ActionCase *c = &action_cases[_i];
        ScsiSense sense = make_sense(c->sense, c->is_deferred);
        ErrorAction fixed = error_action_classify(c->result, &sense, /* is_removable= */ false);
        ErrorAction removable = error_action_classify(c->result, &sense, /* is_removable= */ true);

        ck_assert_msg(fixed == c->fixed, "%s: %s", c->what, error_action_to_string(fixed));
        ck_assert_msg(removable == c->removable, "%s, removable: %s", c->what,
                      error_action_to_string(removable));
}
END_TEST

START_TEST(all_sense_has_an_action) {
        unsigned n_wrong = 0;

        for (uint32_t i = 0; i < UINT32_C(0x100000); i++) {
                ScsiSense sense = make_sense(i, false);
                ErrorAction action =
                                error_action_classify(SCSI_RESULT_CHECK_CONDITION, &sense, i & 1);

                /* Sense is an answer: it never calls for a reset, nor ends a device. */
                n_wrong += action >= _ERROR_ACTION_MAX || action == ERROR_ACTION_RECOVER ||
                           action == ERROR_ACTION_GONE;
        }
        ck_assert_uint_eq(n_wrong, 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("error_action");
        TCase *tcase = tcase_create("error_action");

        tcase_add_loop_test(tcase, outcomes_have_their_action, 0, N_ELEMENTS(action_cases));
        tcase_add_test(tcase, all_sense_has_an_action);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
