#pragma once

/*
 * UsbDevice
 *
 * One configured USB device as the transports see it: transfers on its endpoints, a few blocking
 * operations, memory to transfer from. LibusbDevice drives a real one, SimulatedDevice is one in
 * software.
 *
 * Transfers and operations are embedded in their owner. Each accepted one completes exactly once,
 * from the loop, never from within a call of this header; also when cancelled and when the device
 * is gone. Everything happens on the loop's thread.
 */

#include "base/event_loop.h"
#include "base/staging.h"
#include "base/task.h"

/* USB 2.0, 9.3: bmRequestType. */
#define USB_ENDPOINT_IN 0x80
#define USB_REQUEST_TYPE_CLASS_INTERFACE_OUT 0x21
#define USB_REQUEST_TYPE_CLASS_INTERFACE_IN 0xA1

/* Operations that may wait in a device's queue at once. */
#define USB_OPERATIONS_MAX 32

typedef struct UsbDescriptors UsbDescriptors;
typedef struct UsbDevice UsbDevice;
typedef struct UsbDeviceOps UsbDeviceOps;
typedef struct UsbOperation UsbOperation;
typedef struct UsbTrace UsbTrace;
typedef struct UsbTransfer UsbTransfer;

typedef enum UsbSpeed {
        USB_SPEED_UNKNOWN,
        USB_SPEED_LOW,   /* 1.5 Mb/s */
        USB_SPEED_FULL,  /* 12 Mb/s */
        USB_SPEED_HIGH,  /* 480 Mb/s */
        USB_SPEED_SUPER, /* 5 Gb/s */
        USB_SPEED_SUPER_PLUS,
        _USB_SPEED_MAX,
} UsbSpeed;

typedef enum UsbResult {
        USB_RESULT_OK,        /* completed; actual_size may be less than size */
        USB_RESULT_STALL,     /* the endpoint is halted (bulk, interrupt), or the request refused
                                 (control) */
        USB_RESULT_OVERFLOW,  /* the device sent more than was asked for (babble) */
        USB_RESULT_TIMED_OUT, /* the deadline came first */
        USB_RESULT_CANCELLED,
        USB_RESULT_NO_MEMORY, /* no room for the transfer now: shrink or try again */
        USB_RESULT_ERROR,     /* the wire: CRC, no answer, protocol */
        USB_RESULT_GONE,      /* unplugged, or never to answer again */
        _USB_RESULT_MAX,
} UsbResult;

typedef enum UsbTransferType {
        USB_TRANSFER_TYPE_CONTROL,
        USB_TRANSFER_TYPE_BULK,
        USB_TRANSFER_TYPE_INTERRUPT,
        USB_TRANSFER_TYPE_BULK_STREAM,
        _USB_TRANSFER_TYPE_MAX,
} UsbTransferType;

typedef struct UsbSetup {
        uint8_t request_type;
        uint8_t request;
        uint16_t value;
        uint16_t index;
} UsbSetup;

typedef void (*UsbTransferDone)(UsbTransfer *transfer);

struct UsbTransfer {
        /* Set by the owner, constant while in flight. */
        UsbTransferType type;
        uint8_t endpoint;   /* with USB_ENDPOINT_IN; 0 for control */
        uint32_t stream_id; /* 1-based; streams only */
        UsbSetup setup;     /* control only; wLength is `size` */
        void *data;         /* borrowed while in flight */
        size_t size;
        uint64_t deadline_ns; /* 0: none, as for a transport that keeps one timer for a whole
                                 command */
        UsbTransferDone done;

        /* Valid in `done`. */
        UsbResult result;
        size_t actual_size;

        /* usb's own, from usb_transfer_init() to usb_transfer_done(). */
        UsbDevice *device;
        bool is_in_flight;
        bool is_timed_out;
        EventTimer timer;
        void *backend; /* the implementation's */
        ListNode node; /* the implementation's; in no list when it submits */
};

