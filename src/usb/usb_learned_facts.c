/* What may be, as rules: see usb_learned_facts.h. */

#include "usb/usb_learned_facts.h"

#include <string.h>

static_assert(sizeof(UsbLearnedUnit) == sizeof(uint64_t) + 2 * sizeof(uint32_t) &&
                              sizeof(UsbLearnedFacts) ==
                                              2 * sizeof(uint32_t) +
                                                              USB_LEARNED_UNITS_MAX *
                                                                              sizeof(UsbLearnedUnit),
              "there is no padding");

static bool has_both(uint32_t facts, uint32_t pair) { return (facts & pair) == pair; }

static bool is_transfer_size(uint32_t size) {
        return size == 0 ||
               (size >= USB_LEARNED_TRANSFER_SIZE_MIN && size <= USB_LEARNED_TRANSFER_SIZE_MAX);
}

static bool is_unit_valid(const UsbLearnedUnit *unit) {
        if (unit->identity == 0 &&
            ((unit->facts & ~USB_UNIT_FACTS_ANONYMOUS) != 0 || unit->transfer_size != 0))
                return false;
        return (unit->facts & ~USB_UNIT_FACTS_ALL) == 0 && is_transfer_size(unit->transfer_size) &&
               !has_both(unit->facts, USB_UNIT_FACT_UNMAP_PROVEN | USB_UNIT_FACT_UNMAP_REFUSED);
}

bool usb_learned_facts_is_valid(const UsbLearnedFacts *facts) {
        for (size_t i = 0; i < N_ELEMENTS(facts->units); i++)
                if (!is_unit_valid(&facts->units[i]))
                        return false;
        return facts->unused == 0 && (facts->facts & ~USB_FACTS_ALL) == 0 &&
               !has_both(facts->facts, USB_FACT_SHORT_SENSE | USB_FACT_LONG_SENSE) &&
               !has_both(facts->facts, USB_FACT_BY_PHASE | USB_FACT_PIPELINED);
}

/* In the order of the bits. */
static const char *const fact_names[USB_FACTS_N] = {
        "uas-unreliable", "no-report-luns", "short-sense", "long-sense", "by-phase",
        "pipelined",      "no-smart",       "no-standby",  "no-suspend",
};
static const char *const unit_fact_names[USB_UNIT_FACTS_N] = {
        "no-read-capacity-16", "only-mode-sense-10", "no-synchronize-cache",
        "unmap-proven",        "unmap-refused",      "no-media-events",
};

const char *usb_fact_to_string(UsbFact fact) {
        assert(fact != 0 && (fact & ~USB_FACTS_ALL) == 0);
        return fact_names[__builtin_ctz(fact)];
}

const char *usb_unit_fact_to_string(UsbUnitFact fact) {
        assert(fact != 0 && (fact & ~USB_UNIT_FACTS_ALL) == 0);
        return unit_fact_names[__builtin_ctz(fact)];
}

bool usb_learned_facts_is_equal(const UsbLearnedFacts *a, const UsbLearnedFacts *b) {
        return memcmp(a, b, sizeof(*a)) == 0;
}
