/* The UsbDevice: control requests, operations, cancelling, unplugging, power, and the link's time. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "../base/unit_test.h"
#include "base/bytes.h"
#include "base/random.h"
#include "usb/usb_descriptors.h"
#include "usb_bench.h"

#define DISK "size=1M,speed=high,link=ideal"

static const UsbBenchCommand write_one = { .cdb = { 0x2A, 0, 0, 0, 0, 0, 0, 0, 1 }, .size = 512 };
static const UsbBenchCommand synchronise = { .cdb = { 0x35 } };

static void init_ready(UsbBench *bench, const char *spec) {
        usb_bench_init(bench, spec);
        ck_assert(usb_bench_settle(bench));
}

typedef struct Speed {
        const char *spec;
        UsbSpeed speed;
        uint16_t packet_size;
        uint16_t usb_version;
        uint8_t burst_max;
        uint64_t rate_min; /* bytes a second */
} Speed;

static const Speed speeds[] = {
        { "size=1M,speed=full", USB_SPEED_FULL, 64, 0x0110, 0, 1200000 },
        { "size=1M,speed=high", USB_SPEED_HIGH, 512, 0x0200, 0, 53000000 },
        { "size=1M,speed=super", USB_SPEED_SUPER, 1024, 0x0300, 15, 400000000 },
};

START_TEST(descriptors_are_those_of_a_bulk_only_disk_at_its_speed) {
        const Speed *speed = &speeds[_i];
        UsbBench bench;

        usb_bench_init(&bench, speed->spec);
        const UsbDescriptors *descriptors = usb_device_get_descriptors(bench.device);
        ck_assert_int_eq(usb_device_get_speed(bench.device), speed->speed);
        ck_assert_str_eq(usb_device_get_name(bench.device), "sim-SIM0");
        ck_assert_uint_eq(descriptors->n_dropped, 0);
        ck_assert_uint_eq(descriptors->usb_version, speed->usb_version);
        ck_assert_uint_eq(descriptors->vendor_id, 0x1209);
        ck_assert_uint_eq(descriptors->n_interfaces, 1);
        ck_assert_uint_eq(descriptors->interfaces[0].class, USB_CLASS_MASS_STORAGE);
        ck_assert_uint_eq(descriptors->interfaces[0].subclass, 0x06);
        ck_assert_uint_eq(descriptors->interfaces[0].protocol, USB_PROTOCOL_BOT);
        ck_assert_uint_eq(descriptors->n_endpoints, 2);
        ck_assert_int_eq(descriptors->is_super_speed_capable, speed->speed == USB_SPEED_SUPER);
        for (size_t i = 0; i < 2; i++) {
                const UsbEndpoint *endpoint = &descriptors->endpoints[i];

                ck_assert_uint_eq(endpoint->address, i == 0 ? USB_BENCH_IN : USB_BENCH_OUT);
                ck_assert_int_eq(endpoint->type, USB_ENDPOINT_TYPE_BULK);
                ck_assert_uint_eq(endpoint->packet_size_max, speed->packet_size);
                ck_assert_uint_eq(endpoint->burst_max, speed->burst_max);
        }
        usb_bench_done(&bench);
}
END_TEST

/* Requests on the default pipe and what they give; a negative size is a stall. */
typedef struct Control {
        uint8_t type, request;
        uint16_t value, index;
        size_t size;
        int expected_size;
        uint8_t expected[4]; /* its first bytes */
} Control;

