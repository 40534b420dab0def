#pragma once

/*
 * BotFixture
 *
 * A BotTransport on a scripted USB device, with one request at a time; and the CSWs that the
 * scripts send.
 */

#include "scripted_usb.h"
#include "transport/bot_transport.h"

#define BOT_FIXTURE_DATA_SIZE 512
#define BOT_FIXTURE_TIMEOUT_NS (10 * NS_PER_S)
#define BOT_FIXTURE_TASK_PENDING 1000

/* The tag is the script's business: 0 where it is filled in. */
#define BOT_CSW_BYTES(signature, tag, residue, status)                                        \
        {                                                                                     \
                (signature) & 0xFF, ((signature) >> 8) & 0xFF, ((signature) >> 16) & 0xFF,    \
                                ((signature) >> 24) & 0xFF, (tag) &0xFF, ((tag) >> 8) & 0xFF, \
                                ((tag) >> 16) & 0xFF, ((tag) >> 24) & 0xFF, (residue) &0xFF,  \
                                ((residue) >> 8) & 0xFF, ((residue) >> 16) & 0xFF,            \
                                ((residue) >> 24) & 0xFF, (status)                            \
        }

typedef struct BotFixture {
        ScriptedUsb usb;
        Transport *transport; /* owned */
        TransportRequest request;
        uint8_t data[64 * KIB];
        unsigned n_done;
        bool is_submitting; /* `done` must not be called meanwhile */
        int task_result;
} BotFixture;

/* `steps` end with an empty one. */
void bot_fixture_init(BotFixture *fixture, BotMode mode, const UsbStep *steps);
void bot_fixture_continue(BotFixture *fixture, const UsbStep *steps);
void bot_fixture_done(BotFixture *fixture);

/* Sends a command, with the fixture's data filled with FFh; it must be accepted. */
void bot_fixture_submit(BotFixture *fixture, TransportDirection direction, size_t size);
/* Plays the script to its end; then the request must have completed, once. */
void bot_fixture_run(BotFixture *fixture);
/* Both. */
TransportResult bot_fixture_execute(BotFixture *fixture, TransportDirection direction, size_t size);
/* Starts `main` as a task with the fixture as userdata; its result will be in `task_result`. */
Task *bot_fixture_start_task(BotFixture *fixture, TaskMain main);
/* The same, to the script's end; returns its result. */
int bot_fixture_run_task(BotFixture *fixture, TaskMain main);
