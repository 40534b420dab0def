/* What happens on the wire is in the file, packet by packet, and the file begins with who it was. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/virtual_event_loop.h"
#include "scripted_usb.h"
#include "unit_test.h"
#include "usb/usb_descriptors_writer.h"
#include "usb/usb_trace.h"

#define PACKETS_MAX 32
#define FILE_SIZE_MAX (1 * MIB)
#define REALTIME_NS (UINT64_C(1700000000) * NS_PER_S)

/* As pcap and usbmon have them: 16 and 64 bytes. */
typedef struct Packet {
        uint32_t captured_size; /* of the data */
        uint32_t original_size; /* likewise */
        uint8_t event, transfer_type, endpoint, device_number;
        bool has_setup, has_data;
        int64_t seconds;
        int32_t status;
        uint32_t size;
        const uint8_t *setup;
        const uint8_t *data;
} Packet;

static ScriptedUsb usb;
static UsbTransfer transfer;
static uint8_t buffer[4096];
static uint8_t file[FILE_SIZE_MAX];
static Packet packets[PACKETS_MAX];
static size_t n_packets;

static uint32_t get_u32(const uint8_t *bytes) {
        uint32_t value;

        memcpy(&value, bytes, sizeof(value));
        return value;
}

static void read_packet(const uint8_t *record) {
        const uint8_t *p = record + 16;
        Packet *packet = &packets[n_packets++];

        ck_assert_uint_le(n_packets, PACKETS_MAX);
        *packet = (Packet){
                .captured_size = get_u32(record + 8) - 64,
                .original_size = get_u32(record + 12) - 64,
                .event = p[8],
                .transfer_type = p[9],
                .endpoint = p[10],
                .device_number = p[11],
                .has_setup = p[14] == 0,
                .has_data = p[15] == 0,
                .status = (int32_t) get_u32(p + 28),
                .size = get_u32(p + 32),
                .setup = p + 40,
                .data = p + 64,
        };
        memcpy(&packet->seconds, p + 16, sizeof(packet->seconds));
        ck_assert_uint_eq(get_u32(p + 36), packet->captured_size);
        ck_assert_int_eq((int64_t) get_u32(record), packet->seconds);
}

static void read_file(int fd) {
        ssize_t size = pread(fd, file, sizeof(file), 0);

        ck_assert_int_ge(size, 24);
        ck_assert_uint_eq(get_u32(file), 0xA1B2C3D4);
        ck_assert_uint_eq(get_u32(file + 20), 220);
        n_packets = 0;
        for (ssize_t offset = 24; offset < size;) {
                ck_assert_int_le(offset + 16, size);
                read_packet(file + offset);
                offset += 16 + get_u32(file + offset + 8);
                ck_assert_int_le(offset, size);
        }
}

static UsbTrace *attach(int fd, uint32_t data_size_max) {
        UsbTrace *trace;

        ck_assert_int_eq(usb_trace_new(&trace, &usb.device, dup(fd),
                                       &(UsbTraceOptions){
                                                       .realtime_ns = REALTIME_NS,
                                                       .bus_number = 1,
                                                       .device_number = 7,
                                                       .data_size_max = data_size_max,
                                       }),
                         0);
        return trace;
}

static void on_done(UsbTransfer *done) {}

static void move(uint8_t endpoint, size_t size) {
        transfer.type = USB_TRANSFER_TYPE_BULK;
        transfer.endpoint = endpoint;
        transfer.data = buffer;
        transfer.size = size;
        transfer.done = on_done;
        ck_assert_int_eq(usb_transfer_submit(&transfer), 0);
        while (transfer.is_in_flight)
                ck_assert_int_ge(event_loop_run_once(usb.loop, /* may_wait= */ true), 0);
}

static void start(const UsbStep *steps, size_t n_steps) {
        memset(&transfer, 0, sizeof(transfer));
        scripted_usb_init(&usb, USB_SPEED_HIGH, steps, n_steps);
        ck_assert_int_eq(usb_transfer_init(&transfer, &usb.device), 0);
}

static void finish(void) {
        usb_transfer_done(&transfer);
        scripted_usb_done(&usb);
}

