/* The parser against real devices' descriptors, and against each way of lying about them. */

#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/random.h"
#include "descriptor_samples.h"
#include "usb/usb_descriptors.h"

#define DEVICE_SIZE 18
#define CONFIGURATION_END 27
#define TOTAL_LENGTH_OFFSET 20
#define N_RANDOM_RUNS 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Expectation {
        const uint8_t *bytes;
        size_t size;
        uint16_t vendor_id;
        uint16_t product_id;
        uint16_t max_power_ma;
        uint8_t configuration_value;
        size_t n_interfaces;
        size_t n_endpoints;
} Expectation;

#define SAMPLE(sample) .bytes = sample, .size = sizeof(sample)

static const Expectation expectations[] = {
        { SAMPLE(sample_bot_high_speed), 0x0781, 0x5567, 200, 1, 1, 2 },
        { SAMPLE(sample_bot_super_speed), 0x0781, 0x5581, 896, 1, 1, 2 },
        { SAMPLE(sample_uas), 0x174c, 0x55aa, 0, 1, 2, 6 },
        { SAMPLE(sample_cbi_floppy), 0x03e6, 0x0001, 500, 1, 1, 3 },
        { SAMPLE(sample_composite), 0x12d1, 0x0768, 100, 2, 4, 5 },
};

/* Whatever was parsed, these hold. */
static void check_invariants(const UsbDescriptors *descriptors) {
        size_t n_endpoints = 0;

        ck_assert_uint_le(descriptors->n_interfaces, USB_INTERFACES_MAX);
        ck_assert_uint_le(descriptors->n_endpoints, N_ELEMENTS(descriptors->endpoints));
        for (size_t i = 0; i < descriptors->n_interfaces; i++) {
                const UsbInterface *interface = &descriptors->interfaces[i];

                ck_assert_uint_le(interface->n_endpoints, USB_ENDPOINTS_MAX);
                ck_assert_uint_eq(interface->first_endpoint, n_endpoints);
                n_endpoints += interface->n_endpoints;
        }
        ck_assert_uint_eq(n_endpoints, descriptors->n_endpoints);
        for (size_t i = 0; i < descriptors->n_endpoints; i++) {
                ck_assert_uint_ne(descriptors->endpoints[i].address & 0x0F, 0);
                ck_assert_uint_le(descriptors->endpoints[i].uas_pipe_id, 4);
                ck_assert_uint_le(descriptors->endpoints[i].n_streams_max, 65536);
        }
}

/* Parses a copy that ends where its allocation ends, so that a sanitizer sees each byte too far. */
static int parse_copy(UsbDescriptors *descriptors, const uint8_t *bytes, size_t size,
                      uint8_t configuration_value) {
        _cleanup_(freep) uint8_t *copy = malloc(MAX(size, (size_t) 1));
        int r;

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, bytes, size);
        r = usb_descriptors_parse(descriptors, copy, size, configuration_value);
        if (r == 0)
                check_invariants(descriptors);
        return r;
}

START_TEST(real_devices_are_understood) {
        const Expectation *expected = &expectations[_i];
        UsbDescriptors descriptors;

        ck_assert_int_eq(parse_copy(&descriptors, expected->bytes, expected->size, 0), 0);
        ck_assert_uint_eq(descriptors.vendor_id, expected->vendor_id);
        ck_assert_uint_eq(descriptors.product_id, expected->product_id);
        ck_assert_uint_eq(descriptors.max_power_ma, expected->max_power_ma);
        ck_assert_uint_eq(descriptors.configuration_value, expected->configuration_value);
        ck_assert_uint_eq(descriptors.n_interfaces, expected->n_interfaces);
        ck_assert_uint_eq(descriptors.n_endpoints, expected->n_endpoints);
        ck_assert_uint_eq(descriptors.n_dropped, 0);
}
END_TEST

START_TEST(endpoint_companion_gives_bursts_and_streams) {
        UsbDescriptors descriptors;
        const UsbEndpoint *endpoint;

        ck_assert_int_eq(parse_copy(&descriptors, sample_uas, sizeof(sample_uas), 0), 0);
        endpoint = usb_descriptors_get_endpoint(&descriptors, 0, 0, 0x81);
        ck_assert_ptr_nonnull(endpoint);
        ck_assert_uint_eq(endpoint->packet_size_max, 1024);
        ck_assert_uint_eq(endpoint->burst_max, 15);
        ck_assert_uint_eq(endpoint->n_streams_max, 0);
        endpoint = usb_descriptors_get_endpoint(&descriptors, 0, 1, 0x81);
        ck_assert_ptr_nonnull(endpoint);
        ck_assert_uint_eq(endpoint->n_streams_max, 32);
}
END_TEST

