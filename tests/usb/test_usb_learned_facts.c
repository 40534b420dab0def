/* Which facts can be true of a device, as a table. */

#include <check.h>

#include "usb/usb_learned_facts.h"

typedef struct FactsCase {
        UsbLearnedFacts facts;
        bool is_valid;
} FactsCase;

#define UNIT(...)                                  \
        {                                          \
                .units = { [3] = { __VA_ARGS__ } } \
        }

static const FactsCase facts_cases[] = {
        { { 0 }, true },
        { { .facts = USB_FACT_UAS_UNRELIABLE | USB_FACT_NO_REPORT_LUNS }, true },
        { { .facts = USB_FACT_LONG_SENSE | USB_FACT_PIPELINED }, true },
        { { .facts = USB_FACT_SHORT_SENSE | USB_FACT_BY_PHASE }, true },
        { { .facts = USB_FACT_SHORT_SENSE | USB_FACT_LONG_SENSE }, false },
        { { .facts = USB_FACT_BY_PHASE | USB_FACT_PIPELINED }, false },
        { { .facts = USB_FACTS_ALL + 1 }, false },
        { { .unused = 1 }, false },
        { UNIT(.identity = 1), true },
        { UNIT(.identity = 1, .facts = USB_UNIT_FACT_UNMAP_PROVEN), true },
        { UNIT(.identity = 1, .facts = USB_UNIT_FACT_UNMAP_PROVEN | USB_UNIT_FACT_UNMAP_REFUSED),
          false },
        { UNIT(.identity = 1, .facts = USB_UNIT_FACTS_ALL + 1), false },
        { UNIT(.identity = 1, .transfer_size = USB_LEARNED_TRANSFER_SIZE_MIN), true },
        { UNIT(.identity = 1, .transfer_size = USB_LEARNED_TRANSFER_SIZE_MIN - 1), false },
        { UNIT(.identity = 1, .transfer_size = USB_LEARNED_TRANSFER_SIZE_MAX), true },
        { UNIT(.identity = 1, .transfer_size = USB_LEARNED_TRANSFER_SIZE_MAX + 1), false },
        /* Of a unit that is not known: what costs nothing where it is another one. */
        { UNIT(.facts = USB_UNIT_FACT_NO_CAPACITY_16 | USB_UNIT_FACT_MODE_SENSE_10), true },
        { UNIT(.facts = USB_UNIT_FACT_NO_SYNCHRONIZE), false },
        { UNIT(.facts = USB_UNIT_FACT_UNMAP_PROVEN), false },
        { UNIT(.facts = USB_UNIT_FACT_UNMAP_REFUSED), false },
        { UNIT(.transfer_size = USB_LEARNED_TRANSFER_SIZE_MIN), false },
};

START_TEST(only_what_can_be_is_valid) {
        ck_assert_int_eq(usb_learned_facts_is_valid(&facts_cases[_i].facts),
                         facts_cases[_i].is_valid);
}
END_TEST

START_TEST(any_difference_is_one) {
        UsbLearnedFacts facts = { 0 };
        uint8_t *bytes = (uint8_t *) &facts;

        for (size_t i = 0; i < sizeof(facts); i++) {
                bytes[i] = 1;
                ck_assert(!usb_learned_facts_is_equal(&facts, &facts_cases[0].facts));
                bytes[i] = 0;
        }
        ck_assert(usb_learned_facts_is_equal(&facts, &facts_cases[0].facts));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("usb_learned_facts");
        TCase *tcase = tcase_create("usb_learned_facts");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tcase, only_what_can_be_is_valid, 0, (int) N_ELEMENTS(facts_cases));
        tcase_add_test(tcase, any_difference_is_one);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
