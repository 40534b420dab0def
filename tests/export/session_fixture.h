#pragma once

/* A session over a socket pair on a memory device in virtual time, and its client. */

#include <check.h>

#include "base/virtual_event_loop.h"
#include "export/nbd_session.h"
#include "memory_block_device.h"

#define FIXTURE_DEVICE_SIZE (1 * MIB)
/* Long enough for everything that is not a timeout. */
#define FIXTURE_MOMENT_NS (100 * NS_PER_MS)

typedef struct SessionFixture {
        EventLoop *loop;
        MemoryBlockDevice *memory;
        NbdSession *session;
        NbdAgreement agreement;
        int client_fd;
        unsigned n_ended;
        uint8_t *replies; /* owned: what came and was not looked at */
        size_t replies_size;
        size_t replies_size_max;
        bool has_end; /* the server closed */
} SessionFixture;

/* One reply or chunk, taken apart. */
typedef struct Reply {
        bool is_structured;
        bool is_done;
        uint16_t type; /* of a chunk */
        uint32_t error;
        uint64_t cookie;
        uint64_t offset;  /* OFFSET_DATA, ERROR_OFFSET */
        uint8_t *payload; /* of a READ, or a chunk's behind what is above; borrowed */
        size_t payload_size;
        char text[128]; /* of an error chunk */
} Reply;

void fixture_set_up(SessionFixture *fixture, uint64_t device_size);
void fixture_start(SessionFixture *fixture, NbdAgreement agreement,
                   const NbdSessionOptions *options);
/* Both of the above: the usual device, structured replies and base:allocation as told. */
void fixture_begin(SessionFixture *fixture, bool has_structured_replies);
/* Closes the client's end, and expects the session to end. */
void fixture_tear_down(SessionFixture *fixture);

void fixture_run_for(SessionFixture *fixture, uint64_t duration_ns);
void fixture_run(SessionFixture *fixture);

/* Appends a header to `bytes`, returns its size. */
size_t fixture_put_request(uint8_t *bytes, uint16_t flags, uint16_t command, uint64_t cookie,
                           uint64_t offset, uint32_t size);
/* As much as the socket takes; returns how much. */
size_t fixture_try_send(SessionFixture *fixture, const void *bytes, size_t size);
/* All, running the loop meanwhile and taking what comes. */
void fixture_send(SessionFixture *fixture, const void *bytes, size_t size);
void fixture_request(SessionFixture *fixture, uint16_t flags, uint16_t command, uint64_t cookie,
                     uint64_t offset, uint32_t size);
/* Takes what the server has sent so far. */
void fixture_receive(SessionFixture *fixture);
/* Runs, and takes the next reply; `read_size` is the payload of a simple one. False: there is none.
 */
bool fixture_next_reply(SessionFixture *fixture, size_t read_size, Reply *ret);
/* A request and its only reply. */
Reply fixture_ask(SessionFixture *fixture, uint16_t flags, uint16_t command, uint64_t offset,
                  uint32_t size);
