/* Which interface of a device is driven, by which protocol. */

#include <check.h>
#include <errno.h>
#include <string.h>

#include "descriptor_samples.h"
#include "usb/usb_storage_device.h"

#define ALL 0xFU
#define BOT (1U << USB_STORAGE_PROTOCOL_BOT)
#define CBI (1U << USB_STORAGE_PROTOCOL_CBI)
#define UAS (1U << USB_STORAGE_PROTOCOL_UAS)

typedef struct Choice {
        const uint8_t *bytes;
        size_t size;
        UsbSpeed speed;
        unsigned protocols;
        int result;
        UsbStorageProtocol protocol;
        uint8_t interface;
        uint8_t alternate;
        uint8_t subclass;
} Choice;

#define SAMPLE(sample) sample, sizeof(sample)

static const Choice choices[] = {
        { SAMPLE(sample_bot_high_speed), USB_SPEED_HIGH, ALL, 0, USB_STORAGE_PROTOCOL_BOT, 0, 0,
          0x06 },
        { SAMPLE(sample_bot_high_speed), USB_SPEED_HIGH, UAS | CBI, -ENODEV, 0, 0, 0, 0 },
        { SAMPLE(sample_uas), USB_SPEED_SUPER, ALL, 0, USB_STORAGE_PROTOCOL_UAS, 0, 1, 0x06 },
        { SAMPLE(sample_uas), USB_SPEED_SUPER, BOT, 0, USB_STORAGE_PROTOCOL_BOT, 0, 0, 0x06 },
        { SAMPLE(sample_cbi_floppy), USB_SPEED_FULL, ALL, 0, USB_STORAGE_PROTOCOL_CBI, 0, 0, 0x04 },
        { SAMPLE(sample_composite), USB_SPEED_HIGH, ALL, 0, USB_STORAGE_PROTOCOL_BOT, 2, 0, 0x06 },
        { SAMPLE(sample_composite), USB_SPEED_HIGH, 0, -ENODEV, 0, 0, 0, 0 },
};

/* A byte of a sample that makes it lose what its protocol needs. */
static const struct {
        const uint8_t *bytes;
        size_t size;
        size_t offset;
        uint8_t byte;
        unsigned protocols;
} spoiled[] = {
        { SAMPLE(sample_bot_high_speed), 32, 0xFF, ALL }, /* class */
        { SAMPLE(sample_bot_high_speed), 33, 0x03, ALL }, /* subclass: QIC-157 tape */
        { SAMPLE(sample_bot_high_speed), 34, 0x51, ALL }, /* protocol */
        { SAMPLE(sample_bot_high_speed), 38, 0x01, ALL }, /* bulk in becomes bulk out */
        { SAMPLE(sample_bot_high_speed), 45, 0x82, ALL }, /* bulk out becomes bulk in */
        { SAMPLE(sample_bot_high_speed), 46, 0x03, ALL }, /* bulk out becomes interrupt */
        { SAMPLE(sample_cbi_floppy), 53, 0x02, ALL },     /* interrupt in becomes bulk */
        { SAMPLE(sample_uas), 86, 0x01, UAS },            /* two command pipes, no data-in */
        { SAMPLE(sample_uas), 73, 0x05, UAS },            /* data-in goes out */
        { SAMPLE(sample_uas), 81, 0x00, UAS },            /* data-in has no streams */
};

START_TEST(fastest_allowed_interface_is_chosen) {
        const Choice *choice = &choices[_i];
        UsbStorageDevice storage_device;
        UsbDescriptors descriptors;

        ck_assert_int_eq(usb_descriptors_parse(&descriptors, choice->bytes, choice->size, 0), 0);
        ck_assert_int_eq(usb_storage_device_init(&storage_device, &descriptors, choice->speed,
                                                 choice->protocols),
                         choice->result);
        if (choice->result < 0)
                return;
        ck_assert_int_eq(storage_device.protocol, choice->protocol);
        ck_assert_int_eq(storage_device.speed, choice->speed);
        ck_assert_uint_eq(storage_device.interface.number, choice->interface);
        ck_assert_uint_eq(storage_device.interface.alternate, choice->alternate);
        ck_assert_uint_eq(storage_device.subclass, choice->subclass);
        ck_assert_uint_eq(storage_device.vendor_id, descriptors.vendor_id);
}
END_TEST

