/*
 * stack_load: the stack in one process, without service and NBD: brings a device up (a simulated one,
 * or a real one by its usbfs node) and loads it with SCSI commands or block requests. Prints one
 * line of key=value pairs, like nbd_load.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/histogram.h"
#include "base/log.h"
#include "base/random.h"
#include "base/systemd_event_loop.h"
#include "block/lun.h"
#include "cache/cache_volume.h"
#include "error/error_handler.h"
#include "power/power_manager.h"
#include "scsi/scsi_bring_up.h"
#include "simulator/simulated_device.h"
#include "transport/bot_transport.h"
#include "transport/uas_transport.h"
#include "usb/libusb_device.h"

#define DEPTH_MAX 64
#define REQUEST_SIZE_MAX (32 * MIB)
#define REQUEST_TIMEOUT_NS (30 * NS_PER_S)

typedef enum LoadLayer {
        LOAD_LAYER_NONE, /* bring-up alone */
        LOAD_LAYER_SCSI,
        LOAD_LAYER_BLOCK,
} LoadLayer;

typedef struct Load Load;

typedef struct LoadSlot {
        Load *load; /* borrowed */
        ScsiCommand command;
        BlockRequest request;
        struct iovec segment; /* owned: of the device's staging memory */
        uint64_t started_ns;
} LoadSlot;

struct Load {
        EventLoop *loop;             /* owned */
        LibusbLibrary *library;      /* owned */
        UsbDevice *device;           /* owned */
        Transport *transport;        /* owned */
        ScsiProcessor *processor;    /* owned */
        ScsiHistory history;         /* as a worker keeps it */
        ErrorHandler *error_handler; /* owned */
        PowerManager *power;         /* owned */
        PowerStatistics power_statistics;
        BlockDevice *lun;    /* owned */
        CacheManager *cache; /* owned; NULL: none */
        BlockDevice *volume; /* owned; NULL: no cache */
        BlockDevice *block;  /* borrowed: the top */
        int arena_fd;        /* owned */
        UsbStorageDevice storage_device;
        ScsiDisk disk;
        int usb_fd; /* owned */

        LoadSlot slots[DEPTH_MAX];
        unsigned n_in_flight;
        Future idle; /* completes when the last request of a load has ended */
        Random random;
        uint64_t next_offset;
        uint64_t end_ns;
        uint64_t n_left; /* requests to be started, if their number is given */
        Histogram latency;
        BlockRequest flush;
        int error;
};

static const char *arg_simulation;
static const char *arg_usb_node;
static LoadLayer arg_layer = LOAD_LAYER_BLOCK;
static unsigned arg_depth = 1;
static size_t arg_size = 4096;
static uint64_t arg_span;
static bool arg_is_write;
static bool arg_is_random;
static double arg_seconds = 3;
static uint64_t arg_n_requests;
static bool arg_has_cache;
static CacheOptions arg_cache;
static uint64_t arg_arena_size = 64 * MIB;
static bool arg_with_flush;

/* The loop's clock may stand still within an iteration. */
static uint64_t clock_now_ns(clockid_t clock) {
        struct timespec now;

        clock_gettime(clock, &now);
        return (uint64_t) now.tv_sec * NS_PER_S + (uint64_t) now.tv_nsec;
}

static uint64_t choose_offset(Load *load) {
        uint64_t size = scsi_disk_get_size(&load->disk);
        uint64_t span = arg_span > 0 ? MIN(arg_span, size) : size;
        uint64_t offset = load->next_offset;

        if (arg_size == 0)
                return 0;
        if (arg_is_random)
                return random_below(&load->random, span / arg_size) * arg_size;
        load->next_offset += arg_size;
        if (load->next_offset + arg_size > span)
                load->next_offset = 0;
        return offset;
}

static void slot_start(LoadSlot *slot);

static bool has_more(Load *load, uint64_t now_ns) {
        if (arg_n_requests == 0)
                return now_ns < load->end_ns;
        if (load->n_left == 0)
                return false;
        load->n_left--;
        return true;
}

static void slot_on_end(LoadSlot *slot, int error) {
        Load *load = slot->load;
        uint64_t now_ns = clock_now_ns(CLOCK_MONOTONIC);

        histogram_record(&load->latency, now_ns - slot->started_ns);
        if (error < 0 && load->error == 0)
                load->error = error;
        load->n_in_flight--;
        if (has_more(load, now_ns) && load->error == 0)
                slot_start(slot);
        else if (load->n_in_flight == 0)
                future_complete(&load->idle, 0);
}

