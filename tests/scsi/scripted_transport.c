/* A transport that answers from a table; see its header. */

#include "scripted_transport.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SENSE_SIZE 18
#define SENSE_UNKNOWN_COMMAND 0x052000

void scripted_transport_note(ScriptedTransport *scripted, const char *what, int lun) {
        size_t length = strlen(scripted->trace);
        char suffix[12] = "";

        if (lun > 0)
                snprintf(suffix, sizeof(suffix), ".%d", lun);
        snprintf(scripted->trace + length, sizeof(scripted->trace) - length, "%s%s%s",
                 length > 0 ? ", " : "", what, suffix);
}

static bool scripted_transport_matches(const ScriptedAnswer *answer,
                                       const TransportRequest *request) {
        return memcmp(answer->command, request->command, answer->command_size) == 0 &&
               (!answer->has_lun || answer->lun == request->lun);
}

static const ScriptedAnswer *scripted_transport_find(ScriptedTransport *scripted,
                                                     const TransportRequest *request) {
        static const ScriptedAnswer unknown = { .sense = SENSE_UNKNOWN_COMMAND };

        for (size_t i = 0; i < scripted->n_answers; i++) {
                const ScriptedAnswer *answer = &scripted->answers[i];

                if (!scripted_transport_matches(answer, request) ||
                    (answer->n_times > 0 && scripted->n_used[i] >= answer->n_times))
                        continue;
                scripted->n_used[i]++;
                return answer;
        }
        return &unknown;
}

static void scripted_transport_set_sense(ScriptedTransport *scripted,
                                         const ScriptedAnswer *answer) {
        scripted->sense_size = answer->sense != 0 ? SENSE_SIZE : answer->sense_bytes_size;
        memset(scripted->sense, 0, sizeof(scripted->sense));
        if (answer->sense_bytes) {
                memcpy(scripted->sense, answer->sense_bytes, answer->sense_bytes_size);
                return;
        }
        scripted->sense[0] = answer->is_deferred ? 0x71 : 0x70;
        scripted->sense[2] = (uint8_t) (answer->sense >> 16);
        scripted->sense[7] = 10;
        scripted->sense[12] = (uint8_t) (answer->sense >> 8);
        scripted->sense[13] = (uint8_t) answer->sense;
}

static void scripted_transport_fill(TransportRequest *request, const void *data, size_t size) {
        memset(request->data, 0, request->size);
        memcpy(request->data, data, MIN(size, request->size));
        request->actual_size = MIN(size, request->size);
}

static TransportResult scripted_transport_answer(ScriptedTransport *scripted,
                                                 TransportRequest *request,
                                                 const ScriptedAnswer *answer) {
        request->actual_size = 0;
        if (answer->result == TRANSPORT_RESULT_FAILED || answer->sense != 0 ||
            answer->sense_bytes) {
                scripted_transport_set_sense(scripted, answer);
                if (answer->has_sense_at_once) {
                        request->sense_size = scripted->sense_size ?: SENSE_SIZE;
                        memcpy(request->sense, scripted->sense, request->sense_size);
                }
                return TRANSPORT_RESULT_FAILED;
        }
        if (answer->result != TRANSPORT_RESULT_GOOD)
                return answer->result;

        if (answer->is_empty)
                return TRANSPORT_RESULT_GOOD;
        if (request->direction == TRANSPORT_DIRECTION_IN && answer->data)
                scripted_transport_fill(request, answer->data, answer->size);
        else
                request->actual_size = request->size;
        return TRANSPORT_RESULT_GOOD;
}

static void scripted_transport_on_timer(EventTimer *timer) {
        ScriptedSlot *slot = container_of(timer, ScriptedSlot, timer);
        TransportRequest *request = slot->request;

        slot->request = NULL;
        request->result = slot->result;
        request->done(request);
}

static bool scripted_transport_is_failing(const ScriptedTransport *scripted) {
        if (scripted->failing_command == 0)
                return false;
        return scripted->fails_for_ever ? scripted->n_commands >= scripted->failing_command
                                        : scripted->n_commands == scripted->failing_command;
}

static void scripted_transport_start_slot(ScriptedTransport *scripted, ScriptedSlot *slot,
                                          TransportRequest *request) {
        uint64_t now_ns = event_loop_now_ns(scripted->loop);
        bool is_sense = request->command[0] == SCSI_OPCODE_REQUEST_SENSE;
        const ScriptedAnswer *answer;
        uint64_t when_ns = now_ns;
        bool hangs = false;

        slot->request = request;
        scripted->last_size = request->size;
        if (scripted_transport_is_failing(scripted)) {
                slot->result = scripted->failure;
                hangs = scripted->failure == TRANSPORT_RESULT_TIMED_OUT;
                if (scripted->failure == TRANSPORT_RESULT_FAILED)
                        scripted->sense_size = 0;
        } else if (is_sense && scripted->sense_size > 0) {
                scripted_transport_fill(request, scripted->sense, scripted->sense_size);
                scripted->sense_size = 0;
                slot->result = TRANSPORT_RESULT_GOOD;
        } else {
                answer = scripted_transport_find(scripted, request);
                hangs = answer->hangs || now_ns + answer->delay_ns > request->deadline_ns;
                when_ns += answer->delay_ns;
                slot->result = hangs ? TRANSPORT_RESULT_TIMED_OUT
                                     : scripted_transport_answer(scripted, request, answer);
        }
        event_timer_set(&slot->timer, hangs ? request->deadline_ns : when_ns);
}

