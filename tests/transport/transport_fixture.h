#pragma once

/*
 * TransportFixture
 *
 * A transport on a scripted USB device, with one request at a time; and the CSWs that the scripts of
 * BOT send.
 */

#include "scripted_usb.h"
#include "transport/bot_transport.h"
#include "transport/cbi_transport.h"
#include "transport/uas_transport.h"

#define TRANSPORT_FIXTURE_DATA_SIZE 512
#define TRANSPORT_FIXTURE_TIMEOUT_NS (10 * NS_PER_S)
#define TRANSPORT_FIXTURE_TASK_PENDING 1000

/* The tag is the script's business: 0 where it is filled in. */
#define BOT_CSW_BYTES(signature, tag, residue, status)                                        \
        {                                                                                     \
                (signature) & 0xFF, ((signature) >> 8) & 0xFF, ((signature) >> 16) & 0xFF,    \
                                ((signature) >> 24) & 0xFF, (tag) &0xFF, ((tag) >> 8) & 0xFF, \
                                ((tag) >> 16) & 0xFF, ((tag) >> 24) & 0xFF, (residue) &0xFF,  \
                                ((residue) >> 8) & 0xFF, ((residue) >> 16) & 0xFF,            \
                                ((residue) >> 24) & 0xFF, (status)                            \
        }

typedef struct TransportFixture {
        ScriptedUsb usb;
        Transport *transport; /* owned */
        TransportRequest request;
        uint8_t data[64 * KIB];
        unsigned n_done;
        bool is_submitting; /* `done` must not be called meanwhile */
        int task_result;
} TransportFixture;

/* `steps` end with an empty one. */
void transport_fixture_init_bot(TransportFixture *fixture, BotMode mode, const UsbStep *steps);
/* `protocol`: CBI or CB; the interrupt endpoint's packets have `packet_size` bytes. */
void transport_fixture_init_cbi(TransportFixture *fixture, UsbStorageProtocol protocol,
                                uint8_t subclass, uint16_t packet_size, const UsbStep *steps);
/* With streams, if the speed is SuperSpeed; `n_tags` with that of task management. `has_bulk_only`: at
 * alternate setting 0 of two. It is not started. */
void transport_fixture_init_uas(TransportFixture *fixture, UsbSpeed speed, unsigned n_tags,
                                bool has_bulk_only, const UsbStep *steps);
void transport_fixture_continue(TransportFixture *fixture, const UsbStep *steps);
void transport_fixture_done(TransportFixture *fixture);

/* Sends a command, with the fixture's data filled with FFh; it must be accepted. */
void transport_fixture_submit(TransportFixture *fixture, TransportDirection direction, size_t size);
/* Plays the script to its end; then the request must have completed, once. */
void transport_fixture_run(TransportFixture *fixture);
/* Both. */
TransportResult transport_fixture_execute(TransportFixture *fixture, TransportDirection direction,
                                          size_t size);
/* Starts `main` as a task with the fixture as userdata; its result will be in `task_result`. */
Task *transport_fixture_start_task(TransportFixture *fixture, TaskMain main);
/* The same, to the script's end; returns its result. */
int transport_fixture_run_task(TransportFixture *fixture, TaskMain main);