START_TEST(pipe_usage_behind_a_companion_belongs_to_the_endpoint) {
        static const struct {
                uint8_t address;
                uint8_t pipe_id;
        } pipes[] = { { 0x04, 1 }, { 0x83, 2 }, { 0x81, 3 }, { 0x02, 4 } };
        UsbDescriptors descriptors;

        ck_assert_int_eq(parse_copy(&descriptors, sample_uas, sizeof(sample_uas), 0), 0);
        for (size_t i = 0; i < N_ELEMENTS(pipes); i++)
                ck_assert_uint_eq(usb_descriptors_get_endpoint(&descriptors, 0, 1, pipes[i].address)
                                                  ->uas_pipe_id,
                                  pipes[i].pipe_id);
        ck_assert_ptr_null(usb_descriptors_get_endpoint(&descriptors, 0, 1, 0x05));
        ck_assert_ptr_null(usb_descriptors_get_endpoint(&descriptors, 0, 2, 0x81));
}
END_TEST

START_TEST(endpoints_are_found_by_type_and_direction) {
        UsbDescriptors descriptors;
        const UsbInterface *interface = &descriptors.interfaces[0];

        ck_assert_int_eq(parse_copy(&descriptors, sample_cbi_floppy, sizeof(sample_cbi_floppy), 0),
                         0);
        ck_assert_uint_eq(usb_descriptors_find_endpoint(&descriptors, interface,
                                                        USB_ENDPOINT_TYPE_BULK, USB_ENDPOINT_IN)
                                          ->address,
                          0x81);
        ck_assert_uint_eq(usb_descriptors_find_endpoint(&descriptors, interface,
                                                        USB_ENDPOINT_TYPE_BULK, 0)
                                          ->address,
                          0x02);
        ck_assert_uint_eq(usb_descriptors_find_endpoint(&descriptors, interface,
                                                        USB_ENDPOINT_TYPE_INTERRUPT,
                                                        USB_ENDPOINT_IN)
                                          ->interval,
                          0x20);
        ck_assert_ptr_null(usb_descriptors_find_endpoint(&descriptors, interface,
                                                         USB_ENDPOINT_TYPE_INTERRUPT, 0));
}
END_TEST

START_TEST(descriptors_cut_short_at_any_byte_are_survived_and_counted) {
        const Expectation *expected = &expectations[_i];

        for (size_t size = 0; size < expected->size; size++) {
                UsbDescriptors descriptors;
                int r = parse_copy(&descriptors, expected->bytes, size, 0);

                if (size < CONFIGURATION_END) {
                        ck_assert_int_eq(r, -EBADMSG);
                } else {
                        ck_assert_int_eq(r, 0);
                        ck_assert_uint_gt(descriptors.n_dropped, 0);
                        ck_assert_uint_le(descriptors.n_endpoints, expected->n_endpoints);
                }
        }
}
END_TEST

START_TEST(bos_cut_short_at_any_byte_is_survived) {
        for (size_t size = 0; size <= sizeof(sample_bos); size++) {
                _cleanup_(freep) uint8_t *copy = malloc(MAX(size, (size_t) 1));
                UsbDescriptors descriptors = { 0 };

                ck_assert_ptr_nonnull(copy);
                memcpy(copy, sample_bos, size);
                usb_descriptors_parse_bos(&descriptors, copy, size);
                ck_assert_int_eq(descriptors.is_super_speed_capable, size >= 22);
                ck_assert_int_eq(descriptors.is_super_speed_plus_capable, size >= 42);
                ck_assert_int_eq(descriptors.n_dropped > 0, size > 0 && size < 42);
        }
}
END_TEST

START_TEST(zero_length_descriptor_ends_the_walk) {
        uint8_t bytes[sizeof(sample_uas)];
        UsbDescriptors descriptors;

        memcpy(bytes, sample_uas, sizeof(bytes));
        bytes[CONFIGURATION_END + 9] = 0; /* the first endpoint's bLength */
        ck_assert_int_eq(parse_copy(&descriptors, bytes, sizeof(bytes), 0), 0);
        ck_assert_uint_eq(descriptors.n_interfaces, 1);
        ck_assert_uint_eq(descriptors.n_endpoints, 0);
        ck_assert_uint_eq(descriptors.n_dropped, 1);
}
END_TEST

START_TEST(total_length_is_not_believed) {
        static const uint16_t lies[] = { 0, 8, 0xFFFF, sizeof(sample_uas) - DEVICE_SIZE + 1 };
        uint8_t bytes[sizeof(sample_uas)];
        UsbDescriptors descriptors;

        memcpy(bytes, sample_uas, sizeof(bytes));
        put_le16(bytes + TOTAL_LENGTH_OFFSET, lies[_i]);
        ck_assert_int_eq(parse_copy(&descriptors, bytes, sizeof(bytes), 0), 0);
        ck_assert_uint_eq(descriptors.n_interfaces, 2);
        ck_assert_uint_eq(descriptors.n_endpoints, 6);
        ck_assert_uint_eq(descriptors.n_dropped, 1);
}
END_TEST

