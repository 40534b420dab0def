/* See uas_script.h. */

#include <check.h>
#include <stdio.h>

#include "uas_script.h"

static TransportRecovery recovery_to_run;
static uint8_t recovery_lun;

static int run_start(Task *task, void *userdata) {
        TransportFixture *fixture = userdata;

        return transport_start(fixture->transport, task);
}

static int run_recovery(Task *task, void *userdata) {
        TransportFixture *fixture = userdata;

        return transport_recover(fixture->transport, task, recovery_to_run, recovery_lun);
}

/* Whether the step is one in this form. */
static bool adapt_step(UsbStep *step, UasForms form) {
        bool is_ready = step->stream == UAS_SCRIPT_READY;

        if (form == UAS_FORM_HIGH_SPEED)
                step->stream = 0;
        else if (step->stream != 0)
                step->transfer_type = USB_TRANSFER_TYPE_BULK_STREAM;
        return !is_ready || form == UAS_FORM_HIGH_SPEED;
}

static void set_steps(UasScript *script, const UsbStep *steps) {
        size_t n = 0;

        for (size_t i = 0; i < UAS_SCRIPT_STEPS_MAX && steps[i].text; i++) {
                script->steps[n] = steps[i];
                n += adapt_step(&script->steps[n], script->form);
        }
        script->steps[n] = (UsbStep){};
}

void uas_script_init(UasScript *script, UasForms form, const char *name) {
        static const UsbStep high_speed[] = { USB_CLAIM(), {} };
        static const UsbStep super_speed[] = { USB_CLAIM(),
                                               USB_ALLOC_STREAMS(UAS_SCRIPT_TAGS),
                                               {} };
        bool is_super = form == UAS_FORM_SUPER_SPEED;

        fprintf(stderr, "%s, %s\n", name, is_super ? "with streams" : "without streams");
        script->form = form;
        transport_fixture_init_uas(&script->fixture, is_super ? USB_SPEED_SUPER : USB_SPEED_HIGH,
                                   UAS_SCRIPT_TAGS, /* has_bulk_only= */ false,
                                   is_super ? super_speed : high_speed);
        ck_assert_int_eq(transport_fixture_run_task(&script->fixture, run_start), 0);
        ck_assert_uint_eq(script->fixture.transport->n_in_flight_max, UAS_SCRIPT_TAGS - 1);
}

void uas_script_done(UasScript *script) { transport_fixture_done(&script->fixture); }

void uas_script_continue(UasScript *script, const UsbStep *steps) {
        set_steps(script, steps);
        transport_fixture_continue(&script->fixture, script->steps);
}

int uas_script_recover(UasScript *script, TransportRecovery recovery, uint8_t lun) {
        recovery_to_run = recovery;
        recovery_lun = lun;
        return transport_fixture_run_task(&script->fixture, run_recovery);
}
