#pragma once

/*
 * Stack
 *
 * The whole of a worker in one process and in virtual time: a simulated device, a StorageManager on
 * it, and one NBD client for each LUN at the other end of a socket pair. A call of the client runs
 * the loop until its answer has come.
 */

#include "base/virtual_event_loop.h"
#include "simulator/simulated_device.h"
#include "storage/storage_manager.h"

#define STACK_LUNS_MAX 16
/* What a client returns where there will be no answer: the connection was closed. */
#define STACK_CLOSED (-1)

typedef struct StackClient {
        EventFd watch;
        int fd; /* owned; negative: closed */
        uint64_t last_cookie;
        uint8_t *received; /* owned */
        size_t received_size;
        bool is_structured;
} StackClient;

typedef struct StackExport {
        bool is_open;
        unsigned n_opened;
        uint64_t generation;
        NbdExportInfo info;
} StackExport;

typedef struct Stack {
        EventLoop *loop;         /* owned */
        UsbDevice *device;       /* borrowed: the storage manager's */
        StorageManager *storage; /* owned */
        StackExport exports[STACK_LUNS_MAX];
        StackClient clients[STACK_LUNS_MAX];
        bool is_brought_up;
        int brought_up_result;
        bool is_stopped;
        int stopped_result;
} Stack;

/*
 * Brings the device of `spec` up, or fails the test if it neither comes up nor fails within an
 * hour.
 */
void stack_init(Stack *stack, const char *spec);
/* The same with a deadline of its own for reads and writes. */
void stack_init_with_timeout(Stack *stack, const char *spec, uint32_t device_timeout_ms);
/* Stops what still runs. */
void stack_done(Stack *stack);
/* Faults from now on; the text is a FAULTS plan. */
void stack_add_faults(Stack *stack, const char *plan);
void stack_stop(Stack *stack);
uint64_t stack_now_ms(const Stack *stack);
/* Runs the loop for so long in virtual time. */
void stack_sleep_ms(Stack *stack, uint64_t ms);

/* Connects a client to a LUN; any earlier one of it is closed. */
void stack_connect(Stack *stack, unsigned lun, bool is_structured);
/*
 * An NbdError, or STACK_CLOSED. Structured: `ret_error_offset` (may be NULL) gets UINT64_MAX if
 * none came.
 */
int stack_read(Stack *stack, unsigned lun, uint64_t offset, void *data, uint32_t size,
               uint64_t *ret_error_offset);
int stack_write(Stack *stack, unsigned lun, uint64_t offset, const void *data, uint32_t size,
                unsigned flags);
/* FLUSH, TRIM, WRITE_ZEROES, CACHE. */
int stack_command(Stack *stack, unsigned lun, NbdCommand command, unsigned flags, uint64_t offset,
                  uint32_t size);
/* What differs from place to place and from seed to seed, to be told apart. */
void stack_fill(void *data, size_t size, uint64_t seed);
