#pragma once

/*
 * A processor above a scripted transport, and commands whose order of completion is noted: what the
 * programs that test it begin with.
 */

#include <stdio.h>
#include <string.h>

#include "scripted_transport.h"
#include "scsi/scsi_processor.h"
#include "unit_test.h"

#define COMMANDS_MAX 32
#define TIMEOUT_NS (30 * NS_PER_S)

typedef struct Fixture {
        ScriptedTransport scripted;
        ScsiProcessor *processor;
        ScsiTarget *target;
        ScsiCommand commands[COMMANDS_MAX];
        size_t n_commands;
        size_t n_done;
        size_t done[COMMANDS_MAX]; /* indices in the order of completion */
        bool is_submitting;
} Fixture;

static Fixture fixture;

static inline void set_up_table(const ScriptedAnswer *answers, size_t n_answers) {
        fixture = (Fixture){ 0 };
        scripted_transport_init(&fixture.scripted, answers, n_answers);
}

static inline void start_with(unsigned n_in_flight_max, const ScsiProcessorOptions *options) {
        fixture.scripted.transport.n_in_flight_max = n_in_flight_max;
        ck_assert_int_eq(scsi_processor_new(&fixture.processor, &fixture.scripted.transport,
                                            options),
                         0);
        fixture.target = scsi_processor_get_target(fixture.processor);
}

static inline void start(unsigned n_in_flight_max) { start_with(n_in_flight_max, NULL); }

static inline void finish(void) {
        scripted_transport_run(&fixture.scripted);
        ck_assert_uint_eq(fixture.n_done, fixture.n_commands);
        ck_assert(scsi_processor_is_idle(fixture.processor));
        ck_assert(scsi_processor_is_drained(fixture.processor));
        scsi_processor_free(fixture.processor);
        scripted_transport_done(&fixture.scripted);
}

static inline void on_done(ScsiCommand *command) {
        ck_assert(!fixture.is_submitting);
        ck_assert_int_eq(command->state, SCSI_COMMAND_STATE_IDLE);
        fixture.done[fixture.n_done++] = (size_t) (command - fixture.commands);
}

static inline ScsiCommand *prepare(uint8_t lun, uint64_t timeout_ns) {
        ScsiCommand *command = &fixture.commands[fixture.n_commands++];

        ck_assert_uint_le(fixture.n_commands, COMMANDS_MAX);
        scsi_command_init(command, lun, event_loop_now_ns(fixture.target->loop) + timeout_ns);
        scsi_command_test_unit_ready(command);
        command->done = on_done;
        return command;
}

static inline ScsiCommand *submit(ScsiCommand *command) {
        fixture.is_submitting = true;
        scsi_target_submit(fixture.target, command);
        fixture.is_submitting = false;
        return command;
}

static inline ScsiCommand *submit_ready(uint8_t lun) { return submit(prepare(lun, TIMEOUT_NS)); }

static inline void expect_order(const char *expected) {
        char text[4 * COMMANDS_MAX] = "";

        for (size_t i = 0; i < fixture.n_done; i++)
                snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%zu",
                         i > 0 ? " " : "", fixture.done[i]);
        ck_assert_str_eq(text, expected);
}
