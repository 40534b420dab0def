#pragma once

/*
 * UsbLearnedFacts
 *
 * What a device has taught its workers about itself, so that the next one need not learn it again: a
 * closed set, each of which costs speed or comfort alone where it is wrong. What is known of a model
 * (UsbQuirks) counts more. Plain data without padding.
 */

#include <stdbool.h>

#include "base/macros.h"

#define USB_LEARNED_UNITS_MAX 16
/* Transfers are never made shorter than that because they fail. */
#define USB_LEARNED_TRANSFER_SIZE_MIN (64 * KIB)
#define USB_LEARNED_TRANSFER_SIZE_MAX (64 * MIB)

/* Of the device as a whole. */
typedef enum UsbFact {
        USB_FACT_UAS_UNRELIABLE = 1
                                  << 0, /* it offers UAS and does not bear it; Bulk-Only it does */
        USB_FACT_NO_REPORT_LUNS = 1 << 1,
        USB_FACT_SHORT_SENSE = 1 << 2, /* no more than 18 bytes of sense may be asked for */
        USB_FACT_LONG_SENSE = 1 << 3,  /* it has more, and bears to be asked for it */
        USB_FACT_BY_PHASE = 1 << 4,    /* Bulk-Only: it broke over pipelined commands */
        USB_FACT_PIPELINED = 1 << 5,   /* Bulk-Only: it bears them */
        USB_FACT_NO_SMART = 1 << 6,    /* it broke over being asked for its drive's health */
        USB_FACT_NO_STANDBY = 1 << 7,  /* it broke over START STOP UNIT, or knows none */
        USB_FACT_NO_SUSPEND = 1 << 8,  /* it broke over a suspend */
} UsbFact;

#define USB_FACTS_N 9
#define USB_FACTS_ALL ((UINT32_C(1) << USB_FACTS_N) - 1)

/* Of one logical unit. */
typedef enum UsbUnitFact {
        USB_UNIT_FACT_NO_CAPACITY_16 = 1 << 0, /* READ CAPACITY(16): refused, or broke it */
        USB_UNIT_FACT_MODE_SENSE_10 = 1 << 1,  /* it knows that alone */
        USB_UNIT_FACT_NO_SYNCHRONIZE = 1 << 2, /* it knows no SYNCHRONIZE CACHE */
        USB_UNIT_FACT_UNMAP_PROVEN = 1 << 3,   /* tried out, and right */
        USB_UNIT_FACT_UNMAP_REFUSED = 1 << 4,  /* tried out, and wrong */
        USB_UNIT_FACT_NO_EVENTS = 1 << 5,      /* an optical drive's: refused, or broke it */
} UsbUnitFact;

#define USB_UNIT_FACTS_N 6
#define USB_UNIT_FACTS_ALL ((UINT32_C(1) << USB_UNIT_FACTS_N) - 1)
/* Those that may be known of a unit that has not told yet which one it is. */
#define USB_UNIT_FACTS_ANONYMOUS \
        (USB_UNIT_FACT_NO_CAPACITY_16 | USB_UNIT_FACT_MODE_SENSE_10 | USB_UNIT_FACT_NO_EVENTS)

typedef struct UsbLearnedUnit {
        uint64_t identity;      /* a sum of what it tells of itself; 0: unknown */
        uint32_t facts;         /* UsbUnitFact */
        uint32_t transfer_size; /* bytes; longer ones failed; 0: of any length do well */
} UsbLearnedUnit;

typedef struct UsbLearnedFacts {
        uint32_t facts;                              /* UsbFact */
        uint32_t unused;                             /* 0 */
        UsbLearnedUnit units[USB_LEARNED_UNITS_MAX]; /* by LUN */
} UsbLearnedFacts;

/* Known facts alone, none that contradict each other, numbers that can be. */
bool usb_learned_facts_is_valid(const UsbLearnedFacts *facts);
bool usb_learned_facts_is_equal(const UsbLearnedFacts *a, const UsbLearnedFacts *b);
/* Of one bit. */
const char *usb_fact_to_string(UsbFact fact);          /* "short-sense" */
const char *usb_unit_fact_to_string(UsbUnitFact fact); /* "unmap-proven" */
