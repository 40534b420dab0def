/* See transport_fixture.h. */

#include "transport_fixture.h"

#include <check.h>
#include <string.h>

static size_t count_steps(const UsbStep *steps) {
        size_t n = 0;

        while (steps[n].text)
                n++;
        return n;
}

void transport_fixture_init_bot(TransportFixture *fixture, BotMode mode, const UsbStep *steps) {
        BotOptions options = {
                .mode = mode,
        };
        UsbStorageDevice storage_device;

        *fixture = (TransportFixture){};
        scripted_usb_init(&fixture->usb, USB_SPEED_HIGH, steps, count_steps(steps));
        ck_assert_int_eq(usb_storage_device_init(&storage_device, &fixture->usb.descriptors,
                                                 USB_SPEED_HIGH, 1 << USB_STORAGE_PROTOCOL_BOT),
                         0);
        ck_assert_int_eq(bot_transport_new(&fixture->transport, &fixture->usb.device,
                                           &storage_device, &options),
                         0);
}

void transport_fixture_init_cbi(TransportFixture *fixture, UsbStorageProtocol protocol,
                                uint8_t subclass, uint16_t packet_size, const UsbStep *steps) {
        UsbDescriptors *descriptors = &fixture->usb.descriptors;
        bool is_cbi = protocol == USB_STORAGE_PROTOCOL_CBI;
        UsbStorageDevice storage_device;

        *fixture = (TransportFixture){};
        scripted_usb_init(&fixture->usb, USB_SPEED_FULL, steps, count_steps(steps));
        descriptors->interfaces[0].subclass = subclass;
        descriptors->interfaces[0].protocol = is_cbi ? USB_PROTOCOL_CBI : USB_PROTOCOL_CB;
        descriptors->interfaces[0].n_endpoints = is_cbi ? 3 : 2;
        descriptors->endpoints[2] = (UsbEndpoint){ .address = SCRIPTED_USB_INTERRUPT_IN,
                                                   .type = USB_ENDPOINT_TYPE_INTERRUPT,
                                                   .packet_size_max = packet_size };
        descriptors->n_endpoints = 3;
        ck_assert_int_eq(usb_storage_device_init(&storage_device, descriptors, USB_SPEED_FULL,
                                                 1 << protocol),
                         0);
        ck_assert_int_eq(cbi_transport_new(&fixture->transport, &fixture->usb.device,
                                           &storage_device, /* transfer_size_max= */ 0),
                         0);
}

/* UAS-3, 5.2.3 and 5.3.3.5: four pipes, by their ids; with Bulk-Only, behind its two. */
static void describe_uas(UsbDescriptors *descriptors, UsbSpeed speed, bool has_bulk_only) {
        static const uint8_t addresses[_USB_UAS_PIPE_MAX] = {
                [USB_UAS_PIPE_COMMAND] = SCRIPTED_USB_UAS_COMMAND,
                [USB_UAS_PIPE_STATUS] = SCRIPTED_USB_UAS_STATUS,
                [USB_UAS_PIPE_DATA_IN] = SCRIPTED_USB_BULK_IN,
                [USB_UAS_PIPE_DATA_OUT] = SCRIPTED_USB_BULK_OUT,
        };
        bool is_super = speed >= USB_SPEED_SUPER;
        UsbInterface *interface = &descriptors->interfaces[has_bulk_only ? 1 : 0];
        UsbEndpoint *endpoints = &descriptors->endpoints[has_bulk_only ? 2 : 0];

        *interface = descriptors->interfaces[0];
        interface->alternate = has_bulk_only ? 1 : 0;
        interface->protocol = USB_PROTOCOL_UAS;
        interface->n_endpoints = _USB_UAS_PIPE_MAX;
        interface->first_endpoint = has_bulk_only ? 2 : 0;
        descriptors->n_interfaces = has_bulk_only ? 2 : 1;
        descriptors->n_endpoints = interface->first_endpoint + _USB_UAS_PIPE_MAX;
        for (size_t i = 0; i < _USB_UAS_PIPE_MAX; i++)
                endpoints[i] = (UsbEndpoint){
                        .address = addresses[i],
                        .type = USB_ENDPOINT_TYPE_BULK,
                        .packet_size_max = is_super ? 1024 : 512,
                        .n_streams_max = is_super && i != USB_UAS_PIPE_COMMAND ? 16 : 0,
                        .uas_pipe_id = (uint8_t) (i + 1),
                };
}