typedef enum UsbOperationType {
        USB_OPERATION_CLAIM,         /* interface; takes it from the kernel's driver */
        USB_OPERATION_RELEASE,       /* interface; gives it back to the kernel's driver */
        USB_OPERATION_SET_INTERFACE, /* interface, alternate; frees its streams */
        USB_OPERATION_CLEAR_HALT,    /* endpoint: CLEAR_FEATURE(ENDPOINT_HALT), both data toggles */
        /* Port reset; all interfaces are claimed again, at alternate setting 0. Whatever is in
         * flight ends, and until then the loop may have to wait for it: better cancel it before. */
        USB_OPERATION_RESET,
        USB_OPERATION_ALLOC_STREAMS, /* endpoints, n_streams; value: how many were granted */
        USB_OPERATION_FREE_STREAMS,  /* endpoints */
        USB_OPERATION_SUSPEND, /* allows the host to suspend the device; nothing may be in flight */
        USB_OPERATION_RESUME,  /* forbids it, and wakes the device */
        _USB_OPERATION_TYPE_MAX,
} UsbOperationType;

typedef void (*UsbOperationDone)(UsbOperation *operation);

/* Operations run one at a time in the order of submission. They can't be cancelled: the kernel's
 * can't. */
struct UsbOperation {
        UsbOperationType type;
        uint8_t interface;
        uint8_t alternate;
        uint8_t endpoint;
        uint8_t endpoints[4];
        uint8_t n_endpoints;
        uint32_t n_streams;
        UsbOperationDone done;

        /* Valid in `done`. GONE after RESET: the device came back as another one (re-enumerated).
         */
        UsbResult result;
        uint32_t value;

        /* usb's own. */
        UsbDevice *device;
        ListNode node;
};

/* The device was unplugged: everything in flight completes with GONE, and so does all that follows.
 * Once. */
typedef void (*UsbDeviceGone)(UsbDevice *device, void *userdata);

struct UsbDeviceOps {
        /* Mandatory. Prepares or forgets the backend's part of a transfer. */
        int (*transfer_init)(UsbDevice *device, UsbTransfer *transfer);
        void (*transfer_done)(UsbDevice *device, UsbTransfer *transfer);
        /* Mandatory. -ENODEV: gone, -ENOMEM: no room, -EIO: the wire, -EINVAL: no such endpoint. */
        int (*submit)(UsbDevice *device, UsbTransfer *transfer);
        /* Mandatory. The transfer in flight completes soon, with CANCELLED unless it was faster. */
        void (*cancel)(UsbDevice *device, UsbTransfer *transfer);
        /* Mandatory. Called from the loop: may complete it at once, by
         * usb_device_operation_completed(). */
        void (*operate)(UsbDevice *device, UsbOperation *operation);
        /* Optional. Memory that needs no copy; NULL if the budget or the host has none. */
        void *(*memory_new)(UsbDevice *device, size_t size);
        void (*memory_free)(UsbDevice *device, void *memory, size_t size);
        /* Mandatory. Nothing is in flight. Calls usb_device_done() while memory_free() still works.
         */
        void (*free)(UsbDevice *device);
};

/* The head of each implementation: private to usb and to implementations. */
struct UsbDevice {
        const UsbDeviceOps *ops;
        EventLoop *loop;                   /* borrowed */
        const UsbDescriptors *descriptors; /* owned by the implementation */
        UsbSpeed speed;
        const char *name; /* for the log; owned by the implementation */
        bool can_suspend; /* the host lets it be suspended; set by the implementation */
        bool is_gone;
        bool has_reported_gone;
        UsbDeviceGone on_gone;
        void *userdata;
        size_t n_transfers_in_flight;
        uint64_t n_transfers; /* that have ended */
        ListNode operations;  /* UsbOperation::node; the first is running */
        size_t n_operations;
        bool is_operating;
        EventDefer operation_start;
        EventDefer gone_report;
        Staging staging;
        struct UsbMemoryPool *memory_pool; /* owned */
        UsbTrace *trace;                   /* borrowed: it attaches itself; NULL: none */
};

