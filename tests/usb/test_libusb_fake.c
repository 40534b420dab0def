/* The device on libusb, whose every answer is translated once: here from a libusb that is made up. */

#include <check.h>
#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/systemd_event_loop.h"
#include "descriptor_samples.h"
#include "fake_libusb.h"
#include "unit_test.h"
#include "usb/libusb_device.h"
#include "usb/usb_descriptors.h"

#define BULK_IN 0x81
#define BULK_OUT 0x02
#define SIZE 512

static EventLoop *loop;
static FakeLibusb libusb;
static LibusbLibrary *library;
static UsbDevice *device;
static UsbTransfer transfer;
static uint8_t data[SIZE];
static unsigned n_done;
static unsigned n_gone;

static int open_device(void) {
        const LibusbDeviceOptions options = { .name = "1-1" };

        return libusb_device_new(&device, library, libusb.usbfs_fd, &options);
}

static void prepare(const uint8_t *descriptors, size_t size) {
        fake_libusb_init(&libusb, descriptors, size);
        ck_assert_int_eq(systemd_event_loop_new(&loop), 0);
        ck_assert_int_eq(libusb_library_new(&library, loop), 0);
        device = NULL;
        transfer = (UsbTransfer){};
        memset(data, 0, sizeof(data));
        n_done = n_gone = 0;
}

static void set_up(void) { prepare(sample_bot_high_speed, sizeof(sample_bot_high_speed)); }

static void tear_down(void) {
        usb_transfer_done(&transfer);
        usb_device_free(device);
        libusb_library_free(library);
        event_loop_free(loop);
        fake_libusb_done(&libusb);
}

static void on_transfer_done(UsbTransfer *unused) { n_done++; }

static void on_gone(UsbDevice *unused, void *userdata) { n_gone++; }

static void run_until(const unsigned *counter, unsigned value) {
        while (*counter < value)
                ck_assert_int_gt(event_loop_run_once(loop, /* may_wait= */ true), 0);
        ck_assert_uint_eq(*counter, value);
}

/* Opens the device, and prepares a transfer to that endpoint. */
static void begin(UsbTransferType type, uint8_t endpoint) {
        ck_assert_int_eq(open_device(), 0);
        usb_device_set_gone_handler(device, on_gone, NULL);
        transfer = (UsbTransfer){
                .type = type,
                .endpoint = endpoint,
                .stream_id = type == USB_TRANSFER_TYPE_BULK_STREAM,
                .data = data,
                .size = SIZE,
                .done = on_transfer_done,
        };
        ck_assert_int_eq(usb_transfer_init(&transfer, device), 0);
}

static void finish(enum libusb_transfer_status status, size_t size) {
        fake_libusb_complete(&libusb, status, size);
        run_until(&n_done, n_done + 1);
}

START_TEST(device_tells_what_it_is) {
        libusb.bos = sample_bos;
        libusb.bos_size = sizeof(sample_bos);
        ck_assert_int_eq(open_device(), 0);
        ck_assert_str_eq(usb_device_get_name(device), "1-1");
        ck_assert_uint_eq(usb_device_get_speed(device), USB_SPEED_HIGH);
        ck_assert_uint_eq(usb_device_get_descriptors(device)->n_interfaces, 1);
        /* USB 2.00 has no BOS to be asked for. */
        ck_assert(!usb_device_get_descriptors(device)->is_super_speed_capable);
}
END_TEST

START_TEST(bos_is_read_from_what_may_have_one) {
        static const struct {
                size_t size;
                bool is_capable;
        } cases[] = { { sizeof(sample_bos), true }, { 5, false }, { 3, false }, { 0, false } };

        for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
                tear_down();
                prepare(sample_bot_super_speed, sizeof(sample_bot_super_speed));
                libusb.bos = cases[i].size > 0 ? sample_bos : NULL;
                libusb.bos_size = cases[i].size;
                ck_assert_int_eq(open_device(), 0);
                ck_assert_int_eq(usb_device_get_descriptors(device)->is_super_speed_capable,
                                 cases[i].is_capable);
        }
}
END_TEST

START_TEST(speed_is_libusbs_where_nobody_knows_better) {
        static const UsbSpeed speeds[] = {
                [LIBUSB_SPEED_UNKNOWN] = USB_SPEED_UNKNOWN,
                [LIBUSB_SPEED_LOW] = USB_SPEED_LOW,
                [LIBUSB_SPEED_FULL] = USB_SPEED_FULL,
                [LIBUSB_SPEED_HIGH] = USB_SPEED_HIGH,
                [LIBUSB_SPEED_SUPER] = USB_SPEED_SUPER,
                [LIBUSB_SPEED_SUPER_PLUS] = USB_SPEED_SUPER_PLUS,
        };

        for (size_t i = 0; i < N_ELEMENTS(speeds); i++) {
                libusb.speed = (int) i;
                ck_assert_int_eq(open_device(), 0);
                ck_assert_uint_eq(usb_device_get_speed(device), speeds[i]);
                device = usb_device_free(device);
        }
}
END_TEST