static void on_command_done(ScsiCommand *command) {
        slot_on_end(container_of(command, LoadSlot, command),
                    command->result == SCSI_RESULT_GOOD ? 0 : -EIO);
}

static void on_request_done(BlockRequest *request) {
        slot_on_end(container_of(request, LoadSlot, request), request->error);
}

static void slot_start_command(LoadSlot *slot) {
        Load *load = slot->load;
        uint64_t lba = choose_offset(load) / load->disk.block_size;
        uint32_t n_blocks = (uint32_t) (arg_size / load->disk.block_size);

        scsi_command_init(&slot->command, load->disk.lun,
                          event_loop_now_ns(load->loop) + REQUEST_TIMEOUT_NS);
        slot->command.done = on_command_done;
        if (arg_size == 0)
                scsi_command_test_unit_ready(&slot->command);
        else if (arg_is_write)
                scsi_command_write(&slot->command, lba, n_blocks, /* fua= */ false,
                                   slot->segment.iov_base, arg_size);
        else
                scsi_command_read(&slot->command, lba, n_blocks, slot->segment.iov_base, arg_size);
        scsi_target_submit(power_manager_get_target(load->power), &slot->command);
}

static void slot_start_request(LoadSlot *slot) {
        Load *load = slot->load;
        int r;

        slot->request = (BlockRequest){
                .operation = arg_is_write ? BLOCK_OPERATION_WRITE : BLOCK_OPERATION_READ,
                .offset = choose_offset(load),
                .size = arg_size,
                .segments = &slot->segment,
                .n_segments = 1,
                .deadline_ns = event_loop_now_ns(load->loop) + REQUEST_TIMEOUT_NS,
                .done = on_request_done,
        };
        r = block_device_submit(load->block, &slot->request);
        assert(r == 0);
}

static void slot_start(LoadSlot *slot) {
        slot->load->n_in_flight++;
        slot->started_ns = clock_now_ns(CLOCK_MONOTONIC);
        if (arg_layer == LOAD_LAYER_SCSI)
                slot_start_command(slot);
        else
                slot_start_request(slot);
}

static int open_device(Load *load) {
        _cleanup_(freep) char *error = NULL;
        SimulatorSpec spec;
        int r;

        if (arg_simulation) {
                r = simulator_spec_parse(&spec, arg_simulation, &error);
                if (r < 0) {
                        fprintf(stderr, "stack_load: %s\n", error ? error : "out of memory");
                        return r;
                }
                return simulated_device_new(&load->device, load->loop, &spec, NULL, 0);
        }

        r = libusb_library_new(&load->library, load->loop);
        if (r < 0)
                return r;
        load->usb_fd = open(arg_usb_node, O_RDWR | O_CLOEXEC);
        if (load->usb_fd < 0)
                return -errno;
        return libusb_device_new(&load->device, load->library, load->usb_fd,
                                 &(LibusbDeviceOptions){ .name = "usb" });
}

static int add_cache(Load *load) {
        CacheIdentity identity;
        int r;

        load->arena_fd = memfd_create("arena", MFD_CLOEXEC);
        if (load->arena_fd < 0 || ftruncate(load->arena_fd, (off_t) arg_arena_size) < 0)
                return -errno;
        r = cache_manager_new(&load->cache, load->loop, load->arena_fd, &arg_cache);
        if (r < 0)
                return r;
        cache_identity_init(&identity, usb_device_get_descriptors(load->device), "", &load->disk);
        r = cache_volume_new(&load->volume, load->cache, 0, &identity, load->lun);
        if (r == 0)
                load->block = load->volume;
        return r;
}

static void remove_cache(Load *load, Task *task) {
        if (load->volume) {
                cache_volume_park(load->volume);
                cache_volume_shut_down(load->volume);
                while (!cache_volume_is_idle(load->volume))
                        task_sleep(task, NS_PER_MS);
        }
        block_device_free(load->volume);
        cache_manager_free(load->cache);
        fd_close(load->arena_fd);
}