START_TEST(descriptors_are_the_same_after_writing_and_reading_them) {
        uint8_t bytes[18 + USB_DESCRIPTORS_WRITER_SIZE_MAX];
        const UsbDescriptors *before;
        UsbDescriptors after;
        size_t size;

        start(NULL, 0);
        before = usb_device_get_descriptors(&usb.device);
        size = usb_descriptors_writer_put_device(before, bytes);
        size += usb_descriptors_writer_put_configuration(before, bytes + size);
        ck_assert_int_eq(usb_descriptors_parse(&after, bytes, size, 0), 0);
        ck_assert_uint_eq(after.n_dropped, 0);
        ck_assert_uint_eq(after.vendor_id, before->vendor_id);
        ck_assert_uint_eq(after.product_id, before->product_id);
        ck_assert_uint_eq(after.usb_version, before->usb_version);
        ck_assert_uint_eq(after.n_interfaces, before->n_interfaces);
        ck_assert_uint_eq(after.n_endpoints, before->n_endpoints);
        ck_assert_mem_eq(after.interfaces, before->interfaces,
                         before->n_interfaces * sizeof(before->interfaces[0]));
        for (size_t i = 0; i < before->n_endpoints; i++) {
                ck_assert_uint_eq(after.endpoints[i].address, before->endpoints[i].address);
                ck_assert_int_eq(after.endpoints[i].type, before->endpoints[i].type);
                ck_assert_uint_eq(after.endpoints[i].packet_size_max,
                                  before->endpoints[i].packet_size_max);
                ck_assert_uint_eq(after.endpoints[i].uas_pipe_id, before->endpoints[i].uas_pipe_id);
        }
        finish();
}
END_TEST

START_TEST(a_trace_begins_with_the_descriptors) {
        int fd = memfd_create("trace", MFD_CLOEXEC);
        UsbTrace *trace;

        start(NULL, 0);
        trace = attach(fd, 0);
        read_file(fd);
        ck_assert_uint_eq(n_packets, 4);
        ck_assert_uint_eq(packets[0].event, 'S');
        ck_assert_uint_eq(packets[0].transfer_type, 2);
        ck_assert_uint_eq(packets[0].endpoint, 0x80);
        ck_assert_uint_eq(packets[0].device_number, 7);
        ck_assert(packets[0].has_setup && !packets[0].has_data);
        ck_assert_mem_eq(packets[0].setup, ((const uint8_t[]){ 0x80, 6, 0, 1, 0, 0, 18, 0 }), 8);
        ck_assert_int_eq(packets[0].seconds, REALTIME_NS / NS_PER_S);
        ck_assert_uint_eq(packets[1].event, 'C');
        ck_assert_uint_eq(packets[1].captured_size, 18);
        ck_assert_uint_eq(packets[1].data[1], 1);
        ck_assert_uint_eq(packets[3].data[1], 2);
        ck_assert_uint_eq(packets[3].captured_size, packets[3].size);
        usb_trace_free(trace);
        ck_assert_ptr_null(usb.device.trace);
        close(fd);
        finish();
}
END_TEST

START_TEST(data_are_in_the_packet_that_has_them) {
        static const UsbStep dialogue[] = { USB_OUT_SIZE(31), USB_IN_SIZE(1024), USB_STALL_IN() };
        int fd = memfd_create("trace", MFD_CLOEXEC);
        UsbTrace *trace;

        start(dialogue, N_ELEMENTS(dialogue));
        trace = attach(fd, 100);
        memset(buffer, 0x55, sizeof(buffer));
        move(SCRIPTED_USB_BULK_OUT, 31);
        move(SCRIPTED_USB_BULK_IN, 1024);
        move(SCRIPTED_USB_BULK_IN, 13);
        ck_assert_uint_eq(usb_trace_finish(trace).n_packets, 4 + 6);
        read_file(fd);
        ck_assert_uint_eq(n_packets, 10);

        ck_assert(packets[4].has_data && packets[4].event == 'S');
        ck_assert_uint_eq(packets[4].captured_size, 31);
        ck_assert_uint_eq(packets[4].data[30], 0x55);
        ck_assert_int_eq(packets[4].status, -EINPROGRESS);
        ck_assert(!packets[5].has_data && packets[5].event == 'C');
        ck_assert_uint_eq(packets[5].size, 31);
        ck_assert_uint_eq(packets[5].captured_size, 0);

        ck_assert(!packets[6].has_data);
        ck_assert_uint_eq(packets[6].endpoint, SCRIPTED_USB_BULK_IN);
        ck_assert_uint_eq(packets[6].size, 1024);
        ck_assert_uint_eq(packets[7].captured_size, 100);
        ck_assert_uint_eq(packets[7].original_size, 1024);
        ck_assert_uint_eq(packets[7].data[99], SCRIPTED_USB_PATTERN(99));
        ck_assert_int_eq(packets[9].status, -EPIPE);
        close(fd);
        finish();
}
END_TEST