START_TEST(device_that_cannot_be_opened_leaves_nothing) {
        int *const errors[] = { &libusb.wrap_error, &libusb.configuration_error,
                                &libusb.detach_error };

        for (size_t i = 0; i < N_ELEMENTS(errors); i++) {
                *errors[i] = LIBUSB_ERROR_NO_DEVICE;
                ck_assert_int_eq(open_device(), -ENODEV);
                ck_assert_uint_eq(libusb.n_handles, 0);
                *errors[i] = 0;
        }
        libusb.configuration = 9;
        ck_assert_int_eq(open_device(), -EBADMSG);
        ck_assert_ptr_null(device);
}
END_TEST

typedef struct StatusCase {
        enum libusb_transfer_status status;
        UsbResult result;
} StatusCase;

static const StatusCase status_cases[] = {
        { LIBUSB_TRANSFER_COMPLETED, USB_RESULT_OK },
        { LIBUSB_TRANSFER_TIMED_OUT, USB_RESULT_TIMED_OUT },
        { LIBUSB_TRANSFER_CANCELLED, USB_RESULT_CANCELLED },
        { LIBUSB_TRANSFER_STALL, USB_RESULT_STALL },
        { LIBUSB_TRANSFER_OVERFLOW, USB_RESULT_OVERFLOW },
        { LIBUSB_TRANSFER_ERROR, USB_RESULT_ERROR },
        /* The device is there: this was a transfer's own end. */
        { LIBUSB_TRANSFER_NO_DEVICE, USB_RESULT_ERROR },
};

START_TEST(each_status_is_translated) {
        static const UsbTransferType types[] = { USB_TRANSFER_TYPE_BULK,
                                                 USB_TRANSFER_TYPE_INTERRUPT,
                                                 USB_TRANSFER_TYPE_BULK_STREAM };

        for (size_t i = 0; i < N_ELEMENTS(types); i++) {
                begin(types[i], BULK_IN);
                for (size_t j = 0; j < N_ELEMENTS(status_cases); j++) {
                        ck_assert_int_eq(usb_transfer_submit(&transfer), 0);
                        ck_assert_ptr_eq(libusb.transfers[0]->buffer, data);
                        finish(status_cases[j].status, 100);
                        ck_assert_uint_eq(transfer.result, status_cases[j].result);
                        ck_assert_uint_eq(transfer.actual_size, 100);
                }
                usb_transfer_done(&transfer);
                device = usb_device_free(device);
        }
        ck_assert_uint_eq(n_gone, 0);
}
END_TEST

START_TEST(unplugged_device_is_gone) {
        begin(USB_TRANSFER_TYPE_BULK, BULK_IN);
        ck_assert_int_eq(usb_transfer_submit(&transfer), 0);
        libusb.is_disconnected = true;
        finish(LIBUSB_TRANSFER_NO_DEVICE, 0);
        ck_assert_uint_eq(transfer.result, USB_RESULT_GONE);
        run_until(&n_gone, 1);
        ck_assert_int_eq(usb_transfer_submit(&transfer), -ENODEV);
}
END_TEST

START_TEST(descriptor_that_libusb_loses_is_a_device_gone) {
        begin(USB_TRANSFER_TYPE_BULK, BULK_IN);
        fake_libusb_lose(&libusb);
        run_until(&n_gone, 1);
        ck_assert(usb_device_is_gone(device));
}
END_TEST

START_TEST(control_data_goes_both_ways) {
        begin(USB_TRANSFER_TYPE_CONTROL, 0);
        transfer.setup = (UsbSetup){ .request_type = USB_REQUEST_TYPE_CLASS_INTERFACE_IN,
                                     .request = 0xFE };
        transfer.size = 1;
        ck_assert_int_eq(usb_transfer_submit(&transfer), 0);
        ck_assert_uint_eq(libusb.transfers[0]->buffer[1], 0xFE);
        libusb.transfers[0]->buffer[LIBUSB_CONTROL_SETUP_SIZE] = 7;
        finish(LIBUSB_TRANSFER_COMPLETED, 1);
        ck_assert_uint_eq(data[0], 7);

        /* More than before: the memory grows. */
        transfer.setup.request_type = USB_REQUEST_TYPE_CLASS_INTERFACE_OUT;
        transfer.size = 20;
        data[19] = 9;
        ck_assert_int_eq(usb_transfer_submit(&transfer), 0);
        ck_assert_uint_eq(libusb.transfers[0]->buffer[LIBUSB_CONTROL_SETUP_SIZE + 19], 9);
        finish(LIBUSB_TRANSFER_COMPLETED, 20);
        ck_assert_uint_eq(transfer.result, USB_RESULT_OK);
}
END_TEST