START_TEST(endpoints_of_the_chosen_interface_are_taken) {
        UsbStorageDevice storage_device;
        UsbDescriptors descriptors;

        ck_assert_int_eq(usb_descriptors_parse(&descriptors, SAMPLE(sample_cbi_floppy), 0), 0);
        ck_assert_int_eq(
                        usb_storage_device_init(&storage_device, &descriptors, USB_SPEED_FULL, ALL),
                        0);
        ck_assert_uint_eq(storage_device.bulk_in.address, 0x81);
        ck_assert_uint_eq(storage_device.bulk_out.address, 0x02);
        ck_assert_uint_eq(storage_device.interrupt_in.address, 0x83);

        ck_assert_int_eq(usb_descriptors_parse(&descriptors, SAMPLE(sample_uas), 0), 0);
        ck_assert_int_eq(usb_storage_device_init(&storage_device, &descriptors, USB_SPEED_SUPER,
                                                 ALL),
                         0);
        ck_assert_uint_eq(storage_device.uas_pipes[USB_UAS_PIPE_COMMAND].address, 0x04);
        ck_assert_uint_eq(storage_device.uas_pipes[USB_UAS_PIPE_STATUS].address, 0x83);
        ck_assert_uint_eq(storage_device.uas_pipes[USB_UAS_PIPE_DATA_IN].address, 0x81);
        ck_assert_uint_eq(storage_device.uas_pipes[USB_UAS_PIPE_DATA_OUT].address, 0x02);
}
END_TEST

START_TEST(interface_that_lacks_something_is_not_driven) {
        UsbStorageDevice storage_device;
        UsbDescriptors descriptors;
        uint8_t bytes[256];

        memcpy(bytes, spoiled[_i].bytes, spoiled[_i].size);
        ck_assert_uint_ne(bytes[spoiled[_i].offset], spoiled[_i].byte);
        bytes[spoiled[_i].offset] = spoiled[_i].byte;
        ck_assert_int_eq(usb_descriptors_parse(&descriptors, bytes, spoiled[_i].size, 0), 0);
        ck_assert_int_eq(usb_storage_device_init(&storage_device, &descriptors, USB_SPEED_SUPER,
                                                 spoiled[_i].protocols),
                         -ENODEV);
}
END_TEST

START_TEST(uas_without_streams_is_good_enough_at_high_speed) {
        UsbStorageDevice storage_device;
        UsbDescriptors descriptors;

        ck_assert_int_eq(usb_descriptors_parse(&descriptors, SAMPLE(sample_uas), 0), 0);
        for (size_t i = 0; i < descriptors.n_endpoints; i++)
                descriptors.endpoints[i].n_streams_max = 0;
        ck_assert_int_eq(
                        usb_storage_device_init(&storage_device, &descriptors, USB_SPEED_HIGH, ALL),
                        0);
        ck_assert_int_eq(storage_device.protocol, USB_STORAGE_PROTOCOL_UAS);
        ck_assert_int_eq(usb_storage_device_init(&storage_device, &descriptors, USB_SPEED_SUPER,
                                                 ALL),
                         0);
        ck_assert_int_eq(storage_device.protocol, USB_STORAGE_PROTOCOL_BOT);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("usb_storage_device");
        TCase *tests = tcase_create("usb_storage_device");
        SRunner *runner = srunner_create(suite);
        int n_failed;

        suite_add_tcase(suite, tests);
        tcase_add_loop_test(tests, fastest_allowed_interface_is_chosen, 0, N_ELEMENTS(choices));
        tcase_add_test(tests, endpoints_of_the_chosen_interface_are_taken);
        tcase_add_loop_test(tests, interface_that_lacks_something_is_not_driven, 0,
                            N_ELEMENTS(spoiled));
        tcase_add_test(tests, uas_without_streams_is_good_enough_at_high_speed);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
