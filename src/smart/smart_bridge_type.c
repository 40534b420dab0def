/* Kinds of bridges by the names that smartctl's option -d has for them: alone, as the manager looks
 * them up. */

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "smart/smart_bridge.h"

typedef struct TypeName {
        const char *name;
        SmartBridgeKind kind;
} TypeName;

static const TypeName type_names[] = {
        { "scsi", SMART_BRIDGE_KIND_NONE },
        { "sat", SMART_BRIDGE_KIND_SAT_16 },
        { "usbjmicron", SMART_BRIDGE_KIND_JMICRON },
        { "usbsunplus", SMART_BRIDGE_KIND_SUNPLUS },
        { "usbcypress", SMART_BRIDGE_KIND_CYPRESS },
        { "usbprolific", SMART_BRIDGE_KIND_PROLIFIC },
        { "sntjmicron", SMART_BRIDGE_KIND_NVME_JMICRON },
        { "sntasmedia", SMART_BRIDGE_KIND_NVME_ASMEDIA },
        { "sntrealtek", SMART_BRIDGE_KIND_NVME_REALTEK },
};

void smart_bridge_init(SmartBridge *bridge, SmartBridgeKind kind) {
        assert(kind < _SMART_BRIDGE_KIND_MAX);

        *bridge = (SmartBridge){
                .kind = kind,
                .port = SMART_BRIDGE_PORT_UNKNOWN,
                .signature = SMART_BRIDGE_CYPRESS_SIGNATURE,
        };
}

bool smart_bridge_is_nvme(const SmartBridge *bridge) {
        return bridge->kind == SMART_BRIDGE_KIND_NVME_JMICRON ||
               bridge->kind == SMART_BRIDGE_KIND_NVME_ASMEDIA ||
               bridge->kind == SMART_BRIDGE_KIND_NVME_REALTEK;
}

static bool is_word(const char *text, size_t size, const char *word) {
        return strlen(word) == size && memcmp(text, word, size) == 0;
}

static const TypeName *find_name(const char *text, size_t size) {
        for (size_t i = 0; i < N_ELEMENTS(type_names); i++)
                if (is_word(text, size, type_names[i].name))
                        return &type_names[i];
        return NULL;
}

static int parse_sat_option(SmartBridge *bridge, const char *text, size_t size) {
        if (is_word(text, size, "12"))
                bridge->kind = SMART_BRIDGE_KIND_SAT_12;
        else if (!is_word(text, size, "16") && !is_word(text, size, "0") &&
                 !is_word(text, size, "auto"))
                return -EINVAL;
        return 0;
}

static int parse_jmicron_option(SmartBridge *bridge, const char *text, size_t size) {
        if (is_word(text, size, "p"))
                bridge->is_prolific = true;
        else if (is_word(text, size, "x"))
                bridge->is_extended = true;
        else if (is_word(text, size, "0") || is_word(text, size, "1"))
                bridge->port = text[0] - '0';
        else
                return -EINVAL;
        return 0;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "0x24" */
static int parse_cypress_option(SmartBridge *bridge, const char *text, size_t size) {
        if (size != 4 || memcmp(text, "0x", 2) != 0 || hex_digit(text[2]) < 0 ||
            hex_digit(text[3]) < 0)
                return -EINVAL;
        bridge->signature = (uint8_t) (hex_digit(text[2]) << 4 | hex_digit(text[3]));
        return 0;
}

static int parse_option(SmartBridge *bridge, const char *text, size_t size) {
        switch (bridge->kind) {
        case SMART_BRIDGE_KIND_SAT_16:
        case SMART_BRIDGE_KIND_SAT_12:
                return parse_sat_option(bridge, text, size);
        case SMART_BRIDGE_KIND_JMICRON:
                return parse_jmicron_option(bridge, text, size);
        case SMART_BRIDGE_KIND_CYPRESS:
                return parse_cypress_option(bridge, text, size);
        case SMART_BRIDGE_KIND_NONE:
        case SMART_BRIDGE_KIND_SUNPLUS:
        case SMART_BRIDGE_KIND_PROLIFIC:
        case SMART_BRIDGE_KIND_NVME_JMICRON:
        case SMART_BRIDGE_KIND_NVME_ASMEDIA:
        case SMART_BRIDGE_KIND_NVME_REALTEK:
                return -EINVAL;
        case _SMART_BRIDGE_KIND_MAX:
                break;
        }

        assert_not_reached();
}

int smart_bridge_parse(SmartBridge *ret, const char *text, size_t size) {
        const char *slash = memchr(text, '/', size);
        size_t rest = slash ? (size_t) (slash - text) : size;
        const char *comma = memchr(text, ',', rest);
        const TypeName *name = find_name(text, comma ? (size_t) (comma - text) : rest);
        SmartBridge bridge;

        if (!name)
                return -EINVAL;
        smart_bridge_init(&bridge, name->kind);
        bridge.is_sat_too = slash != NULL;
        if (slash &&
            (!smart_bridge_is_nvme(&bridge) || !is_word(slash + 1, size - rest - 1, "sat")))
                return -EINVAL;
        while (comma) {
                const char *option = comma + 1;
                size_t left = rest - (size_t) (option - text);
                int r;

                comma = memchr(option, ',', left);
                r = parse_option(&bridge, option, comma ? (size_t) (comma - option) : left);
                if (r < 0)
                        return r;
        }
        *ret = bridge;
        return 0;
}