typedef struct SubmitCase {
        int error;
        uint8_t endpoint;
        int expected;
} SubmitCase;

static const SubmitCase submit_cases[] = {
        { LIBUSB_ERROR_NO_MEM, BULK_IN, -ENOMEM },
        { LIBUSB_ERROR_IO, BULK_IN, -EIO },
        { LIBUSB_ERROR_IO, 0x85, -EINVAL },
        { LIBUSB_ERROR_NO_DEVICE, BULK_IN, -ENODEV },
};

START_TEST(refused_transfer_is_not_in_flight) {
        for (size_t i = 0; i < N_ELEMENTS(submit_cases); i++) {
                begin(USB_TRANSFER_TYPE_BULK, submit_cases[i].endpoint);
                libusb.submit_error = submit_cases[i].error;
                ck_assert_int_eq(usb_transfer_submit(&transfer), submit_cases[i].expected);
                ck_assert(!transfer.is_in_flight);
                usb_transfer_done(&transfer);
                device = usb_device_free(device);
        }
        libusb.submit_error = 0;
        begin(USB_TRANSFER_TYPE_BULK, BULK_OUT);
        transfer.size = (size_t) INT32_MAX + 1;
        ck_assert_int_eq(usb_transfer_submit(&transfer), -EINVAL);
}
END_TEST

START_TEST(transfers_are_cancelled_and_time_out) {
        begin(USB_TRANSFER_TYPE_BULK, BULK_IN);
        ck_assert_int_eq(usb_transfer_submit(&transfer), 0);
        usb_transfer_cancel(&transfer);
        run_until(&n_done, 1);
        ck_assert_uint_eq(transfer.result, USB_RESULT_CANCELLED);

        transfer.deadline_ns = 1;
        ck_assert_int_eq(usb_transfer_submit(&transfer), 0);
        run_until(&n_done, 2);
        ck_assert_uint_eq(transfer.result, USB_RESULT_TIMED_OUT);
}
END_TEST

static unsigned n_operations_done;

static void on_operation_done(UsbOperation *unused) { n_operations_done++; }

static UsbResult operate(UsbOperation *operation, int result) {
        operation->done = on_operation_done;
        libusb.operation_result = result;
        n_operations_done = 0;
        ck_assert_int_eq(usb_device_operate(device, operation), 0);
        run_until(&n_operations_done, 1);
        return operation->result;
}

typedef struct OperationCase {
        int error;
        UsbResult result;
} OperationCase;

static const OperationCase operation_cases[] = {
        { 0, USB_RESULT_OK },
        { LIBUSB_ERROR_PIPE, USB_RESULT_STALL },
        { LIBUSB_ERROR_TIMEOUT, USB_RESULT_TIMED_OUT },
        { LIBUSB_ERROR_OVERFLOW, USB_RESULT_OVERFLOW },
        { LIBUSB_ERROR_NO_MEM, USB_RESULT_NO_MEMORY },
        { LIBUSB_ERROR_IO, USB_RESULT_ERROR },
};

START_TEST(each_operation_is_made_and_translated) {
        for (UsbOperationType type = 0; type < USB_OPERATION_SUSPEND; type++)
                for (size_t i = 0; i < N_ELEMENTS(operation_cases); i++) {
                        UsbOperation operation = { .type = type, .endpoint = BULK_IN };

                        ck_assert_int_eq(open_device(), 0);
                        ck_assert_uint_eq(operate(&operation, operation_cases[i].error),
                                          operation_cases[i].result);
                        device = usb_device_free(device);
                }
        ck_assert_uint_eq(libusb.n_operations, USB_OPERATION_SUSPEND * N_ELEMENTS(operation_cases));
}
END_TEST

START_TEST(granted_streams_are_told) {
        UsbOperation streams = { .type = USB_OPERATION_ALLOC_STREAMS,
                                 .endpoints = { BULK_IN },
                                 .n_endpoints = 1,
                                 .n_streams = 32 };

        ck_assert_int_eq(open_device(), 0);
        ck_assert_uint_eq(operate(&streams, 16), USB_RESULT_OK);
        ck_assert_uint_eq(streams.value, 16);
}
END_TEST

