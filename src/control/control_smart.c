/* What may be believed of what a worker tells of a drive's health, and how a way to it is put in a
 * message. */

#include "control/control_smart.h"

#include "control/control_message.h"
#include "control/control_text.h"

bool control_smart_options_is_valid(const ControlSmartOptions *options) {
        return control_is_bool(options->has_bridge) &&
               options->bridge_kind < _SMART_BRIDGE_KIND_MAX &&
               control_is_bool(options->bridge_is_sat_too) &&
               control_is_bool(options->bridge_is_extended) &&
               control_is_bool(options->bridge_is_prolific) &&
               options->bridge_port >= SMART_BRIDGE_PORT_UNKNOWN && options->bridge_port <= 1;
}

static bool is_verdict_valid(const SmartVerdict *verdict) {
        return verdict->kind < _SMART_VERDICT_KIND_MAX &&
               CONTROL_TEXT_IS_PRINTABLE(verdict->reason);
}

bool control_smart_is_valid(const ControlSmart *smart) {
        return smart->lun < CONTROL_LUNS_MAX && control_is_error(smart->error) &&
               CONTROL_TEXT_IS_PRINTABLE(smart->way) && is_verdict_valid(&smart->verdict) &&
               smart_data_is_valid(&smart->data);
}

void control_smart_options_set_bridge(ControlSmartOptions *options, const SmartBridge *bridge) {
        options->has_bridge = true;
        options->bridge_kind = (uint8_t) bridge->kind;
        options->bridge_is_sat_too = bridge->is_sat_too;
        options->bridge_is_extended = bridge->is_extended;
        options->bridge_is_prolific = bridge->is_prolific;
        options->bridge_port = (int8_t) bridge->port;
        options->bridge_signature = bridge->signature;
}

bool control_smart_options_get_bridge(const ControlSmartOptions *options, SmartBridge *ret) {
        if (!options->has_bridge)
                return false;
        *ret = (SmartBridge){
                .kind = (SmartBridgeKind) options->bridge_kind,
                .is_sat_too = options->bridge_is_sat_too,
                .is_extended = options->bridge_is_extended,
                .is_prolific = options->bridge_is_prolific,
                .port = options->bridge_port,
                .signature = options->bridge_signature,
        };
        return true;
}