static int scripted_transport_submit(Transport *transport, TransportRequest *request) {
        ScriptedTransport *scripted = container_of(transport, ScriptedTransport, transport);
        size_t n_in_flight = 0;
        ScriptedSlot *slot = NULL;

        for (size_t i = 0; i < transport->n_in_flight_max; i++) {
                if (scripted->slots[i].request)
                        n_in_flight++;
                else if (!slot)
                        slot = &scripted->slots[i];
        }
        ck_assert_msg(slot, "more in flight than the transport takes");
        ck_assert_uint_gt(request->deadline_ns, event_loop_now_ns(scripted->loop));
        scripted->n_in_flight_peak = MAX(scripted->n_in_flight_peak, n_in_flight + 1);

        scripted->n_commands++;
        scripted_transport_note(scripted, scsi_cdb_name(request->command, request->command_size),
                                request->lun);
        if (scripted->submit_error < 0 && scripted_transport_is_failing(scripted))
                return scripted->submit_error;
        scripted_transport_start_slot(scripted, slot, request);
        return 0;
}

static void scripted_transport_cancel(Transport *transport, TransportRequest *request) {
        ScriptedTransport *scripted = container_of(transport, ScriptedTransport, transport);

        for (size_t i = 0; i < SCRIPTED_SLOTS_MAX; i++) {
                ScriptedSlot *slot = &scripted->slots[i];

                if (slot->request != request)
                        continue;
                slot->result = TRANSPORT_RESULT_CANCELLED;
                event_timer_set(&slot->timer, event_loop_now_ns(scripted->loop));
        }
}

static int scripted_transport_recover(Transport *transport, Task *task, TransportRecovery recovery,
                                      uint8_t lun) {
        ScriptedTransport *scripted = container_of(transport, ScriptedTransport, transport);

        for (size_t i = 0; i < SCRIPTED_SLOTS_MAX; i++)
                ck_assert_msg(!scripted->slots[i].request, "a recovery under a request in flight");
        if (scripted->recover_errors[recovery] == -EOPNOTSUPP)
                return -EOPNOTSUPP;

        scripted_transport_note(scripted, transport_recovery_to_string(recovery), lun);
        if (task_sleep(task, scripted->recover_ns) < 0)
                return -ECANCELED;
        if (scripted->is_healed_by[recovery])
                scripted->failing_command = 0;
        return scripted->recover_errors[recovery];
}

static const TransportOps scripted_transport_ops = {
        .submit = scripted_transport_submit,
        .cancel = scripted_transport_cancel,
        .recover = scripted_transport_recover,
};

static void scripted_transport_init_on(ScriptedTransport *scripted, EventLoop *loop,
                                       const ScriptedAnswer *answers, size_t n_answers) {
        ck_assert_uint_le(n_answers, SCRIPTED_ANSWERS_MAX);

        *scripted = (ScriptedTransport){
                .answers = answers,
                .n_answers = n_answers,
                .loop = loop,
                .recover_ns = 10 * NS_PER_MS,
                .recover_errors = { [TRANSPORT_RECOVERY_LUN_RESET] = -EOPNOTSUPP },
        };
        scripted->transport = (Transport){
                .ops = &scripted_transport_ops,
                .loop = scripted->loop,
                .staging = staging_heap(),
                .name = "scripted",
                .n_in_flight_max = 1,
                .transfer_size_max = 120 * KIB,
        };
        for (size_t i = 0; i < SCRIPTED_SLOTS_MAX; i++)
                ck_assert_int_eq(event_timer_init(&scripted->slots[i].timer, scripted->loop,
                                                  scripted_transport_on_timer),
                                 0);
}

void scripted_transport_init(ScriptedTransport *scripted, const ScriptedAnswer *answers,
                             size_t n_answers) {
        EventLoop *loop;

        ck_assert_int_eq(virtual_event_loop_new(&loop), 0);
        scripted_transport_init_on(scripted, loop, answers, n_answers);
}

void scripted_transport_init_beside(ScriptedTransport *scripted, const ScriptedTransport *other,
                                    const ScriptedAnswer *answers, size_t n_answers) {
        scripted_transport_init_on(scripted, other->loop, answers, n_answers);
        scripted->is_beside = true;
}

void scripted_transport_done(ScriptedTransport *scripted) {
        for (size_t i = 0; i < SCRIPTED_SLOTS_MAX; i++) {
                ck_assert_ptr_null(scripted->slots[i].request);
                event_timer_done(&scripted->slots[i].timer);
        }
        scripted->loop = scripted->is_beside ? NULL : event_loop_free(scripted->loop);
}

void scripted_transport_expect(ScriptedTransport *scripted, const char *trace) {
        ck_assert_str_eq(scripted->trace, trace);
        scripted->trace[0] = '\0';
}

void scripted_transport_run(ScriptedTransport *scripted) {
        ck_assert_int_ge(virtual_event_loop_run_until(scripted->loop, UINT64_MAX), 0);
}

void scripted_transport_run_for(ScriptedTransport *scripted, uint64_t duration_ns) {
        uint64_t until_ns = event_loop_now_ns(scripted->loop) + duration_ns;

        ck_assert_int_ge(virtual_event_loop_run_until(scripted->loop, until_ns), 0);
}
