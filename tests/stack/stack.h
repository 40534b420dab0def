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
#include "simulator/simulator_spec.h"
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

/* Remains of an earlier stack, for one that is made. */
typedef struct StackRemains {
        int fds[4]; /* taken over, the oldest first */
        size_t n;
} StackRemains;

#define STACK_REQUESTS_MAX 64

typedef struct StackRequest {
        unsigned n_replies;
        ControlReply reply;
        unsigned n_progress;
        ControlProgress progress; /* as told last */
} StackRequest;

typedef struct Stack {
        EventLoop *loop;         /* owned */
        UsbDevice *device;       /* borrowed: the storage manager's */
        StorageManager *storage; /* owned */
        StackExport exports[STACK_LUNS_MAX];
        unsigned n_opened; /* exports */
        StackClient clients[STACK_LUNS_MAX];
        bool is_brought_up;
        int brought_up_result;
        bool is_stopped;
        int stopped_result;
        StorageStats stats[STACK_LUNS_MAX]; /* as they were told last */
        StorageDeviceStats device_stats;
        unsigned n_told;         /* how often any of these were */
        UsbLearnedFacts learned; /* as told last */
        unsigned n_learned;

        StackRequest requests[STACK_REQUESTS_MAX]; /* by their id */
        unsigned n_requests;
        ControlDeviceInfo device_info; /* as told last */
        unsigned n_device_infos;
        ControlLunInfo lun_infos[STACK_LUNS_MAX]; /* likewise */
        ControlSmart smart[STACK_LUNS_MAX];       /* likewise */
        unsigned n_smart[STACK_LUNS_MAX];
        unsigned n_lun_infos[STACK_LUNS_MAX];
        ControlPower power; /* likewise */
        unsigned n_power;

        unsigned n_mounts_served;
        unsigned n_mounts_ended;
        int mount_error; /* of the last that ended */

        /* With a cache */
        SimulatorSpec spec;
        int image_fds[STACK_LUNS_MAX]; /* owned unless they were given; outlive the device */
        int arena_fd;                  /* owned */
        bool is_parked;
        unsigned n_parked;
        unsigned saved_luns;        /* that had to be saved */
        int save_error;             /* the answer to that */
        bool is_save_held;          /* it does not come */
        int saved_fd;               /* owned: the arena as it was saved; -EBADF: it was not */
        unsigned left_luns;         /* of the remains with id 0 */
        unsigned left_luns_at_open; /* when the first export opened */
        unsigned n_left;            /* how often that was told */
} Stack;

/*
 * Brings the device of `spec` up, or fails the test if it neither comes up nor fails within an
 * hour.
 */
void stack_init(Stack *stack, const char *spec);
/* The same with options; what they leave open is as stack_init() has it. With a cache the device
 * has its blocks in images. */
void stack_init_with_options(Stack *stack, const char *spec, const StorageOptions *options);
/* The same with a deadline of its own for reads and writes. */
void stack_init_with_timeout(Stack *stack, const char *spec, uint32_t device_timeout_ms);
/* The next worker of a device of which that is known. */
void stack_init_with_facts(Stack *stack, const char *spec, const UsbLearnedFacts *known,
                           uint32_t quirks);
/*
 * With a cache, and with image files, so that the medium outlives the device. `image_fds` NULL: new
 * ones. `remains` NULL: none.
 */
void stack_init_with_cache(Stack *stack, const char *spec, const CacheOptions *cache,
                           const int *image_fds, const StackRemains *remains);
/* The cable is pulled: returns when the worker waits for the device. */
void stack_unplug(Stack *stack);
/* A device comes, with the images of the first one; `spec` NULL: the same device. */
void stack_replug(Stack *stack, const char *spec);
/* Runs until it is no longer parked. */
void stack_await_unparked(Stack *stack);
/* A copy of the arena, as a successor would find it. */
int stack_copy_arena(const Stack *stack);
/* What is on the medium for good. */
void stack_read_image(const Stack *stack, unsigned lun, uint64_t offset, void *bytes, size_t size);
void stack_write_image(const Stack *stack, unsigned lun, uint64_t offset, const void *bytes,
                       size_t size);
/* Sends a request without waiting for its answer, and waits for that. */
void stack_send_write(Stack *stack, unsigned lun, uint64_t offset, const void *data, uint32_t size,
                      unsigned flags);
void stack_send_command(Stack *stack, unsigned lun, NbdCommand command, uint64_t offset,
                        uint32_t size);
int stack_await_reply(Stack *stack, unsigned lun);
bool stack_has_reply(const Stack *stack, unsigned lun);
/* Stops what still runs. */
void stack_done(Stack *stack);
/* Faults from now on; the text is a FAULTS plan. */
void stack_add_faults(Stack *stack, const char *plan);
void stack_stop(Stack *stack);
/* Asks without waiting; `fd` (negative: none) is taken over. Returns the request's number. */
unsigned stack_request(Stack *stack, const ControlRequest *request, int fd);
void stack_cancel_request(Stack *stack, unsigned number);
/* Its one answer. */
const ControlReply *stack_await_answer(Stack *stack, unsigned number);
/* All at once; returns its error. */
int stack_ask(Stack *stack, const ControlRequest *request);
uint64_t stack_now_ms(const Stack *stack);
/* Runs the loop for so long in virtual time. */
void stack_sleep_ms(Stack *stack, uint64_t ms);

/* Connects a client to a LUN; any earlier one of it is closed. */
void stack_connect(Stack *stack, unsigned lun, bool is_structured);
/* Its client goes. */
void stack_disconnect(Stack *stack, unsigned lun);
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