/* The kernel's uas leaves tags behind, of which only a reset rids the device. */
static int start_uas(Load *load, Task *task) {
        int r;

        r = uas_transport_new(&load->transport, load->device, &load->storage_device,
                              &(UasOptions){ 0 });
        if (r == 0)
                r = transport_start(load->transport, task);
        if (r == 0 && load->usb_fd >= 0)
                r = transport_recover(load->transport, task, TRANSPORT_RECOVERY_PORT_RESET, 0);
        return r;
}

static int start_bot(Load *load, Task *task) {
        int r;

        r = bot_transport_new(&load->transport, load->device, &load->storage_device,
                              &(BotOptions){ .mode = BOT_MODE_AUTO });
        if (r == 0)
                r = transport_start(load->transport, task);
        return r < 0 ? r : transport_get_max_lun(load->transport, task);
}

static bool is_uas(const Load *load) {
        return load->storage_device.protocol == USB_STORAGE_PROTOCOL_UAS;
}

static int on_flush(Task *task, bool is_asked, void *userdata) { return -EAGAIN; }

static bool on_is_clean(bool was_written, void *userdata) { return false; }

static void on_power_changed(void *userdata) {}

static void on_error_event(ErrorHandler *handler, ErrorHandlerEvent event, uint8_t lun,
                           void *userdata) {
        Load *load = userdata;

        if (load->power)
                power_manager_on_event(load->power, event);
}

/* As a worker has it where nothing sleeps. */
static int make_gate(Load *load) {
        static const PowerManagerOps ops = {
                .flush = on_flush,
                .is_clean = on_is_clean,
                .changed = on_power_changed,
        };

        return power_manager_new(&load->power,
                                 &(PowerManagerSetup){
                                                 .handler = load->error_handler,
                                                 .device = load->device,
                                                 .statistics = &load->power_statistics,
                                                 .ops = &ops,
                                 });
}

static int bring_up(Load *load, Task *task) {
        ScsiBringUpResult result;
        int r;

        r = usb_storage_device_init(&load->storage_device, usb_device_get_descriptors(load->device),
                                    usb_device_get_speed(load->device),
                                    1U << USB_STORAGE_PROTOCOL_BOT |
                                                    1U << USB_STORAGE_PROTOCOL_UAS);
        if (r < 0)
                return r;
        r = is_uas(load) ? start_uas(load, task) : start_bot(load, task);
        if (r < 0)
                return r;
        r = scsi_processor_new(&load->processor, load->transport,
                               &(ScsiProcessorOptions){ .history = &load->history });
        if (r < 0)
                return r;
        r = error_handler_new(&load->error_handler, load->processor, load->transport,
                              &(ErrorHandlerOptions){ 0 }, on_error_event, load);
        if (r == 0)
                r = make_gate(load);
        if (r < 0)
                return r;
        result = scsi_bring_up(task, power_manager_get_target(load->power), 0, NULL, &load->disk);
        if (result != SCSI_BRING_UP_RESULT_READY)
                return -ENODEV;
        r = lun_new(&load->lun, power_manager_get_target(load->power), &load->disk,
                    &(LunOptions){ .name = "load", .is_trim_enabled = true });
        load->block = load->lun;
        return r < 0 || !arg_has_cache ? r : add_cache(load);
}

static int prepare_slots(Load *load) {
        Staging *staging = usb_device_get_staging(load->device);

        for (unsigned i = 0; i < arg_depth; i++) {
                LoadSlot *slot = &load->slots[i];

                slot->load = load;
                slot->segment.iov_len = arg_size;
                if (arg_size == 0)
                        continue;
                slot->segment.iov_base = staging_get(staging, arg_size);
                if (!slot->segment.iov_base)
                        return -ENOMEM;
                memset(slot->segment.iov_base, (int) i, arg_size);
        }
        return 0;
}

static void print_result(const Load *load, uint64_t elapsed_ns, uint64_t cpu_ns) {
        double iops = (double) load->latency.n_values * (double) NS_PER_S / (double) elapsed_ns;

        printf("iops=%.0f mb_per_s=%.1f p50_us=%.1f p99_us=%.1f cpu_us=%.2f mode=%s\n", iops,
               iops * (double) arg_size / 1e6,
               (double) histogram_quantile(&load->latency, 500) / 1e3,
               (double) histogram_quantile(&load->latency, 990) / 1e3,
               (double) cpu_ns / 1e3 / (double) load->latency.n_values,
               is_uas(load) ? "uas" : bot_mode_to_string(bot_transport_get_mode(load->transport)));
}

