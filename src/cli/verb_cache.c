/* The cache of a device, which all its units share. */

#include <inttypes.h>

#include "cli/ctl_action.h"
#include "cli/ctl_call.h"
#include "cli/ctl_facts.h"
#include "cli/ctl_job.h"
#include "cli/ctl_target.h"
#include "cli/ctl_text.h"
#include "cli/verb_cache.h"

static const char *const counters[] = {
        "DirtyBytes", "Hits", "Misses", "ReadAheadUsedBytes", "ReadAheadWastedBytes", NULL,
};

static void print_size(const Ctl *ctl, const char *title, json_object *cache, const char *name) {
        bool in_bytes = ctl_options_has(&ctl->options, CTL_OPTION_BYTES);
        _cleanup_(freep) char *size = ctl_text_size(ctl_objects_number(cache, name), in_bytes);

        ctl_facts_print(ctl, title, "%s", size);
}

static void print_cache(const Ctl *ctl, json_object *cache) {
        uint64_t hits = ctl_objects_number(cache, "Hits");
        uint64_t misses = ctl_objects_number(cache, "Misses");

        ctl_facts_print(ctl, "Mode", "%s", ctl_objects_string(cache, "Mode"));
        ctl_facts_print(ctl, "Policy", "%s", ctl_objects_string(cache, "Policy"));
        ctl_facts_print(ctl, "Read-ahead", "%s",
                        ctl_objects_boolean(cache, "ReadAhead") ? "yes" : "no");
        print_size(ctl, "At most", cache, "SizeMax");
        print_size(ctl, "Not written yet", cache, "DirtyBytes");
        ctl_facts_print(ctl, "Hits", "%" PRIu64, hits);
        ctl_facts_print(ctl, "Misses", "%" PRIu64, misses);
        if (hits + misses > 0)
                ctl_facts_print(ctl, "Hit ratio", "%.1f%%",
                                100.0 * (double) hits / (double) (hits + misses));
        print_size(ctl, "Read ahead, used", cache, "ReadAheadUsedBytes");
        print_size(ctl, "Read in vain", cache, "ReadAheadWastedBytes");
}

CtlExit verb_cache_info(Ctl *ctl, char **arguments) {
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        json_object *cache;
        CtlTarget target;
        const char *path;
        CtlExit e;

        e = ctl_target_load(&target, ctl, &objects, arguments[0], CTL_TARGET_ANY);
        if (e == CTL_EXIT_OK)
                e = ctl_target_need(&target, ctl, &objects, CTL_CACHE, "A cache", &path);
        if (e != CTL_EXIT_OK)
                return e;
        cache = ctl_objects_get(&objects, path, CTL_CACHE);
        e = ctl_call_add_properties(ctl, path, CTL_CACHE, counters, cache);
        if (e != CTL_EXIT_OK)
                return e;
        if (ctl_is_json(ctl))
                return ctl_print_json(ctl, json_object_get(cache));
        ctl_facts_print(ctl, "Device", "%s", ctl_objects_string(target.device_properties, "Name"));
        print_cache(ctl, cache);
        return CTL_EXIT_OK;
}

static CtlExit start_flush(Ctl *ctl, const CtlTarget *target, sd_bus_message **ret_reply) {
        if (!target->lun)
                return ctl_call_do(ctl, target->device, CTL_CACHE, "Flush", ret_reply, "a{sv}", 0);
        return ctl_call_do(ctl, target->device, CTL_CACHE, "Flush", ret_reply, "a{sv}", 1, "lun",
                           "u", (uint32_t) ctl_objects_number(target->lun_properties, "Number"));
}

CtlExit verb_cache_flush(Ctl *ctl, char **arguments) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        _cleanup_(ctl_job_done) CtlJob job = {};
        CtlTarget target;
        const char *path;
        CtlExit e;
        int r;

        e = ctl_target_load(&target, ctl, &objects, arguments[0], CTL_TARGET_ANY);
        if (e == CTL_EXIT_OK)
                e = ctl_job_init(&job, ctl);
        if (e == CTL_EXIT_OK)
                e = start_flush(ctl, &target, &reply);
        if (e != CTL_EXIT_OK)
                return e;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return ctl_call_garbled(ctl, r);
        e = ctl_job_wait(&job, ctl, path);
        return e != CTL_EXIT_OK ? e
                                : ctl_action_tell(ctl, &target, "has everything on its medium.");
}

CtlExit verb_cache_reset(Ctl *ctl, char **arguments) {
        bool discards = ctl_options_has(&ctl->options, CTL_OPTION_DISCARD_DIRTY);
        const CtlAction action = {
                .interface = CTL_CACHE,
                .method = "Reset",
                .kind = CTL_TARGET_DEVICE,
                .option = discards ? "discard-dirty" : NULL,
                .done = "has an empty cache.",
        };
        CtlExit e = CTL_EXIT_OK;

        if (discards)
                e = ctl_confirm(ctl, "What can't be written is lost then. Go on?");
        return e != CTL_EXIT_OK ? e : ctl_action_run(&action, ctl, arguments[0]);
}