typedef struct UsbDeviceStatistics {
        uint64_t n_transfers;       /* that have ended */
        uint64_t n_memory_refusals; /* how often the host gave no zero-copy memory */
        size_t zero_copy_size;      /* of staging memory, now */
        size_t heap_size;           /* of staging memory in use, now */
} UsbDeviceStatistics;

/* Asserts that nothing is in flight. Takes NULL, returns NULL. */
UsbDevice *usb_device_free(UsbDevice *device);
DEFINE_CLEANUP(UsbDevice *, usb_device_free);

EventLoop *usb_device_get_loop(const UsbDevice *device);
const UsbDescriptors *usb_device_get_descriptors(const UsbDevice *device);
UsbSpeed usb_device_get_speed(const UsbDevice *device);
const char *usb_device_get_name(const UsbDevice *device);
bool usb_device_is_gone(const UsbDevice *device);
/* Whether the host knows USB_OPERATION_SUSPEND. */
bool usb_device_can_suspend(const UsbDevice *device);
/* No transfer is in flight, and no operation waits. */
bool usb_device_is_quiet(const UsbDevice *device);
/* Told even if the device went before the handler was set. NULL: nobody is told. */
void usb_device_set_gone_handler(UsbDevice *device, UsbDeviceGone on_gone, void *userdata);

/* Transfer memory that is zero-copy while the budget lasts. */
Staging *usb_device_get_staging(UsbDevice *device);
UsbDeviceStatistics usb_device_get_statistics(const UsbDevice *device);

/* Binds a zeroed transfer to its device: -ENOMEM. Reusable any number of times until done. */
int usb_transfer_init(UsbTransfer *transfer, UsbDevice *device);
/* Not in flight. Harmless on a zeroed transfer. */
void usb_transfer_done(UsbTransfer *transfer);
/* On error nothing was accepted and `done` is not called. Errors as UsbDeviceOps::submit. */
int usb_transfer_submit(UsbTransfer *transfer);
/* Harmless if not in flight. */
void usb_transfer_cancel(UsbTransfer *transfer);

/* -EBUSY if USB_OPERATIONS_MAX wait. A gone device completes operations with GONE. */
int usb_device_operate(UsbDevice *device, UsbOperation *operation);

/*
 * The same for tasks: the outcome, which is NO_MEMORY also where the queue is full. Cancelling the
 * task cancels the control transfer, but not the operation. `deadline_ns` as for task_await().
 */
UsbResult usb_device_await_operation(Task *task, UsbDevice *device, UsbOperation *operation);
UsbResult usb_device_await_control(Task *task, UsbDevice *device, const UsbSetup *setup, void *data,
                                   size_t size, uint64_t deadline_ns, size_t *ret_actual_size);

/* What usb_transfer_submit() returned, as the result of a transfer that ended so. */
UsbResult usb_result_from_submit_error(int error);
const char *usb_result_to_string(UsbResult result);
const char *usb_operation_type_to_string(UsbOperationType type);
const char *usb_speed_to_string(UsbSpeed speed);

/* For implementations. -ENOMEM. */
int usb_device_init(UsbDevice *device, EventLoop *loop, const UsbDeviceOps *ops);
/* How much of memory_new() the staging memory takes at most; 0: the default. */
void usb_device_set_memory_budget(UsbDevice *device, size_t budget);
void usb_device_done(UsbDevice *device);
/* From the loop, never from within `submit` or `cancel`. What is not OK on a gone device is GONE.
 */
void usb_device_transfer_completed(UsbTransfer *transfer, UsbResult result, size_t actual_size);
void usb_device_operation_completed(UsbOperation *operation, UsbResult result, uint32_t value);
/* Marks the device as gone and reports it from the loop, once. */
void usb_device_set_gone(UsbDevice *device);