/* Two configurations: the stick's as number 1, and the composite device's as number 2. */
static size_t make_two_configurations(uint8_t *bytes) {
        size_t size = sizeof(sample_bot_high_speed);

        memcpy(bytes, sample_bot_high_speed, size);
        memcpy(bytes + size, sample_composite + DEVICE_SIZE,
               sizeof(sample_composite) - DEVICE_SIZE);
        return size + sizeof(sample_composite) - DEVICE_SIZE;
}

START_TEST(configuration_is_chosen_by_value) {
        static const struct {
                uint8_t asked;
                int result;
                uint8_t value;
                size_t n_interfaces;
        } table[] = { { 0, 0, 1, 1 }, { 1, 0, 1, 1 }, { 2, 0, 2, 4 }, { 3, -EBADMSG, 0, 0 } };
        uint8_t bytes[512];
        size_t size = make_two_configurations(bytes);

        for (size_t i = 0; i < N_ELEMENTS(table); i++) {
                UsbDescriptors descriptors;

                ck_assert_int_eq(parse_copy(&descriptors, bytes, size, table[i].asked),
                                 table[i].result);
                if (table[i].result < 0)
                        continue;
                ck_assert_uint_eq(descriptors.configuration_value, table[i].value);
                ck_assert_uint_eq(descriptors.n_interfaces, table[i].n_interfaces);
                ck_assert_uint_eq(descriptors.n_dropped, 0);
        }
}
END_TEST

START_TEST(configuration_that_swallows_the_next_stops_there) {
        uint8_t bytes[512];
        size_t size = make_two_configurations(bytes);
        UsbDescriptors descriptors;

        put_le16(bytes + TOTAL_LENGTH_OFFSET, (uint16_t) (size - DEVICE_SIZE));
        ck_assert_int_eq(parse_copy(&descriptors, bytes, size, 1), 0);
        ck_assert_uint_eq(descriptors.n_interfaces, 1);
        ck_assert_uint_eq(descriptors.n_dropped, 1);
}
END_TEST

START_TEST(nonsense_is_dropped_with_what_belongs_to_it) {
        static const uint8_t configuration[] = {
                0x06, 0x30, 0x0f, 0x00, 0x00, 0x00,                   /* companion of nothing */
                0x07, 0x05, 0x81, 0x02, 0x00, 0x02, 0x00,             /* endpoint of nothing */
                0x09, 0x04, 0x00, 0x00, 0x02, 0x08, 0x06, 0x62, 0x00, /* interface 0.0 */
                0x07, 0x05, 0x80, 0x02, 0x00, 0x02, 0x00,             /* endpoint 0 */
                0x04, 0x24, 0x01, 0x00,                               /* its pipe usage */
                0x07, 0x05, 0x01, 0x02, 0x00, 0x00, 0x00,             /* packets of 0 bytes */
                0x07, 0x05, 0xf2, 0x02, 0x00, 0xfa, 0x00,             /* reserved bits: kept */
                0x04, 0x24, 0x05, 0x00,                               /* no such pipe */
                0x06, 0x30, 0x10, 0x00, 0x00, 0x00,                   /* burst too long */
                0x06, 0x30, 0x00, 0x11, 0x00, 0x00,                   /* too many streams */
                0x07, 0x05, 0x82, 0x02, 0x00, 0x02, 0x00,             /* the same address */
                0x09, 0x04, 0x00, 0x00, 0x01, 0x08, 0x06, 0x50, 0x00, /* interface 0.0 again */
                0x07, 0x05, 0x83, 0x02, 0x00, 0x02, 0x00,             /* its endpoint */
                0x05, 0x04, 0x01, 0x00, 0x00,                         /* half an interface */
        };
        uint8_t bytes[CONFIGURATION_END + sizeof(configuration)];
        UsbDescriptors descriptors;

        memcpy(bytes, sample_bot_high_speed, CONFIGURATION_END);
        memcpy(bytes + CONFIGURATION_END, configuration, sizeof(configuration));
        put_le16(bytes + TOTAL_LENGTH_OFFSET, sizeof(bytes) - DEVICE_SIZE);
        ck_assert_int_eq(parse_copy(&descriptors, bytes, sizeof(bytes), 0), 0);
        ck_assert_uint_eq(descriptors.n_interfaces, 1);
        ck_assert_uint_eq(descriptors.n_endpoints, 1);
        ck_assert_uint_eq(descriptors.endpoints[0].address, 0x82);
        ck_assert_uint_eq(descriptors.endpoints[0].packet_size_max, 512);
        ck_assert_uint_eq(descriptors.endpoints[0].n_streams_max, 0);
        ck_assert_uint_eq(descriptors.n_dropped, 12);
}
END_TEST

