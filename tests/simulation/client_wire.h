#pragma once

/* The wire between a client and a worker: what is sent and received on it, in whole messages. */

#include "base/event_loop.h"
#include "base/nbd_protocol.h"

#define CLIENT_WIRE_MESSAGE_SIZE_MAX (512 * KIB)

typedef struct ClientWire {
        int fd;            /* owned; negative: closed */
        uint8_t *received; /* owned */
        size_t received_start;
        size_t received_size;
        uint8_t *unsent; /* owned */
        size_t unsent_size;
} ClientWire;

/* A reply, or a part of one. */
typedef struct ClientReply {
        uint64_t cookie;
        bool is_structured;
        bool is_last;
        uint16_t type; /* of structured ones */
        NbdError error;
        const uint8_t *payload; /* borrowed until the next call */
        size_t payload_size;
} ClientReply;

typedef enum ClientWireResult {
        CLIENT_WIRE_RESULT_REPLY,
        CLIENT_WIRE_RESULT_INCOMPLETE,
        CLIENT_WIRE_RESULT_GARBAGE,
} ClientWireResult;

void client_wire_init(ClientWire *wire);
void client_wire_close(ClientWire *wire);
void client_wire_done(ClientWire *wire);

void client_wire_send(ClientWire *wire, const void *header, const void *payload, size_t size);
/* Sends what could not be sent before, as far as it goes. */
void client_wire_send_rest(ClientWire *wire);
/* False: the other end has closed it. */
bool client_wire_receive(ClientWire *wire);
/* Looks at the next reply. `simple_size`: the payload of a simple reply without an error. */
ClientWireResult client_wire_peek(const ClientWire *wire,
                                  size_t (*simple_size)(void *userdata, uint64_t cookie),
                                  void *userdata, ClientReply *ret);
void client_wire_consume(ClientWire *wire, const ClientReply *reply);