static void on_flush_done(BlockRequest *request) {
        Load *load = container_of(request, Load, flush);

        future_complete(&load->idle, request->error);
}

static int await_flush(Load *load, Task *task) {
        int r;

        load->flush = (BlockRequest){
                .operation = BLOCK_OPERATION_FLUSH,
                .deadline_ns = event_loop_now_ns(load->loop) + 4 * REQUEST_TIMEOUT_NS,
                .done = on_flush_done,
        };
        future_init(&load->idle, load->loop, NULL);
        r = block_device_submit(load->block, &load->flush);
        return r < 0 ? r : task_await(task, &load->idle, TASK_NEVER);
}

static int run_load(Load *load, Task *task) {
        uint64_t started_ns, cpu_ns;
        int r;

        r = prepare_slots(load);
        if (r < 0)
                return r;
        histogram_init(&load->latency);
        random_init(&load->random, 1);
        future_init(&load->idle, load->loop, NULL);
        started_ns = clock_now_ns(CLOCK_MONOTONIC);
        cpu_ns = clock_now_ns(CLOCK_PROCESS_CPUTIME_ID);
        load->n_left = arg_n_requests - MIN(arg_n_requests, (uint64_t) arg_depth);
        load->end_ns = started_ns + (uint64_t) (arg_seconds * (double) NS_PER_S);
        for (unsigned i = 0; i < arg_depth; i++)
                slot_start(&load->slots[i]);
        task_await(task, &load->idle, TASK_NEVER);
        if (arg_with_flush && load->error == 0)
                load->error = await_flush(load, task);
        if (load->error == 0)
                print_result(load, clock_now_ns(CLOCK_MONOTONIC) - started_ns,
                             clock_now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns);
        return load->error;
}

static void release_interface(Load *load, Task *task) {
        UsbOperation release = {
                .type = USB_OPERATION_RELEASE,
                .interface = load->storage_device.interface.number,
        };

        if (load->transport)
                usb_device_await_operation(task, load->device, &release);
}

static int load_main(Task *task, void *userdata) {
        Load *load = userdata;
        uint64_t started_ns = clock_now_ns(CLOCK_MONOTONIC);
        int r;

        r = bring_up(load, task);
        if (r == 0 && arg_layer == LOAD_LAYER_NONE)
                printf("bring_up_us=%.1f payload_mb_per_s=%.2f\n",
                       (double) (clock_now_ns(CLOCK_MONOTONIC) - started_ns) / 1e3,
                       (double) simulated_device_get_payload_rate(load->storage_device.speed) /
                                       1e6);
        else if (r == 0)
                r = run_load(load, task);
        while (load->error_handler && !error_handler_is_idle(load->error_handler))
                task_sleep(task, NS_PER_MS);
        remove_cache(load, task);
        block_device_free(load->lun);
        if (load->power)
                power_manager_end(load->power, task);
        while (load->power && !power_manager_is_idle(load->power))
                task_sleep(task, NS_PER_MS);
        power_manager_free(load->power);
        release_interface(load, task);
        return r;
}

static void on_main_done(Task *task, int result, void *userdata) {
        Load *load = userdata;

        event_loop_exit(load->loop, result);
}

static void load_done(Load *load) {
        error_handler_free(load->error_handler);
        scsi_processor_free(load->processor);
        transport_free(load->transport);
        for (unsigned i = 0; i < arg_depth; i++)
                if (load->slots[i].segment.iov_base)
                        staging_put(usb_device_get_staging(load->device),
                                    load->slots[i].segment.iov_base, arg_size);
        usb_device_free(load->device);
        libusb_library_free(load->library);
        fd_closep(&load->usb_fd);
        event_loop_free(load->loop);
}

static int run(void) {
        static Load load = { .usb_fd = -EBADF, .arena_fd = -EBADF };
        int r;

        log_set_level(LOG_LEVEL_WARNING);
        r = systemd_event_loop_new(&load.loop);
        if (r < 0)
                return r;
        r = open_device(&load);
        if (r == 0)
                r = task_start(NULL, load.loop, "load", load_main, on_main_done, &load);
        if (r == 0)
                r = event_loop_run(load.loop);
        load_done(&load);
        return r;
}

