/*
 * Tries LibusbDevice on real hardware (or a virtual machine's): takes the Bulk-Only device whose
 * usbfs node is named, reads from it by bare transfers, resets it, hangs a transfer, gives it back.
 * Prints what happened; it only ever reads the medium. With "wait-gone" it stays until the device
 * is unplugged. Not a test: nothing runs it by itself.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/systemd_event_loop.h"
#include "usb/libusb_device.h"
#include "usb/usb_memory_pool.h"
#include "usb/usb_storage_device.h"

#define CBW_SIZE 31
#define CSW_SIZE 13
#define DEADLINE_NS (5 * NS_PER_S)
#define READ_SIZE MIB
#define N_READS 64
#define BLOCK_SIZE 512

typedef struct Try {
        EventLoop *loop;        /* owned */
        LibusbLibrary *library; /* owned */
        UsbDevice *device;      /* owned */
        UsbStorageDevice storage_device;
        UsbTransfer transfer;
        Future transferred;
        Future gone;
        uint32_t tag;
        bool waits_for_gone;
} Try;

static void on_transfer_done(UsbTransfer *transfer) {
        future_complete(&container_of(transfer, Try, transfer)->transferred, 0);
}

static void on_gone(UsbDevice *device, void *userdata) {
        Try *try = userdata;

        printf("gone: reported\n");
        future_complete(&try->gone, 0);
}

static int start(Try *try, uint8_t endpoint, void *data, size_t size, uint64_t timeout_ns) {
        try->transfer.type = USB_TRANSFER_TYPE_BULK;
        try->transfer.endpoint = endpoint;
        try->transfer.data = data;
        try->transfer.size = size;
        try->transfer.deadline_ns = event_loop_now_ns(try->loop) + timeout_ns;
        try->transfer.done = on_transfer_done;
        future_init(&try->transferred, try->loop, /* cancel= */ NULL);
        return usb_transfer_submit(&try->transfer);
}

static UsbResult await(Try *try, Task *task) {
        (void) task_await(task, &try->transferred, TASK_NEVER);
        return try->transfer.result;
}

static UsbResult transfer(Try *try, Task *task, uint8_t endpoint, void *data, size_t size) {
        int r = start(try, endpoint, data, size, DEADLINE_NS);

        if (r < 0) {
                printf("submit: %s\n", strerror(-r));
                return r == -ENODEV ? USB_RESULT_GONE : USB_RESULT_ERROR;
        }
        return await(try, task);
}

/* A command with data in, phase by phase (BOT 1.0, 5.1). `block` is a page for CBW and CSW. */
static UsbResult command(Try *try, Task *task, uint8_t *block, const uint8_t *cdb, uint8_t cdb_size,
                         void *data, uint32_t size) {
        UsbResult result;

        memset(block, 0, CBW_SIZE);
        put_le32(block, 0x43425355);
        put_le32(block + 4, ++try->tag);
        put_le32(block + 8, size);
        block[12] = USB_ENDPOINT_IN;
        block[14] = cdb_size;
        memcpy(block + 15, cdb, cdb_size);
        result = transfer(try, task, try->storage_device.bulk_out.address, block, CBW_SIZE);
        if (result == USB_RESULT_OK)
                result = transfer(try, task, try->storage_device.bulk_in.address, data, size);
        if (result == USB_RESULT_OK)
                result = transfer(try, task, try->storage_device.bulk_in.address, block, CSW_SIZE);
        if (result == USB_RESULT_OK && (get_le32(block + 4) != try->tag || block[12] != 0))
                printf("CSW: tag %u for %u, status %u\n", get_le32(block + 4), try->tag, block[12]);
        return result;
}

static void try_inquiry(Try *try, Task *task, uint8_t *block) {
        static const uint8_t cdb[6] = { 0x12, 0, 0, 0, 36, 0 };
        Staging *staging = usb_device_get_staging(try->device);
        uint8_t *data = staging_get(staging, 36);
        UsbResult result = command(try, task, block, cdb, sizeof(cdb), data, 36);

        printf("inquiry: %s '%.28s'\n", usb_result_to_string(result),
               result == USB_RESULT_OK ? (const char *) data + 8 : "");
        staging_put(staging, data, 36);
}

