/*
 * The same names for both ways. What is read becomes flags and numbers
 * first, as the configuration's parser has them.
 */

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "config/config_parser.h"
#include "device/learned_file.h"
#include "device/state_file.h"

#define N_UNIT_OPTIONS (USB_UNIT_FACTS_N + 2)
#define N_OPTIONS (USB_FACTS_N + USB_LEARNED_UNITS_MAX * N_UNIT_OPTIONS)

static_assert(LEARNED_FILE_SIZE_MAX <= CONFIG_FILE_SIZE_MAX, "what was written can be read");

typedef struct LearnedUnitFields {
        char section[8]; /* "lun15" */
        uint64_t identity;
        uint64_t transfer_size;
        bool has_facts[USB_UNIT_FACTS_N];
} LearnedUnitFields;

/* What the parser writes to, and how. */
typedef struct LearnedFields {
        bool has_facts[USB_FACTS_N];
        LearnedUnitFields units[USB_LEARNED_UNITS_MAX];
        ConfigOption options[N_OPTIONS];
        size_t n_options;
} LearnedFields;

static void add_option(LearnedFields *fields, const char *section, const char *key, ConfigType type,
                       const void *field) {
        assert(fields->n_options < N_OPTIONS);

        fields->options[fields->n_options++] = (ConfigOption){
                .section = section,
                .key = key,
                .type = type,
                .offset = (size_t) ((const char *) field - (const char *) fields),
        };
}

static void init_fields(LearnedFields *fields) {
        for (size_t i = 0; i < USB_FACTS_N; i++)
                add_option(fields, "device", usb_fact_to_string(1U << i), CONFIG_TYPE_BOOL,
                           &fields->has_facts[i]);
        for (size_t i = 0; i < USB_LEARNED_UNITS_MAX; i++) {
                LearnedUnitFields *unit = &fields->units[i];

                snprintf(unit->section, sizeof(unit->section), "lun%zu", i);
                add_option(fields, unit->section, "identity", CONFIG_TYPE_SIZE, &unit->identity);
                add_option(fields, unit->section, "transfer-size", CONFIG_TYPE_SIZE,
                           &unit->transfer_size);
                for (size_t j = 0; j < USB_UNIT_FACTS_N; j++)
                        add_option(fields, unit->section, usb_unit_fact_to_string(1U << j),
                                   CONFIG_TYPE_BOOL, &unit->has_facts[j]);
        }
}

static uint32_t get_mask(const bool *has_facts, size_t n) {
        uint32_t mask = 0;

        for (size_t i = 0; i < n; i++)
                if (has_facts[i])
                        mask |= UINT32_C(1) << i;
        return mask;
}

static void get_facts(const LearnedFields *fields, UsbLearnedFacts *ret) {
        *ret = (UsbLearnedFacts){ .facts = get_mask(fields->has_facts, USB_FACTS_N) };
        for (size_t i = 0; i < USB_LEARNED_UNITS_MAX; i++) {
                const LearnedUnitFields *unit = &fields->units[i];

                ret->units[i] = (UsbLearnedUnit){
                        .identity = unit->identity,
                        .facts = get_mask(unit->has_facts, USB_UNIT_FACTS_N),
                        /* One that is too large for the field is none that can be. */
                        .transfer_size = (uint32_t) MIN(unit->transfer_size, (uint64_t) UINT32_MAX),
                };
        }
}

int learned_file_read(UsbLearnedFacts *ret, int fd, const char *name) {
        _cleanup_(freep) LearnedFields *fields = NULL;
        UsbLearnedFacts facts;
        int r;

        fields = calloc(1, sizeof(*fields));
        if (!fields)
                return -ENOMEM;
        init_fields(fields);
        r = state_file_read(
                        &(ConfigTable){
                                        .options = fields->options,
                                        .n_options = fields->n_options,
                                        .target = fields,
                        },
                        fd, name);
        if (r < 0)
                return r;
        get_facts(fields, &facts);
        if (!usb_learned_facts_is_valid(&facts)) {
                log_warning("%s: this can't be true of one device", name);
                return -EINVAL;
        }
        *ret = facts;
        return 0;
}

/* To text */

static void add_unit_facts(StateText *text, uint32_t facts) {
        for (size_t i = 0; i < USB_UNIT_FACTS_N; i++)
                if (facts >> i & 1)
                        state_text_add(text, "%s = yes\n", usb_unit_fact_to_string(1U << i));
}

static void add_unit(StateText *text, size_t lun, const UsbLearnedUnit *unit) {
        if (unit->facts == 0 && unit->transfer_size == 0)
                return;
        state_text_add(text, "\n[lun%zu]\n", lun);
        if (unit->identity != 0)
                state_text_add(text, "identity = %llu\n", (unsigned long long) unit->identity);
        add_unit_facts(text, unit->facts);
        if (unit->transfer_size > 0)
                state_text_add(text, "transfer-size = %u\n", unit->transfer_size);
}

size_t learned_file_format(const UsbLearnedFacts *facts, char text[static LEARNED_FILE_SIZE_MAX]) {
        StateText out = { .text = text, .room = LEARNED_FILE_SIZE_MAX };

        assert(usb_learned_facts_is_valid(facts));

        state_text_add(&out, "# What a USB device has taught about itself. Without this file it is "
                             "learned "
                             "anew.\n\n[device]\n");
        for (size_t i = 0; i < USB_FACTS_N; i++)
                if (facts->facts >> i & 1)
                        state_text_add(&out, "%s = yes\n", usb_fact_to_string(1U << i));
        for (size_t i = 0; i < USB_LEARNED_UNITS_MAX; i++)
                add_unit(&out, i, &facts->units[i]);
        return out.size;
}