static const Control controls[] = {
        { 0x80, 6, 0x0100, 0, 64, 18, { 18, 1, 0x00, 0x02 } },
        { 0x80, 6, 0x0100, 0, 8, 8, { 18, 1, 0x00, 0x02 } },
        { 0x80, 6, 0x0200, 0, 255, 32, { 9, 2, 32, 0 } },
        { 0x80, 6, 0x0300, 0, 255, 4, { 4, 3, 0x09, 0x04 } },
        { 0x80, 6, 0x0303, 0x0409, 255, 10, { 10, 3, 'S', 0 } },
        { 0x80, 6, 0x0304, 0x0409, 255, -1 },
        { 0x80, 6, 0x0F00, 0, 255, -1 }, /* BOS: super speed only */
        { 0x80, 6, 0x0600, 0, 255, -1 },
        { 0x80, 0, 0, 0, 2, 2, { 0, 0 } },
        { 0x82, 0, 0, USB_BENCH_IN, 2, 2, { 0, 0 } },
        { 0x82, 0, 0, 0x83, 2, -1 },
        { 0x80, 8, 0, 0, 1, 1, { 1 } },
        { 0x00, 9, 1, 0, 0, 0 },
        { 0x00, 9, 2, 0, 0, -1 },
        { 0x81, 10, 0, 0, 1, 1, { 0 } },
        { 0x01, 11, 0, 0, 0, 0 },
        { 0x01, 11, 1, 0, 0, -1 },
        { 0xA1, 0xFE, 0, 0, 1, 1, { 2 } },
        { 0xA1, 0xFE, 0, 1, 1, -1 },
        { 0xA1, 0xFE, 1, 0, 1, -1 },
        { 0x21, 0xFF, 0, 0, 0, 0 },
        { 0x21, 0xFE, 0, 0, 0, -1 },
        { 0x21, 0x00, 0, 0, 0, -1 }, /* ADSC belongs to CBI */
        { 0xC0, 0x01, 0, 0, 8, -1 }, /* of a vendor */
};

START_TEST(requests_are_answered_or_refused_with_a_stall) {
        const Control *control = &controls[_i];
        UsbBench bench;
        size_t size = 0;

        usb_bench_init(&bench, DISK ",luns=3");
        UsbResult result =
                        usb_bench_control(&bench, control->type, control->request, control->value,
                                          control->index, bench.data, control->size, &size);
        if (control->expected_size < 0) {
                ck_assert_int_eq(result, USB_RESULT_STALL);
        } else {
                ck_assert_int_eq(result, USB_RESULT_OK);
                ck_assert_uint_eq(size, control->expected_size);
                ck_assert_mem_eq(bench.data, control->expected, MIN(size, (size_t) 4));
        }
        usb_bench_done(&bench);
}
END_TEST

START_TEST(a_halt_is_seen_set_and_cleared_by_requests) {
        UsbBench bench;
        size_t size;

        init_ready(&bench, DISK);
        ck_assert_int_eq(usb_bench_control(&bench, 0x02, 3, 0, USB_BENCH_IN, NULL, 0, NULL),
                         USB_RESULT_OK);
        usb_bench_control(&bench, 0x82, 0, 0, USB_BENCH_IN, bench.data, 2, &size);
        ck_assert_uint_eq(bench.data[0], 1);
        ck_assert_int_eq(usb_bench_transfer(&bench, USB_BENCH_IN, bench.csw, 13, &size),
                         USB_RESULT_STALL);
        ck_assert_int_eq(usb_bench_control(&bench, 0x02, 1, 0, USB_BENCH_IN, NULL, 0, NULL),
                         USB_RESULT_OK);
        usb_bench_control(&bench, 0x82, 0, 0, USB_BENCH_IN, bench.data, 2, &size);
        ck_assert_uint_eq(bench.data[0], 0);
        ck_assert(usb_bench_settle(&bench));
        usb_bench_done(&bench);
}
END_TEST