static void try_reads(Try *try, Task *task, uint8_t *block, const char *what, uint8_t *data) {
        uint64_t start_ns = event_loop_now_ns(try->loop), duration_ns;
        UsbResult result = USB_RESULT_OK;
        uint32_t sum = 0;

        for (uint32_t i = 0; i < N_READS && result == USB_RESULT_OK; i++) {
                uint8_t cdb[10] = { 0x28 };

                put_be32(cdb + 2, i * (READ_SIZE / BLOCK_SIZE));
                put_be16(cdb + 7, READ_SIZE / BLOCK_SIZE);
                result = command(try, task, block, cdb, sizeof(cdb), data, READ_SIZE);
                for (size_t j = 0; result == USB_RESULT_OK && j < READ_SIZE; j += BLOCK_SIZE)
                        sum = sum * 31 + get_le32(data + j);
        }
        duration_ns = event_loop_now_ns(try->loop) - start_ns;
        printf("%d reads of 1 MiB, %s: %s, sum %08x, %u MB/s\n", N_READS, what,
               usb_result_to_string(result), sum,
               (unsigned) (N_READS * READ_SIZE * 1000 / MAX(duration_ns, 1U)));
}

static void try_memory(Try *try, Task *task, uint8_t *block) {
        Staging *staging = usb_device_get_staging(try->device);
        uint8_t *zero_copy = staging_get(staging, READ_SIZE);
        uint8_t *heap = staging_get(staging_heap(), READ_SIZE);
        UsbMemoryStats stats;

        usb_memory_pool_get_stats(try->device->memory_pool, &stats);
        printf("memory: %zu bytes zero-copy, %zu of the heap\n", stats.zero_copy_size,
               stats.heap_size);
        try_reads(try, task, block, "staging memory", zero_copy);
        try_reads(try, task, block, "heap memory", heap);
        staging_put(staging_heap(), heap, READ_SIZE);
        staging_put(staging, zero_copy, READ_SIZE);
}

static UsbResult operate(Try *try, Task *task, UsbOperationType type, uint8_t endpoint) {
        UsbOperation operation = {
                .type = type,
                .interface = try->storage_device.interface.number,
                .alternate = try->storage_device.interface.alternate,
                .endpoint = endpoint,
        };
        uint64_t start_ns = event_loop_now_ns(try->loop);
        UsbResult result = usb_device_await_operation(task, try->device, &operation);

        printf("%s: %s, %u ms\n", usb_operation_type_to_string(type), usb_result_to_string(result),
               (unsigned) ((event_loop_now_ns(try->loop) - start_ns) / NS_PER_MS));
        return result;
}

/* An IN that no command is behind: it hangs, or the device stalls it. */
static void try_hanging(Try *try, Task *task, uint8_t *block) {
        uint8_t endpoint = try->storage_device.bulk_in.address;

        if (start(try, endpoint, block, CSW_SIZE, 300 * NS_PER_MS) == 0)
                printf("hanging, with a deadline: %s\n", usb_result_to_string(await(try, task)));
        operate(try, task, USB_OPERATION_CLEAR_HALT, endpoint);
        if (start(try, endpoint, block, CSW_SIZE, DEADLINE_NS) == 0) {
                usb_transfer_cancel(&try->transfer);
                printf("hanging, cancelled: %s\n", usb_result_to_string(await(try, task)));
        }
        operate(try, task, USB_OPERATION_CLEAR_HALT, endpoint);
        if (start(try, endpoint, block, CSW_SIZE, DEADLINE_NS) == 0) {
                operate(try, task, USB_OPERATION_RESET, 0);
                printf("hanging, reset: %s\n", usb_result_to_string(await(try, task)));
        }
}

static void try_control(Try *try, Task *task) {
        static const UsbSetup get_max_lun = { USB_REQUEST_TYPE_CLASS_INTERFACE_IN, 0xFE, 0, 0 };
        uint8_t max_lun = 0;
        size_t actual_size = 0;
        UsbResult result = usb_device_await_control(task, try->device, &get_max_lun, &max_lun, 1,
                                                    event_loop_now_ns(try->loop) + DEADLINE_NS,
                                                    &actual_size);

        printf("get max lun: %s, %zu bytes, %u\n", usb_result_to_string(result), actual_size,
               max_lun);
}