void transport_fixture_init_uas(TransportFixture *fixture, UsbSpeed speed, unsigned n_tags,
                                bool has_bulk_only, const UsbStep *steps) {
        UsbStorageDevice storage_device;

        *fixture = (TransportFixture){};
        scripted_usb_init(&fixture->usb, speed, steps, count_steps(steps));
        describe_uas(&fixture->usb.descriptors, speed, has_bulk_only);
        ck_assert_int_eq(usb_storage_device_init(&storage_device, &fixture->usb.descriptors, speed,
                                                 1 << USB_STORAGE_PROTOCOL_UAS),
                         0);
        ck_assert_int_eq(uas_transport_new(&fixture->transport, &fixture->usb.device,
                                           &storage_device, &(UasOptions){ .n_tags_max = n_tags }),
                         0);
}

void transport_fixture_continue(TransportFixture *fixture, const UsbStep *steps) {
        scripted_usb_continue(&fixture->usb, steps, count_steps(steps));
}

void transport_fixture_done(TransportFixture *fixture) {
        fixture->transport = transport_free(fixture->transport);
        scripted_usb_done(&fixture->usb);
}

static void on_done(TransportRequest *request) {
        TransportFixture *fixture = container_of(request, TransportFixture, request);

        ck_assert(!fixture->is_submitting);
        fixture->n_done++;
}

void transport_fixture_submit(TransportFixture *fixture, TransportDirection direction,
                              size_t size) {
        ck_assert_uint_le(size, sizeof(fixture->data));

        memset(fixture->data, 0xFF, sizeof(fixture->data));
        fixture->n_done = 0;
        fixture->request = (TransportRequest){
                .command = { 0xA5 },
                .command_size = 6,
                .direction = direction,
                .data = fixture->data,
                .size = size,
                .deadline_ns = event_loop_now_ns(fixture->usb.loop) + TRANSPORT_FIXTURE_TIMEOUT_NS,
                .done = on_done,
                .result = _TRANSPORT_RESULT_MAX,
                .actual_size = SIZE_MAX,
        };
        fixture->is_submitting = true;
        ck_assert_int_eq(transport_submit(fixture->transport, &fixture->request), 0);
        fixture->is_submitting = false;
}

void transport_fixture_run(TransportFixture *fixture) {
        scripted_usb_run(&fixture->usb);
        ck_assert_uint_eq(fixture->n_done, 1);
        ck_assert_uint_le(fixture->request.actual_size, fixture->request.size);
}

TransportResult transport_fixture_execute(TransportFixture *fixture, TransportDirection direction,
                                          size_t size) {
        transport_fixture_submit(fixture, direction, size);
        transport_fixture_run(fixture);
        return fixture->request.result;
}

static void on_task_done(Task *task, int result, void *userdata) {
        TransportFixture *fixture = userdata;

        fixture->task_result = result;
}

Task *transport_fixture_start_task(TransportFixture *fixture, TaskMain main) {
        Task *task;

        fixture->task_result = TRANSPORT_FIXTURE_TASK_PENDING;
        ck_assert_int_eq(task_start(&task, fixture->usb.loop, "test", main, on_task_done, fixture),
                         0);
        return task;
}

int transport_fixture_run_task(TransportFixture *fixture, TaskMain main) {
        transport_fixture_start_task(fixture, main);
        scripted_usb_run(&fixture->usb);
        ck_assert_int_ne(fixture->task_result, TRANSPORT_FIXTURE_TASK_PENDING);
        return fixture->task_result;
}