static int print_help(void) {
        puts("stack_load --simulate=SPEC | --usb=NODE [OPTION]...\n"
             "\n"
             "  --layer=LAYER    block (default), scsi, or none: bring the device up alone\n"
             "  --depth=N        requests in flight (1)\n"
             "  --size=BYTES     of a request (4096); with scsi 0 for TEST UNIT READY\n"
             "  --span=BYTES     use only the first part of the disk\n"
             "  --write          write; else read\n"
             "  --random         at random; else one after the other\n"
             "  --seconds=S      how long (3)\n"
             "  --requests=N     so many requests, however long they take\n"
             "  --flush          and a FLUSH in the end, which counts\n"
             "  --cache=MODE     with a cache: write-back, write-through or off\n"
             "  --arena=BYTES    of that size (64M)\n"
             "  --read-ahead     and with read-ahead\n"
             "  --help           show this");
        return 0;
}

static int parse_layer(const char *text) {
        if (strcmp(text, "none") == 0)
                arg_layer = LOAD_LAYER_NONE;
        else if (strcmp(text, "scsi") == 0)
                arg_layer = LOAD_LAYER_SCSI;
        else if (strcmp(text, "block") == 0)
                arg_layer = LOAD_LAYER_BLOCK;
        else
                return -EINVAL;
        return 0;
}

static int parse_cache(const char *text) {
        for (CacheMode mode = 0; mode < _CACHE_MODE_MAX; mode++)
                if (strcmp(text, cache_mode_to_string(mode)) == 0) {
                        arg_cache.mode = mode;
                        arg_has_cache = true;
                        return 0;
                }
        return -EINVAL;
}

static int parse_options(int argc, char **argv) {
        static const struct option options[] = {
                { "simulate", required_argument, NULL, 'm' },
                { "usb", required_argument, NULL, 'u' },
                { "layer", required_argument, NULL, 'l' },
                { "depth", required_argument, NULL, 'd' },
                { "size", required_argument, NULL, 'b' },
                { "span", required_argument, NULL, 'n' },
                { "write", no_argument, NULL, 'w' },
                { "random", no_argument, NULL, 'r' },
                { "seconds", required_argument, NULL, 't' },
                { "requests", required_argument, NULL, 'q' },
                { "flush", no_argument, NULL, 'f' },
                { "cache", required_argument, NULL, 'c' },
                { "arena", required_argument, NULL, 'a' },
                { "read-ahead", no_argument, NULL, 'e' },
                { "help", no_argument, NULL, 'h' },
                { NULL, 0, NULL, 0 },
        };
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (option) {
                case 'm':
                        arg_simulation = optarg;
                        break;
                case 'u':
                        arg_usb_node = optarg;
                        break;
                case 'l':
                        if (parse_layer(optarg) < 0)
                                return -EINVAL;
                        break;
                case 'd':
                        arg_depth = (unsigned) strtoul(optarg, NULL, 0);
                        break;
                case 'b':
                        arg_size = strtoul(optarg, NULL, 0);
                        break;
                case 'n':
                        arg_span = strtoull(optarg, NULL, 0);
                        break;
                case 'w':
                        arg_is_write = true;
                        break;
                case 'r':
                        arg_is_random = true;
                        break;
                case 't':
                        arg_seconds = strtod(optarg, NULL);
                        break;
                case 'q':
                        arg_n_requests = strtoull(optarg, NULL, 0);
                        break;
                case 'f':
                        arg_with_flush = true;
                        break;
                case 'c':
                        if (parse_cache(optarg) < 0)
                                return -EINVAL;
                        break;
                case 'a':
                        arg_arena_size = strtoull(optarg, NULL, 0);
                        break;
                case 'e':
                        arg_cache.has_read_ahead = true;
                        break;
                case 'h':
                        exit(print_help());
                default:
                        return -EINVAL;
                }

        if (!arg_simulation == !arg_usb_node || arg_depth == 0 || arg_depth > DEPTH_MAX ||
            arg_size > REQUEST_SIZE_MAX || (arg_size == 0 && arg_layer == LOAD_LAYER_BLOCK) ||
            arg_seconds <= 0) {
                fputs("stack_load: a device is missing, or a number is out of range\n", stderr);
                return -EINVAL;
        }
        return 0;
}

int main(int argc, char **argv) {
        int r;

        if (parse_options(argc, argv) < 0)
                return 2;
        r = run();
        if (r < 0) {
                fprintf(stderr, "stack_load: %s\n", strerror(-r));
                return 1;
        }
        return 0;
}