static void try_unplugging(Try *try, Task *task, uint8_t *block) {
        printf("waiting until it is unplugged\n");
        fflush(stdout);
        (void) task_await(task, &try->gone, TASK_NEVER);
        operate(try, task, USB_OPERATION_CLEAR_HALT, try->storage_device.bulk_in.address);
        printf("submit: %s\n",
               strerror(-start(try, try->storage_device.bulk_in.address, block, CSW_SIZE, 1)));
}

static int try_main(Task *task, void *userdata) {
        Try *try = userdata;
        Staging *staging = usb_device_get_staging(try->device);
        uint8_t *block = staging_get(staging, CBW_SIZE);

        if (operate(try, task, USB_OPERATION_CLAIM, 0) == USB_RESULT_OK) {
                operate(try, task, USB_OPERATION_RESET, 0);
                try_control(try, task);
                try_inquiry(try, task, block);
                try_memory(try, task, block);
                try_hanging(try, task, block);
                try_inquiry(try, task, block);
                operate(try, task, USB_OPERATION_SET_INTERFACE, 0);
                operate(try, task, USB_OPERATION_SUSPEND, 0);
                operate(try, task, USB_OPERATION_RESUME, 0);
                try_inquiry(try, task, block);
                if (try->waits_for_gone)
                        try_unplugging(try, task, block);
                operate(try, task, USB_OPERATION_RELEASE, 0);
        }
        staging_put(staging, block, CBW_SIZE);
        return 0;
}

static void on_done(Task *task, int result, void *userdata) {
        Try *try = userdata;

        event_loop_exit(try->loop, result);
}

static int prepare(Try *try, int fd) {
        LibusbDeviceOptions options = { .name = "try" };
        const UsbDescriptors *descriptors;
        int r;

        r = systemd_event_loop_new(&try->loop);
        if (r >= 0)
                r = libusb_library_new(&try->library, try->loop);
        if (r >= 0)
                r = libusb_device_new(&try->device, try->library, fd, &options);
        if (r < 0)
                return r;
        descriptors = usb_device_get_descriptors(try->device);
        printf("device %04x:%04x, %s speed, %zu interfaces, %zu dropped, SuperSpeed capable: %d\n",
               descriptors->vendor_id, descriptors->product_id,
               usb_speed_to_string(usb_device_get_speed(try->device)), descriptors->n_interfaces,
               descriptors->n_dropped, descriptors->is_super_speed_capable);
        r = usb_storage_device_init(&try->storage_device, descriptors,
                                    usb_device_get_speed(try->device),
                                    1U << USB_STORAGE_PROTOCOL_BOT);
        if (r < 0)
                return r;
        future_init(&try->gone, try->loop, /* cancel= */ NULL);
        usb_device_set_gone_handler(try->device, on_gone, try);
        r = usb_transfer_init(&try->transfer, try->device);
        if (r < 0)
                return r;
        return task_start(NULL, try->loop, "try", try_main, on_done, try);
}

int main(int argc, char *argv[]) {
        _cleanup_(fd_closep) int fd = -EBADF;
        Try try = { 0 };
        int r;

        if (argc < 2) {
                fprintf(stderr, "Usage: %s /dev/bus/usb/BBB/DDD [wait-gone]\n", argv[0]);
                return EXIT_FAILURE;
        }
        try.waits_for_gone = argc > 2 && strcmp(argv[2], "wait-gone") == 0;
        fd = open(argv[1], O_RDWR | O_CLOEXEC);
        r = fd < 0 ? -errno : prepare(&try, fd);
        if (r >= 0)
                r = event_loop_run(try.loop);
        usb_transfer_done(&try.transfer);
        usb_device_free(try.device);
        libusb_library_free(try.library);
        event_loop_free(try.loop);
        printf("end: %s\n", r < 0 ? strerror(-r) : "ok");
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
