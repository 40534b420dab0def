#pragma once

/*
 * ScriptedUsb
 *
 * A UsbDevice that follows a table of expected steps, on a virtual event loop of its own. The step
 * at the head waits until its transfer or operation was submitted: transfers may be queued one by
 * one or many together, and complete in the order of the table. For each direction, a step takes
 * the oldest transfer that waits (on its endpoint, if it names one). What does not match ends the
 * test and prints both sides; so does a table that is not used up when nothing moves any more.
 *
 * A transfer that is cancelled before its step came completes with CANCELLED and uses no step.
 */

#include "usb/usb_descriptors.h"

#define SCRIPTED_USB_INTERFACE 0
#define SCRIPTED_USB_BULK_IN 0x81
#define SCRIPTED_USB_BULK_OUT 0x02
#define SCRIPTED_USB_INTERRUPT_IN 0x83
/* Beside the two of Bulk-Only. */
#define SCRIPTED_USB_UAS_COMMAND 0x04
#define SCRIPTED_USB_UAS_STATUS 0x83

#define SCRIPTED_USB_ANY SIZE_MAX
/* What fills data that the table gives by size only: byte i of the transfer is i * 7 + 1. */
#define SCRIPTED_USB_PATTERN(i) ((uint8_t) ((i) *7 + 1))

typedef enum UsbStepType {
        USB_STEP_TRANSFER,
        USB_STEP_HANG, /* a transfer that completes only when it is cancelled */
        USB_STEP_OPERATION,
        USB_STEP_GONE,
        USB_STEP_WAIT,
} UsbStepType;

typedef struct UsbStep {
        UsbStepType type;
        UsbTransferType transfer_type;
        bool is_in;
        uint8_t endpoint; /* 0: any */
        uint32_t stream;  /* 0: any, or none */
        bool has_setup;
        UsbSetup setup;
        const uint8_t *bytes;  /* expected (OUT) or delivered (IN); NULL: any, the pattern */
        size_t size;           /* of `bytes`; what must be (OUT) or is transferred (IN) */
        size_t requested_size; /* IN: what the host must have asked for */
        bool has_tag; /* bytes 4 to 7 are not compared (OUT), or come from the last OUT that has one
                         (IN) */
        UsbResult result;
        UsbOperationType operation;
        uint8_t alternate; /* SET_INTERFACE */
        uint32_t value;    /* ALLOC_STREAMS */
        uint64_t wait_ns;
        const char *text; /* the macro that made it, for mismatches */
} UsbStep;

#define USB_STEP_MOVE(type_, transfer_type_, is_in_, size_, requested_size_, ...)      \
        {                                                                              \
                .type = (type_), .transfer_type = (transfer_type_), .is_in = (is_in_), \
                .size = (size_), .requested_size = (requested_size_), __VA_ARGS__      \
        }
#define USB_STEP_OUT(size, ...)                                                                 \
        USB_STEP_MOVE(USB_STEP_TRANSFER, USB_TRANSFER_TYPE_BULK, false, size, SCRIPTED_USB_ANY, \
                      __VA_ARGS__)
#define USB_STEP_IN(size, ...)                                                                 \
        USB_STEP_MOVE(USB_STEP_TRANSFER, USB_TRANSFER_TYPE_BULK, true, size, SCRIPTED_USB_ANY, \
                      __VA_ARGS__)