START_TEST(control_faults_hit_the_request_that_is_selected) {
        UsbBench bench;

        init_ready(&bench, DISK);
        usb_bench_add_faults(&bench, "stall:control@opcode=fe;hang:control@opcode=ff");
        ck_assert_int_eq(usb_bench_control(&bench, 0x80, 0, 0, 0, bench.data, 2, NULL),
                         USB_RESULT_OK);
        ck_assert_int_eq(usb_bench_control(&bench, 0xA1, 0xFE, 0, 0, bench.data, 1, NULL),
                         USB_RESULT_STALL);
        ck_assert_int_eq(usb_bench_control(&bench, 0x21, 0xFF, 0, 0, NULL, 0, NULL),
                         USB_RESULT_TIMED_OUT);
        ck_assert_int_eq(usb_bench_control(&bench, 0xA1, 0xFE, 0, 0, bench.data, 1, NULL),
                         USB_RESULT_OK);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(an_endpoint_that_is_not_there_is_refused_at_once) {
        UsbBench bench;

        usb_bench_init(&bench, DISK);
        ck_assert_int_eq(usb_bench_submit(&bench, 0, 0x83, bench.data, 1), -EINVAL);
        bench.transfers[0].type = USB_TRANSFER_TYPE_INTERRUPT;
        ck_assert_int_eq(usb_transfer_submit(&bench.transfers[0]), -EINVAL);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(a_transfer_that_waits_is_cancelled_and_the_next_one_served) {
        UsbBench bench;

        init_ready(&bench, DISK);
        ck_assert_int_eq(usb_bench_submit(&bench, 5, USB_BENCH_IN, bench.data, 512), 0);
        ck_assert_int_eq(usb_bench_submit(&bench, 6, USB_BENCH_IN, bench.data, 512), 0);
        usb_transfer_cancel(&bench.transfers[5]);
        usb_transfer_cancel(&bench.transfers[5]);
        ck_assert(bench.transfers[5].is_in_flight);
        bench.transfers[6].deadline_ns = 0;
        virtual_event_loop_run_until(bench.loop, event_loop_now_ns(bench.loop) + NS_PER_S);
        ck_assert(!bench.transfers[5].is_in_flight);
        ck_assert_int_eq(bench.transfers[5].result, USB_RESULT_CANCELLED);
        ck_assert(bench.transfers[6].is_in_flight);
        usb_transfer_cancel(&bench.transfers[6]);
        usb_bench_run(&bench);
        ck_assert(usb_bench_settle(&bench));
        usb_bench_done(&bench);
}
END_TEST

static void on_gone(UsbDevice *device, void *userdata) { (*(unsigned *) userdata)++; }

START_TEST(a_pulled_cable_ends_everything_with_gone_once) {
        unsigned n_reported = 0;
        UsbBench bench;

        init_ready(&bench, DISK);
        usb_device_set_gone_handler(bench.device, on_gone, &n_reported);
        for (size_t i = 0; i < 4; i++)
                ck_assert_int_eq(usb_bench_submit(&bench, i, USB_BENCH_IN, bench.data, 512), 0);
        simulated_device_unplug(bench.device);
        simulated_device_unplug(bench.device);
        usb_bench_run(&bench);
        for (size_t i = 0; i < 4; i++) {
                ck_assert(!bench.transfers[i].is_in_flight);
                ck_assert_int_eq(bench.transfers[i].result, USB_RESULT_GONE);
        }
        ck_assert_uint_eq(n_reported, 1);
        ck_assert_int_eq(usb_bench_submit(&bench, 0, USB_BENCH_IN, bench.data, 512), -ENODEV);
        ck_assert_int_eq(usb_bench_operate(&bench, USB_OPERATION_RESET, 0), USB_RESULT_GONE);
        usb_bench_done(&bench);
}
END_TEST

typedef struct OperationCase {
        UsbOperation operation;
        UsbResult result;
} OperationCase;

static const OperationCase operations[] = {
        { { .type = USB_OPERATION_CLAIM }, USB_RESULT_OK },
        { { .type = USB_OPERATION_CLAIM, .interface = 1 }, USB_RESULT_ERROR },
        { { .type = USB_OPERATION_RELEASE }, USB_RESULT_OK },
        { { .type = USB_OPERATION_SET_INTERFACE }, USB_RESULT_OK },
        { { .type = USB_OPERATION_SET_INTERFACE, .alternate = 1 }, USB_RESULT_STALL },
        { { .type = USB_OPERATION_CLEAR_HALT, .endpoint = USB_BENCH_OUT }, USB_RESULT_OK },
        { { .type = USB_OPERATION_CLEAR_HALT, .endpoint = 0x05 }, USB_RESULT_STALL },
        { { .type = USB_OPERATION_RESET }, USB_RESULT_OK },
        { { .type = USB_OPERATION_ALLOC_STREAMS, .n_streams = 16 }, USB_RESULT_ERROR },
        { { .type = USB_OPERATION_FREE_STREAMS }, USB_RESULT_ERROR },
        { { .type = USB_OPERATION_SUSPEND }, USB_RESULT_OK },
        { { .type = USB_OPERATION_RESUME }, USB_RESULT_OK },
};

static void on_operation_done(UsbOperation *operation) { operation->value = 77; }

START_TEST(operations_do_what_the_interface_allows) {
        UsbOperation operation = operations[_i].operation;
        UsbBench bench;

        usb_bench_init(&bench, DISK);
        operation.done = on_operation_done;
        ck_assert_int_eq(usb_device_operate(bench.device, &operation), 0);
        usb_bench_run(&bench);
        ck_assert_int_eq(operation.result, operations[_i].result);
        ck_assert_uint_eq(operation.value, 77);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(a_port_reset_can_fail_or_lose_the_device) {
        UsbBench bench;

        init_ready(&bench, DISK);
        usb_bench_add_faults(&bench, "port-reset-fails");
        ck_assert_int_eq(usb_bench_operate(&bench, USB_OPERATION_RESET, 0), USB_RESULT_ERROR);
        ck_assert_int_eq(usb_bench_operate(&bench, USB_OPERATION_RESET, 0), USB_RESULT_OK);
        usb_bench_add_faults(&bench, "port-reset-gone");
        ck_assert_int_eq(usb_bench_operate(&bench, USB_OPERATION_RESET, 0), USB_RESULT_GONE);
        ck_assert(usb_device_is_gone(bench.device));
        usb_bench_done(&bench);
}
END_TEST

START_TEST(a_suspended_device_fails_what_is_under_way_and_all_that_comes) {
        UsbBench bench;
        size_t size;

        init_ready(&bench, DISK);
        /* Nothing is there to be read: it waits. */
        ck_assert_int_eq(usb_bench_submit(&bench, 0, USB_BENCH_IN, bench.data, 13), 0);
        ck_assert_int_eq(usb_bench_operate(&bench, USB_OPERATION_SUSPEND, 0), USB_RESULT_OK);
        ck_assert(simulated_device_is_suspended(bench.device));
        ck_assert_int_eq(bench.transfers[0].result, USB_RESULT_ERROR);
        ck_assert_int_eq(usb_bench_submit(&bench, 0, USB_BENCH_IN, bench.data, 13), -EIO);
        ck_assert_int_eq(usb_bench_operate(&bench, USB_OPERATION_CLEAR_HALT, USB_BENCH_IN),
                         USB_RESULT_ERROR);
        ck_assert_uint_eq(simulated_device_get_counters(bench.device)->n_suspended_uses, 3);

        ck_assert_int_eq(usb_bench_operate(&bench, USB_OPERATION_RESUME, 0), USB_RESULT_OK);
        ck_assert_int_eq(usb_bench_control(&bench, 0x80, 6, 0x0100, 0, bench.data, 18, &size),
                         USB_RESULT_OK);
        ck_assert(usb_bench_settle(&bench));
        ck_assert_uint_eq(simulated_device_get_counters(bench.device)->n_suspended_uses, 3);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(what_the_host_can_not_suspend_stays_awake) {
        UsbBench bench;

        init_ready(&bench, DISK ",suspend=no");
        ck_assert(!usb_device_can_suspend(bench.device));
        ck_assert_int_eq(usb_bench_operate(&bench, USB_OPERATION_SUSPEND, 0), USB_RESULT_ERROR);
        ck_assert(!simulated_device_is_suspended(bench.device));
        usb_bench_done(&bench);
}
END_TEST

typedef struct Resume {
        const char *fault;
        UsbResult result;
        bool needs_reset;
        bool is_gone;
} Resume;

static const Resume resumes[] = {
        { "resume-fails", USB_RESULT_ERROR, true, false },
        { "resume-frozen", USB_RESULT_OK, true, false },
        { "resume-gone", USB_RESULT_GONE, false, true },
        { "resume-power-cycle", USB_RESULT_OK, false, false },
};

START_TEST(a_resume_can_fail) {
        const Resume *row = &resumes[_i];
        UsbBench bench;

        init_ready(&bench, DISK);
        usb_bench_add_faults(&bench, row->fault);
        ck_assert_int_eq(usb_bench_operate(&bench, USB_OPERATION_SUSPEND, 0), USB_RESULT_OK);
        ck_assert_int_eq(usb_bench_operate(&bench, USB_OPERATION_RESUME, 0), row->result);
        ck_assert_int_eq(usb_device_is_gone(bench.device), row->is_gone);
        if (row->needs_reset)
                ck_assert_int_eq(usb_bench_operate(&bench, USB_OPERATION_RESET, 0), USB_RESULT_OK);
        if (!row->is_gone)
                ck_assert(usb_bench_settle(&bench));
        usb_bench_done(&bench);
}
END_TEST

typedef enum Mishap { PORT_RESET, CLASS_RESET, POWER_CYCLE } Mishap;

/* What is left of a block that was written, and perhaps synchronised, before a mishap. */
typedef struct CacheCase {
        const char *spec;
        Mishap mishap;
        bool is_synchronised;
        uint8_t left;
} CacheCase;

static const CacheCase cache_cases[] = {
        { DISK, PORT_RESET, false, 0x00 },
        { DISK, PORT_RESET, true, 0xC3 },
        { DISK, POWER_CYCLE, false, 0x00 },
        { DISK, POWER_CYCLE, true, 0xC3 },
        { DISK, CLASS_RESET, false, 0xC3 },
        { DISK ",reset-loses-cache=no", PORT_RESET, false, 0xC3 },
        { DISK ",reset-loses-cache=no", POWER_CYCLE, false, 0x00 },
        { DISK ",write-cache=no", PORT_RESET, false, 0xC3 },
        { DISK ",write-cache=no", POWER_CYCLE, false, 0xC3 },
};

START_TEST(a_reset_loses_what_was_not_synchronised) {
        const CacheCase *row = &cache_cases[_i];
        bool is_cached = !strstr(row->spec, "write-cache=no") && !row->is_synchronised;
        uint8_t byte;
        UsbBench bench;

        init_ready(&bench, row->spec);
        memset(bench.data, 0xC3, 512);
        usb_bench_command(&bench, &write_one, USB_BENCH_PIPELINED);
        if (row->is_synchronised)
                usb_bench_command(&bench, &synchronise, USB_BENCH_PIPELINED);
        ck_assert_int_eq(simulated_device_read_medium(bench.device, 0, false, 511, &byte, 1), 0);
        ck_assert_uint_eq(byte, 0xC3);
        ck_assert_int_eq(simulated_device_read_medium(bench.device, 0, true, 511, &byte, 1), 0);
        ck_assert_uint_eq(byte, is_cached ? 0x00 : 0xC3);

        if (row->mishap == PORT_RESET)
                ck_assert_int_eq(usb_bench_operate(&bench, USB_OPERATION_RESET, 0), USB_RESULT_OK);
        else if (row->mishap == POWER_CYCLE)
                simulated_device_power_cycle(bench.device);
        else
                ck_assert(usb_bench_recover(&bench));

        ck_assert(usb_bench_settle(&bench));
        ck_assert_int_eq(simulated_device_read_medium(bench.device, 0, false, 511, &byte, 1), 0);
        ck_assert_uint_eq(byte, row->left);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(the_medium_is_read_and_written_behind_the_hosts_back) {
        UsbBench bench;
        uint8_t byte = 0x99;

        init_ready(&bench, DISK);
        ck_assert_uint_eq(simulated_device_get_medium_size(bench.device, 0), MIB);
        ck_assert_int_eq(simulated_device_write_medium(bench.device, 0, MIB - 1, &byte, 1), 0);
        ck_assert_int_eq(simulated_device_write_medium(bench.device, 0, MIB, &byte, 1), -ERANGE);
        byte = 0;
        ck_assert_int_eq(simulated_device_read_medium(bench.device, 0, true, MIB - 1, &byte, 1), 0);
        ck_assert_uint_eq(byte, 0x99);
        ck_assert_int_eq(simulated_device_read_medium(bench.device, 0, true, 1, &byte, MIB),
                         -ERANGE);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(counters_count) {
        UsbBench bench;

        usb_bench_init(&bench, DISK);
        const SimulatedDeviceCounters *counters = simulated_device_get_counters(bench.device);
        ck_assert_uint_eq(counters->n_commands, 0);
        usb_bench_settle(&bench);
        usb_bench_command(&bench, &write_one, USB_BENCH_PHASE_BY_PHASE);
        usb_bench_recover(&bench);
        usb_bench_operate(&bench, USB_OPERATION_RESET, 0);
        counters = simulated_device_get_counters(bench.device);
        ck_assert_uint_eq(counters->n_commands, 3); /* the first failed with 29/00 */
        ck_assert_uint_eq(counters->n_commands_by_opcode[0x2A], 1);
        ck_assert_uint_eq(counters->n_bytes_out, 3 * 31 + 512);
        ck_assert_uint_eq(counters->n_bytes_in, 3 * 13);
        ck_assert_uint_eq(counters->n_class_resets, 1);
        ck_assert_uint_eq(counters->n_port_resets, 1);
        ck_assert_uint_eq(counters->n_halts_cleared, 2);
        ck_assert_uint_eq(counters->n_cache_losses, 1);
        usb_bench_done(&bench);
}
END_TEST

/* The link's own account, in virtual time: nobody is measured. */
START_TEST(a_link_carries_its_payload_rate_and_no_more) {
        static const UsbBenchCommand read = { .cdb = { 0x28, 0, 0, 0, 0, 0, 0, 0, 240 },
                                              .size = 240 * 512,
                                              .is_in = true };
        const Speed *speed = &speeds[_i];
        UsbBench bench;

        init_ready(&bench, speed->spec);
        bench.patience_ns = 1000 * NS_PER_S;
        uint64_t start_ns = event_loop_now_ns(bench.loop), n = 20;
        for (uint64_t i = 0; i < n; i++)
                ck_assert_str_eq(usb_bench_command(&bench, &read, USB_BENCH_PIPELINED),
                                 "cbw ok 31 | data ok 122880 | csw ok 13 | passed 0");
        uint64_t rate = n * read.size * NS_PER_S / (event_loop_now_ns(bench.loop) - start_ns);

        ck_assert_uint_ge(simulated_device_get_payload_rate(speed->speed), speed->rate_min);
        ck_assert_uint_le(rate, simulated_device_get_payload_rate(speed->speed) * 101 / 100);
        ck_assert_uint_ge(rate, simulated_device_get_payload_rate(speed->speed) * 97 / 100);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(latency_is_added_to_each_transfer) {
        static const UsbBenchCommand ready = { .cdb = { 0x00 } };
        UsbBench bench;

        init_ready(&bench, DISK ",latency-us=1000");
        uint64_t start_ns = event_loop_now_ns(bench.loop);
        usb_bench_command(&bench, &ready, USB_BENCH_PHASE_BY_PHASE);
        ck_assert_uint_eq(event_loop_now_ns(bench.loop) - start_ns, 2 * NS_PER_MS);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(an_ideal_link_takes_no_time) {
        UsbBench bench;

        init_ready(&bench, DISK);
        uint64_t start_ns = event_loop_now_ns(bench.loop);
        for (int i = 0; i < 100; i++)
                usb_bench_command(&bench, &write_one, USB_BENCH_PIPELINED);
        ck_assert_uint_eq(event_loop_now_ns(bench.loop), start_ns);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(a_transfer_that_the_link_still_carries_can_be_cancelled) {
        UsbBench bench;

        init_ready(&bench, "size=1M,speed=high,latency-us=1000000");
        uint8_t cbw[31] = { 0 };
        ck_assert_int_eq(usb_bench_submit(&bench, 0, USB_BENCH_OUT, cbw, sizeof(cbw)), 0);
        uint64_t start_ns = event_loop_now_ns(bench.loop);
        virtual_event_loop_run_until(bench.loop, start_ns + NS_PER_MS);
        ck_assert(bench.transfers[0].is_in_flight);
        usb_transfer_cancel(&bench.transfers[0]);
        usb_bench_run(&bench);
        ck_assert(!bench.transfers[0].is_in_flight);
        ck_assert_uint_le(event_loop_now_ns(bench.loop), start_ns + NS_PER_MS);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(luns_lie_in_image_files_where_there_are_some) {
        int fds[2] = { -1, memfd_create("image", MFD_CLOEXEC) };
        SimulatorSpec spec;
        UsbDevice *device;
        EventLoop *loop;
        uint8_t byte = 0x42;
        char *error;

        ck_assert_int_eq(simulator_spec_parse(&spec, "size=1M,luns=3", &error), 0);
        ck_assert_int_eq(virtual_event_loop_new(&loop), 0);
        ck_assert_int_eq(ftruncate(fds[1], 511), 0);
        ck_assert_int_eq(simulated_device_new(&device, loop, &spec, fds, 2), -EINVAL);
        ck_assert_int_eq(ftruncate(fds[1], 10 * 512 + 100), 0);
        ck_assert_int_eq(pwrite(fds[1], &byte, 1, 3 * 512), 1);
        ck_assert_int_eq(simulated_device_new(&device, loop, &spec, fds, 2), 0);
        ck_assert_uint_eq(simulated_device_get_medium_size(device, 0), MIB);
        ck_assert_uint_eq(simulated_device_get_medium_size(device, 1), 10 * 512);
        ck_assert_uint_eq(simulated_device_get_medium_size(device, 2), MIB);
        byte = 0;
        ck_assert_int_eq(simulated_device_read_medium(device, 1, false, 3 * 512, &byte, 1), 0);
        ck_assert_uint_eq(byte, 0x42);
        ck_assert_int_eq(simulated_device_change_medium(device, 1, 0), -EBUSY);
        usb_device_free(device);
        event_loop_free(loop);
        fd_close(fds[1]);
}
END_TEST

static void submit_at_random(UsbBench *bench, Random *random, size_t i) {
        uint8_t *at = bench->data + 4096 * i;
        size_t size = random_below(random, 4096);

        if (bench->transfers[i].is_in_flight)
                return;
        if (random_one_in(random, 2)) { /* mostly something like a CBW */
                random_fill(random, at, 31);
                put_le32(at, 0x43425355);
                put_le32(at + 8, (uint32_t) random_below(random, 5000));
                at[12] &= 0x80;
                at[13] &= 0x01;
                at[14] = 16;
                memset(at + 17, 0, 6); /* not all out of range */
                size = random_one_in(random, 20) ? size : 31;
        }
        bench->patience_ns = 1 + random_below(random, NS_PER_S);
        uint8_t endpoint = random_one_in(random, 2) ? USB_BENCH_OUT : USB_BENCH_IN;
        ck_assert_int_eq(usb_bench_submit(bench, i, endpoint, at, size), 0);
}

START_TEST(a_host_that_does_anything_gets_every_transfer_back) {
        static const char *const specs[] = {
                DISK ",luns=2",
                DISK ",luns=2,short-data=short",
                DISK ",luns=2,short-data=pad,pipelining=no,write-cache=no",
                "size=1M,speed=full,luns=2,latency-us=50,removable",
        };
        Random random;
        UsbBench bench;

        usb_bench_init(&bench, specs[_i % N_ELEMENTS(specs)]);
        random_init(&random, (uint64_t) _i);
        usb_bench_add_faults(&bench, "stall:data@one-in=9*always;stall:status@one-in=9*always;"
                                     "hang:data@one-in=50*always;babble@one-in=9*always;"
                                     "slow:3@one-in=5*always;short-data@one-in=9*always;"
                                     "data-skipped@one-in=9*always;csw-missing@one-in=20*always;"
                                     "zero-packet@one-in=9*always;medium-change@one-in=9*always;"
                                     "medium-error@lba=3+one-in=2*always;reset@one-in=20*always");
        for (int step = 0; step < 2000; step++) {
                size_t i = random_below(&random, USB_BENCH_TRANSFERS_MAX);

                submit_at_random(&bench, &random, i);
                if (random_one_in(&random, 4))
                        usb_transfer_cancel(&bench.transfers[random_below(
                                        &random, USB_BENCH_TRANSFERS_MAX)]);
                if (random_one_in(&random, 4))
                        usb_bench_run(&bench);
                if (random_one_in(&random, 8))
                        usb_bench_recover(&bench);
        }
        usb_bench_run(&bench);
        ck_assert_uint_eq(bench.device->n_transfers_in_flight, 0);

        simulated_device_clear_faults(bench.device);
        ck_assert_int_eq(usb_bench_operate(&bench, USB_OPERATION_RESET, 0), USB_RESULT_OK);
        for (size_t lun = 0; lun < 2; lun++)
                simulated_device_insert_medium(bench.device, lun);
        bench.patience_ns = NS_PER_S;
        ck_assert(usb_bench_settle(&bench));
        ck_assert_uint_gt(simulated_device_get_counters(bench.device)->n_commands, 50);
        usb_bench_done(&bench);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_halt_is_seen_set_and_cleared_by_requests,
                control_faults_hit_the_request_that_is_selected,
                an_endpoint_that_is_not_there_is_refused_at_once,
                a_transfer_that_waits_is_cancelled_and_the_next_one_served,
                a_pulled_cable_ends_everything_with_gone_once,
                a_port_reset_can_fail_or_lose_the_device,
                a_suspended_device_fails_what_is_under_way_and_all_that_comes,
                what_the_host_can_not_suspend_stays_awake,
                the_medium_is_read_and_written_behind_the_hosts_back,
                counters_count,
                latency_is_added_to_each_transfer,
                an_ideal_link_takes_no_time,
                luns_lie_in_image_files_where_there_are_some,
                a_transfer_that_the_link_still_carries_can_be_cancelled,
                NULL,
        };
        Suite *suite = suite_of("simulated_device", tests);
        TCase *tcase = tcase_create("simulated_device, tables");

        tcase_add_loop_test(tcase, descriptors_are_those_of_a_bulk_only_disk_at_its_speed, 0,
                            (int) N_ELEMENTS(speeds));
        tcase_add_loop_test(tcase, requests_are_answered_or_refused_with_a_stall, 0,
                            (int) N_ELEMENTS(controls));
        tcase_add_loop_test(tcase, operations_do_what_the_interface_allows, 0,
                            (int) N_ELEMENTS(operations));
        tcase_add_loop_test(tcase, a_resume_can_fail, 0, (int) N_ELEMENTS(resumes));
        tcase_add_loop_test(tcase, a_reset_loses_what_was_not_synchronised, 0,
                            (int) N_ELEMENTS(cache_cases));
        tcase_add_loop_test(tcase, a_link_carries_its_payload_rate_and_no_more, 0,
                            (int) N_ELEMENTS(speeds));
        tcase_add_loop_test(tcase, a_host_that_does_anything_gets_every_transfer_back, 0, 8);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