START_TEST(interfaces_and_endpoints_have_limits) {
        enum { N_INTERFACES = 200, N_ENDPOINTS = 12, STRIDE = 9 + 7 * N_ENDPOINTS };
        static uint8_t bytes[CONFIGURATION_END + N_INTERFACES * STRIDE];
        UsbDescriptors descriptors;

        memcpy(bytes, sample_bot_high_speed, CONFIGURATION_END);
        put_le16(bytes + TOTAL_LENGTH_OFFSET, sizeof(bytes) - DEVICE_SIZE);
        for (size_t i = 0; i < N_INTERFACES; i++) {
                uint8_t *interface = bytes + CONFIGURATION_END + i * STRIDE;

                memcpy(interface, sample_bot_high_speed + CONFIGURATION_END, 9);
                interface[3] = (uint8_t) i;
                for (size_t j = 0; j < N_ENDPOINTS; j++) {
                        uint8_t *endpoint = interface + 9 + 7 * j;

                        memcpy(endpoint, sample_bot_high_speed + CONFIGURATION_END + 9, 7);
                        endpoint[2] = (uint8_t) (0x81 + j);
                }
        }
        ck_assert_int_eq(parse_copy(&descriptors, bytes, sizeof(bytes), 0), 0);
        ck_assert_uint_eq(descriptors.n_interfaces, USB_INTERFACES_MAX);
        ck_assert_uint_eq(descriptors.n_endpoints, N_ELEMENTS(descriptors.endpoints));
        ck_assert_uint_eq(descriptors.n_dropped, N_INTERFACES - USB_INTERFACES_MAX +
                                                                 N_INTERFACES * N_ENDPOINTS -
                                                                 N_ELEMENTS(descriptors.endpoints));
}
END_TEST

START_TEST(mutated_samples_and_random_bytes_are_survived) {
        Random random;

        random_init(&random, /* seed= */ 1);
        for (size_t run = 0; run < N_RANDOM_RUNS; run++) {
                const DescriptorSample *sample =
                                &descriptor_samples[run % N_ELEMENTS(descriptor_samples)];
                UsbDescriptors descriptors;
                uint8_t bytes[256];

                random_fill(&random, bytes, sizeof(bytes));
                if (random_below(&random, 4) > 0)
                        memcpy(bytes, sample->bytes, sample->size);
                for (size_t i = random_below(&random, 8); i > 0; i--)
                        bytes[random_below(&random, sample->size)] = (uint8_t) random_u64(&random);
                (void) parse_copy(&descriptors, bytes, sample->size, 0);
                usb_descriptors_parse_bos(&descriptors, bytes, sample->size);
        }
}
END_TEST

START_TEST(fuzz_target_survives_its_seeds) {
        const DescriptorSample *sample = &descriptor_samples[_i];
        uint8_t seed[256] = { 0 };

        memcpy(seed + 1, sample->bytes, sample->size);
        for (size_t size = 0; size <= sample->size + 1; size++)
                ck_assert_int_eq(LLVMFuzzerTestOneInput(seed, size), 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("usb_descriptors");
        TCase *tests = tcase_create("usb_descriptors");
        SRunner *runner = srunner_create(suite);
        int n_failed;

        suite_add_tcase(suite, tests);
        tcase_add_loop_test(tests, real_devices_are_understood, 0, N_ELEMENTS(expectations));
        tcase_add_test(tests, endpoint_companion_gives_bursts_and_streams);
        tcase_add_test(tests, pipe_usage_behind_a_companion_belongs_to_the_endpoint);
        tcase_add_test(tests, endpoints_are_found_by_type_and_direction);
        tcase_add_loop_test(tests, descriptors_cut_short_at_any_byte_are_survived_and_counted, 0,
                            N_ELEMENTS(expectations));
        tcase_add_test(tests, bos_cut_short_at_any_byte_is_survived);
        tcase_add_test(tests, zero_length_descriptor_ends_the_walk);
        tcase_add_loop_test(tests, total_length_is_not_believed, 0, 4);
        tcase_add_test(tests, configuration_is_chosen_by_value);
        tcase_add_test(tests, configuration_that_swallows_the_next_stops_there);
        tcase_add_test(tests, nonsense_is_dropped_with_what_belongs_to_it);
        tcase_add_test(tests, interfaces_and_endpoints_have_limits);
        tcase_add_test(tests, mutated_samples_and_random_bytes_are_survived);
        tcase_add_loop_test(tests, fuzz_target_survives_its_seeds, 0,
                            N_ELEMENTS(descriptor_samples));
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