START_TEST(device_that_returns_as_another_is_gone) {
        UsbOperation reset = { .type = USB_OPERATION_RESET };

        ck_assert_int_eq(open_device(), 0);
        ck_assert_uint_eq(operate(&reset, LIBUSB_ERROR_NOT_FOUND), USB_RESULT_GONE);
}
END_TEST

START_TEST(the_host_says_whether_it_can_suspend) {
        static const uint32_t capabilities[] = { USBDEVFS_CAP_SUSPEND,
                                                 ~(uint32_t) USBDEVFS_CAP_SUSPEND };

        for (size_t i = 0; i < N_ELEMENTS(capabilities); i++) {
                libusb.capabilities = capabilities[i];
                ck_assert_int_eq(open_device(), 0);
                ck_assert_int_eq(usb_device_can_suspend(device), i == 0);
                device = usb_device_free(device);
        }
}
END_TEST

START_TEST(suspend_is_allowed_and_forbidden) {
        UsbOperation suspend = { .type = USB_OPERATION_SUSPEND };
        UsbOperation resume = { .type = USB_OPERATION_RESUME };

        ck_assert_int_eq(open_device(), 0);
        ck_assert_uint_eq(operate(&suspend, 0), USB_RESULT_OK);
        ck_assert_uint_eq(libusb.last_ioctl, USBDEVFS_ALLOW_SUSPEND);
        ck_assert_uint_eq(operate(&resume, LIBUSB_ERROR_IO), USB_RESULT_ERROR);
        ck_assert_uint_eq(libusb.last_ioctl, USBDEVFS_FORBID_SUSPEND);
        libusb.is_disconnected = true;
        ck_assert_uint_eq(operate(&resume, 0), USB_RESULT_GONE);
}
END_TEST

typedef struct DisruptionCase {
        enum libusb_transfer_status status;
        size_t size;
        UsbResult result;
} DisruptionCase;

/* What the kernel makes of a transfer that a reset kills, and what it does not. */
static const DisruptionCase disruption_cases[] = {
        { LIBUSB_TRANSFER_NO_DEVICE, 0, USB_RESULT_CANCELLED },
        { LIBUSB_TRANSFER_COMPLETED, 100, USB_RESULT_CANCELLED },
        { LIBUSB_TRANSFER_COMPLETED, SIZE, USB_RESULT_OK },
        { LIBUSB_TRANSFER_STALL, 0, USB_RESULT_STALL },
};

START_TEST(transfer_that_a_reset_kills_was_cancelled) {
        UsbOperation reset = { .type = USB_OPERATION_RESET };

        begin(USB_TRANSFER_TYPE_BULK, BULK_IN);
        for (size_t i = 0; i < N_ELEMENTS(disruption_cases); i++) {
                ck_assert_int_eq(usb_transfer_submit(&transfer), 0);
                ck_assert_uint_eq(operate(&reset, 0), USB_RESULT_OK);
                finish(disruption_cases[i].status, disruption_cases[i].size);
                ck_assert_uint_eq(transfer.result, disruption_cases[i].result);
        }
        /* One from after the reset is short, and that is all. */
        ck_assert_int_eq(usb_transfer_submit(&transfer), 0);
        finish(LIBUSB_TRANSFER_COMPLETED, 100);
        ck_assert_uint_eq(transfer.result, USB_RESULT_OK);
}
END_TEST

START_TEST(memory_comes_from_usbfs_and_goes_back) {
        Staging *staging;
        void *memory;

        ck_assert_int_eq(open_device(), 0);
        staging = usb_device_get_staging(device);
        memory = staging_get(staging, 64 * KIB);
        ck_assert_ptr_nonnull(memory);
        ck_assert_uint_gt(libusb.n_memories, 0);
        staging_put(staging, memory, 64 * KIB);
        device = usb_device_free(device);
        ck_assert_uint_eq(libusb.n_memories, 0);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                device_tells_what_it_is,
                bos_is_read_from_what_may_have_one,
                speed_is_libusbs_where_nobody_knows_better,
                device_that_cannot_be_opened_leaves_nothing,
                each_status_is_translated,
                unplugged_device_is_gone,
                descriptor_that_libusb_loses_is_a_device_gone,
                control_data_goes_both_ways,
                refused_transfer_is_not_in_flight,
                transfers_are_cancelled_and_time_out,
                each_operation_is_made_and_translated,
                granted_streams_are_told,
                device_that_returns_as_another_is_gone,
                the_host_says_whether_it_can_suspend,
                suspend_is_allowed_and_forbidden,
                transfer_that_a_reset_kills_was_cancelled,
                memory_comes_from_usbfs_and_goes_back,
                NULL,
        };

        return run_suite(suite_with_fixture("libusb fake", set_up, tear_down, tests));
}
