#pragma once

/*
 * ScriptedTransport
 *
 * A Transport that answers from a table, on a virtual event loop of its own: the first entry whose
 * command matches, and that was not used up, is the answer. What matches none fails as an unknown
 * command does. REQUEST SENSE gets the sense of what failed last. What was carried is written down
 * as text, so that a test compares dialogues with one string.
 */

#include "base/virtual_event_loop.h"
#include "scsi/scsi_command.h"

#define SCRIPTED_ANSWERS_MAX 48
#define SCRIPTED_SLOTS_MAX 4
#define SCRIPTED_TRACE_SIZE 8192

typedef struct ScriptedAnswer {
        uint8_t command[SCSI_CDB_SIZE_MAX]; /* the command block must begin with these */
        size_t command_size;
        bool has_lun;
        uint8_t lun;
        unsigned n_times; /* how often it is given; 0: always */

        bool hangs;             /* until its deadline */
        TransportResult result; /* FAILED without sense: the device has none */
        uint32_t sense;         /* 0xKKAAQQ; 0: none. Makes the result FAILED */
        bool is_deferred;
        const uint8_t *sense_bytes; /* instead, as they are; makes the result FAILED */
        size_t sense_bytes_size;
        bool has_sense_at_once; /* it comes with the status, as over UAS */
        const void *data;       /* NULL: all that was asked for, zeroes */
        size_t size;
        bool is_empty; /* no data */
        uint64_t delay_ns;
} ScriptedAnswer;

/* The command's first bytes as arguments. */
#define SCRIPTED(...) .command = { __VA_ARGS__ }, .command_size = sizeof((uint8_t[]){ __VA_ARGS__ })
#define SCRIPTED_DATA(array) .data = (array), .size = sizeof(array)

typedef struct ScriptedSlot {
        TransportRequest *request; /* borrowed; NULL: free */
        EventTimer timer;
        TransportResult result;
} ScriptedSlot;

typedef struct ScriptedTransport {
        Transport transport; /* hand out &scripted.transport */
        EventLoop *loop;     /* owned, or that of the one beside it */
        bool is_beside;
        const ScriptedAnswer *answers;
        size_t n_answers;
        unsigned n_used[SCRIPTED_ANSWERS_MAX];
        ScriptedSlot slots[SCRIPTED_SLOTS_MAX];
        uint8_t sense[32];
        size_t sense_size; /* 0: there is none to be asked for */

        size_t n_commands;      /* also those that recoveries count as */
        size_t failing_command; /* counted from 1; 0: none. REQUEST SENSE counts too */
        bool fails_for_ever;
        TransportResult failure;
        int submit_error; /* what submit returns for the failing command instead, if not 0 */

        int recover_errors[_TRANSPORT_RECOVERY_MAX];
        uint64_t recover_ns;                        /* how long each takes */
        bool is_healed_by[_TRANSPORT_RECOVERY_MAX]; /* ends the failures above */

        size_t n_in_flight_peak;
        size_t last_size; /* of the data that was asked for last */
        char trace[SCRIPTED_TRACE_SIZE];
} ScriptedTransport;

void scripted_transport_init(ScriptedTransport *scripted, const ScriptedAnswer *answers,
                             size_t n_answers);
/* On the loop of `other`, which must outlive it. */
void scripted_transport_init_beside(ScriptedTransport *scripted, const ScriptedTransport *other,
                                    const ScriptedAnswer *answers, size_t n_answers);
/* Everything above it is gone already. */
void scripted_transport_done(ScriptedTransport *scripted);
/* Adds to the dialogue; `lun` negative or 0: without one. */
void scripted_transport_note(ScriptedTransport *scripted, const char *what, int lun);
/* Asserts that the dialogue since the last call was this, and forgets it. */
void scripted_transport_expect(ScriptedTransport *scripted, const char *trace);
void scripted_transport_run(ScriptedTransport *scripted);
void scripted_transport_run_for(ScriptedTransport *scripted, uint64_t duration_ns);

#define scripted_transport_init_table(scripted, table) \
        scripted_transport_init(scripted, table, N_ELEMENTS(table))
