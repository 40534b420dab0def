#pragma once

/*
 * The two protocols of the gadget, each the main loop of its worker and its part of endpoint 0.
 */

#include "disk.h"
#include "function.h"

typedef struct Gadget {
        Function function;
        FaultPlan plan;
        Disk disk;
        bool is_configured;
        uint8_t max_lun;        /* what GET MAX LUN answers */
        const char *connection; /* the gadget's UDC in configfs; NULL: none */

        /* CBI: the command that the worker is to carry out. */
        uint8_t command[12];
        atomic_bool is_command_there;
} Gadget;

typedef struct ControlRequest {
        uint8_t type;
        uint8_t request;
        uint16_t value;
        uint16_t size;
} ControlRequest;

/* What to do with a class request. */
typedef enum ControlAnswer {
        CONTROL_ANSWER_DONE, /* answered already */
        CONTROL_ANSWER_STALL,
} ControlAnswer;

/* Never return. */
void *bot_run(void *gadget);
void *cbi_run(void *gadget);

ControlAnswer bot_control(Gadget *gadget, const ControlRequest *request);
ControlAnswer cbi_control(Gadget *gadget, const ControlRequest *request);

void gadget_sleep(uint64_t ms);
/* Pulls the plug, and puts it in again after so many whole seconds; 0: never. */
void gadget_disconnect(Gadget *gadget, uint64_t ms);