static void on_operation_done(UsbOperation *operation) {}

START_TEST(operations_are_requests_where_the_wire_has_them) {
        static const UsbStep dialogue[] = { USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN) };
        UsbOperation operation = { .type = USB_OPERATION_CLEAR_HALT,
                                   .endpoint = SCRIPTED_USB_BULK_IN,
                                   .done = on_operation_done };
        int fd = memfd_create("trace", MFD_CLOEXEC);
        UsbTrace *trace;

        start(dialogue, N_ELEMENTS(dialogue));
        trace = attach(fd, 0);
        ck_assert_int_eq(usb_device_operate(&usb.device, &operation), 0);
        scripted_usb_run(&usb);
        usb_trace_free(trace);
        read_file(fd);
        ck_assert_uint_eq(n_packets, 6);
        ck_assert_mem_eq(packets[4].setup, ((const uint8_t[]){ 2, 1, 0, 0, 0x81, 0, 0, 0 }), 8);
        ck_assert_uint_eq(packets[5].event, 'C');
        ck_assert_int_eq(packets[5].status, 0);
        close(fd);
        finish();
}
END_TEST

START_TEST(what_happens_without_a_trace_is_in_none) {
        static const UsbStep dialogue[] = { USB_IN_SIZE(13), USB_IN_SIZE(13) };
        int fd = memfd_create("trace", MFD_CLOEXEC);

        start(dialogue, N_ELEMENTS(dialogue));
        move(SCRIPTED_USB_BULK_IN, 13);
        usb_trace_free(attach(fd, 0));
        move(SCRIPTED_USB_BULK_IN, 13);
        read_file(fd);
        ck_assert_uint_eq(n_packets, 4);
        close(fd);
        finish();
}
END_TEST

START_TEST(there_is_one_trace_at_a_time) {
        int fd = memfd_create("trace", MFD_CLOEXEC);
        UsbTrace *trace, *other;

        start(NULL, 0);
        trace = attach(fd, 0);
        ck_assert_int_eq(usb_trace_new(&other, &usb.device, dup(fd), &(UsbTraceOptions){ 0 }),
                         -EBUSY);
        usb_trace_free(trace);
        close(fd);
        finish();
}
END_TEST

START_TEST(a_file_that_is_full_costs_packets_and_nothing_else) {
        static const UsbStep dialogue[] = { USB_IN_SIZE(13) };
        int fd = memfd_create("trace", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        UsbTraceCounts counts;
        UsbTrace *trace;

        start(dialogue, N_ELEMENTS(dialogue));
        trace = attach(fd, 0);
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
        move(SCRIPTED_USB_BULK_IN, 13);
        ck_assert_int_eq(virtual_event_loop_run_until(usb.loop,
                                                      event_loop_now_ns(usb.loop) + NS_PER_S),
                         0);
        counts = usb_trace_finish(trace);
        ck_assert_uint_eq(counts.n_packets, 4);
        ck_assert_uint_eq(counts.n_dropped, 2);
        close(fd);
        finish();
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                descriptors_are_the_same_after_writing_and_reading_them,
                a_trace_begins_with_the_descriptors,
                data_are_in_the_packet_that_has_them,
                operations_are_requests_where_the_wire_has_them,
                what_happens_without_a_trace_is_in_none,
                there_is_one_trace_at_a_time,
                a_file_that_is_full_costs_packets_and_nothing_else,
                NULL,
        };

        return run_suite(suite_of("usb trace", tests));
}