/* Bulk OUT: any bytes; any bytes of that size; these bytes; these bytes but for a tag. */
#define USB_OUT() USB_STEP_OUT(SCRIPTED_USB_ANY, .text = "OUT")
#define USB_OUT_SIZE(n) USB_STEP_OUT(n, .text = "OUT of size " #n)
#define USB_OUT_BYTES(array) USB_STEP_OUT(sizeof(array), .bytes = (array), .text = "OUT " #array)
#define USB_OUT_TAGGED(array)                                          \
        USB_STEP_OUT(sizeof(array), .bytes = (array), .has_tag = true, \
                     .text = "OUT " #array " with any tag")
/* Any 31 bytes, whose tag is remembered. */
#define USB_CBW() USB_STEP_OUT(31, .has_tag = true, .text = "OUT of a CBW")
#define USB_STALL_OUT() \
        USB_STEP_OUT(SCRIPTED_USB_ANY, .result = USB_RESULT_STALL, .text = "OUT that stalls")
#define USB_ERROR_OUT() \
        USB_STEP_OUT(SCRIPTED_USB_ANY, .result = USB_RESULT_ERROR, .text = "OUT that fails")
#define USB_HANG_OUT()                                                                \
        USB_STEP_MOVE(USB_STEP_HANG, USB_TRANSFER_TYPE_BULK, false, SCRIPTED_USB_ANY, \
                      SCRIPTED_USB_ANY, .text = "OUT that hangs")

/* Bulk IN: these bytes; these with the remembered tag; `n` bytes of pattern, asked for exactly. */
#define USB_IN(array) USB_STEP_IN(sizeof(array), .bytes = (array), .text = "IN " #array)
#define USB_IN_TAGGED(array)                                          \
        USB_STEP_IN(sizeof(array), .bytes = (array), .has_tag = true, \
                    .text = "IN " #array " with the tag")
#define USB_IN_SIZE(n)                                                       \
        USB_STEP_MOVE(USB_STEP_TRANSFER, USB_TRANSFER_TYPE_BULK, true, n, n, \
                      .text = "IN of size " #n)
/* `n` bytes of pattern whatever was asked for (but no less than `n`). */
#define USB_SHORT_IN(n) USB_STEP_IN(n, .text = "short IN of size " #n)
#define USB_STALL_IN() USB_STEP_IN(0, .result = USB_RESULT_STALL, .text = "IN that stalls")
/* Some data, then the halt. */
#define USB_STALL_IN_AFTER(n) \
        USB_STEP_IN(n, .result = USB_RESULT_STALL, .text = "IN that stalls after " #n)
#define USB_ERROR_IN() USB_STEP_IN(0, .result = USB_RESULT_ERROR, .text = "IN that fails")
#define USB_OVERFLOW_IN() USB_STEP_IN(0, .result = USB_RESULT_OVERFLOW, .text = "IN that overflows")
#define USB_HANG_IN()                                                                \
        USB_STEP_MOVE(USB_STEP_HANG, USB_TRANSFER_TYPE_BULK, true, SCRIPTED_USB_ANY, \
                      SCRIPTED_USB_ANY, .text = "IN that hangs")
#define USB_INTERRUPT_IN(array)                                                            \
        USB_STEP_MOVE(USB_STEP_TRANSFER, USB_TRANSFER_TYPE_INTERRUPT, true, sizeof(array), \
                      SCRIPTED_USB_ANY, .bytes = (array), .text = "interrupt IN " #array)
#define USB_INTERRUPT_RESULT(result_)                                                            \
        USB_STEP_MOVE(USB_STEP_TRANSFER, USB_TRANSFER_TYPE_INTERRUPT, true, 0, SCRIPTED_USB_ANY, \
                      .result = (result_), .text = "interrupt IN " #result_)
#define USB_INTERRUPT_HANG()                                                              \
        USB_STEP_MOVE(USB_STEP_HANG, USB_TRANSFER_TYPE_INTERRUPT, true, SCRIPTED_USB_ANY, \
                      SCRIPTED_USB_ANY, .text = "interrupt IN that hangs")

/* Control: the setup; then the data that it brings, takes or refuses. */
#define USB_STEP_CONTROL(type_, request_type_, request_, value_, index_, size_, ...)             \
        USB_STEP_MOVE(type_, USB_TRANSFER_TYPE_CONTROL, ((request_type_) &USB_ENDPOINT_IN) != 0, \
                      size_, SCRIPTED_USB_ANY, .has_setup = true,                                \
                      .setup = { (request_type_), (request_), (value_), (index_) },              \
                      .text = "control " #request_type_ " " #request_, __VA_ARGS__)
#define USB_CONTROL(request_type, request, value, index, array)                                 \
        USB_STEP_CONTROL(USB_STEP_TRANSFER, request_type, request, value, index, sizeof(array), \
                         .bytes = (array))
#define USB_CONTROL_NO_DATA(request_type, request, value, index) \
        USB_STEP_CONTROL(USB_STEP_TRANSFER, request_type, request, value, index, 0, .bytes = NULL)
#define USB_CONTROL_STALL(request_type, request, value, index)                                     \
        USB_STEP_CONTROL(USB_STEP_TRANSFER, request_type, request, value, index, SCRIPTED_USB_ANY, \
                         .result = USB_RESULT_STALL)
#define USB_CONTROL_HANG(request_type, request, value, index)                                  \
        USB_STEP_CONTROL(USB_STEP_HANG, request_type, request, value, index, SCRIPTED_USB_ANY, \
                         .bytes = NULL)

#define USB_STEP_OPERATE(operation_, ...) \
        { .type = USB_STEP_OPERATION, .operation = (operation_), .text = #operation_, __VA_ARGS__ }
#define USB_CLAIM() USB_STEP_OPERATE(USB_OPERATION_CLAIM)
#define USB_RELEASE() USB_STEP_OPERATE(USB_OPERATION_RELEASE)
#define USB_SET_INTERFACE(alternate_) \
        USB_STEP_OPERATE(USB_OPERATION_SET_INTERFACE, .alternate = (alternate_))
/* 0: any endpoint. */
#define USB_CLEAR_HALT(endpoint_) \
        USB_STEP_OPERATE(USB_OPERATION_CLEAR_HALT, .endpoint = (endpoint_))
#define USB_CLEAR_HALT_FAILS(endpoint_, result_) \
        USB_STEP_OPERATE(USB_OPERATION_CLEAR_HALT, .endpoint = (endpoint_), .result = (result_))
/* Grants `n`, whatever was asked for. */
#define USB_ALLOC_STREAMS(n) USB_STEP_OPERATE(USB_OPERATION_ALLOC_STREAMS, .value = (n))
#define USB_ALLOC_STREAMS_FAILS(result_) \
        USB_STEP_OPERATE(USB_OPERATION_ALLOC_STREAMS, .result = (result_))
#define USB_RESET() USB_STEP_OPERATE(USB_OPERATION_RESET)
#define USB_RESET_FAILS(result_) USB_STEP_OPERATE(USB_OPERATION_RESET, .result = (result_))
#define USB_SUSPEND() USB_STEP_OPERATE(USB_OPERATION_SUSPEND)
#define USB_RESUME() USB_STEP_OPERATE(USB_OPERATION_RESUME)

/* The device is unplugged: what is in flight completes with GONE. */
#define USB_GONE() \
        { .type = USB_STEP_GONE, .text = "unplugged" }
/* Nothing happens for this long. */
#define USB_WAIT_MS(n) \
        { .type = USB_STEP_WAIT, .wait_ns = (n) *NS_PER_MS, .text = "wait " #n " ms" }

typedef struct ScriptedUsb {
        UsbDevice device;           /* hand out &usb.device */
        EventLoop *loop;            /* owned */
        UsbDescriptors descriptors; /* a Bulk-Only device's; may be changed before it is used */
        const UsbStep *steps;       /* borrowed */
        size_t n_steps;
        size_t next_step;
        ListNode transfers;      /* UsbTransfer::node; waiting for their step */
        UsbTransfer *hanging;    /* its HANG step is at the head */
        UsbOperation *operation; /* waiting for its step */
        EventDefer advance;
        EventTimer wait;
        bool is_waiting;
        uint8_t tag[4];
        size_t n_submitted; /* transfers, since the start */
        size_t failing_submit;
        int submit_error;
} ScriptedUsb;

void scripted_usb_init(ScriptedUsb *usb, UsbSpeed speed, const UsbStep *steps, size_t n_steps);
/* Everything above the device is gone already. */
void scripted_usb_done(ScriptedUsb *usb);
/* A further table, once the one before is used up. */
void scripted_usb_continue(ScriptedUsb *usb, const UsbStep *steps, size_t n_steps);
/* The n-th transfer from now (counted from 1) is refused by submit with `error`. */
void scripted_usb_fail_submit(ScriptedUsb *usb, size_t n, int error);
/* Runs until nothing moves; then the table must be used up, and nothing in flight. */
void scripted_usb_run(ScriptedUsb *usb);
/* The same without the last condition, until `duration_ns` of virtual time have passed. */
void scripted_usb_run_for(ScriptedUsb *usb, uint64_t duration_ns);

#define scripted_usb_init_table(usb, speed, table) \
        scripted_usb_init(usb, speed, table, N_ELEMENTS(table))
