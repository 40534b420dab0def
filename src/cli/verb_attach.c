/*
 * attach and detach
 *
 * attach stays as long as the device does: a connection that dies, because a worker or the service
 * was restarted, gets a successor, so that who uses the device only waits.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "cli/attach_set.h"
#include "cli/ctl_call.h"
#include "cli/ctl_interrupt.h"
#include "cli/ctl_target.h"
#include "cli/verb_attach.h"

/* How often is looked for an export that is waited for. */
#define LOOK_MS 500
/* How often is looked for devices that somebody else has detached: the kernel tells nobody. */
#define CHECK_MS 2000

static int on_signal(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        bool *must_look = userdata;

        *must_look = true;
        return 0;
}

static CtlExit watch_service(Ctl *ctl, bool *must_look) {
        static const char *const rules[] = {
                "type='signal',sender='" CTL_SERVICE
                "',interface='org.freedesktop.DBus.ObjectManager'",
                "type='signal',sender='" CTL_SERVICE
                "',interface='org.freedesktop.DBus.Properties',arg0='" CTL_LUN "'",
                "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0="
                "'" CTL_SERVICE "'",
        };
        int r;

        for (size_t i = 0; i < N_ELEMENTS(rules); i++) {
                r = sd_bus_add_match(ctl->bus, NULL, rules[i], on_signal, must_look);
                if (r < 0)
                        return ctl_call_failed(ctl, NULL, r);
        }
        return CTL_EXIT_OK;
}

static CtlExit find_device(Ctl *ctl, const char *path, uint32_t *ret_index) {
        if (attachment_parse_path(path, ret_index))
                return CTL_EXIT_OK;
        ctl_complain(ctl, "'%s' is no /dev/nbdN", path);
        return CTL_EXIT_USAGE;
}

/* What the arguments want: a unit that is exported, and which device it is to be. */
static CtlExit read_arguments(AttachSet *set, const CtlObjects *objects, char **arguments) {
        Ctl *ctl = set->ctl;
        CtlTarget target;
        CtlExit e;

        if (ctl_options_has(&ctl->options, CTL_OPTION_ALL)) {
                if (!arguments[0])
                        return CTL_EXIT_OK;
                ctl_complain(ctl, "With --all there is no unit to name");
                return CTL_EXIT_USAGE;
        }
        if (!arguments[0]) {
                ctl_complain(ctl, "Name a unit, or say --all");
                return CTL_EXIT_USAGE;
        }
        e = ctl_target_get(&target, ctl, objects, arguments[0], CTL_TARGET_LUN);
        if (e != CTL_EXIT_OK)
                return e;
        set->export = ctl_objects_string(target.lun_properties, "Export");
        if (*set->export == '\0') {
                ctl_complain(ctl, "It is not exported: there is no medium, or it is not ready");
                return CTL_EXIT_FAILURE;
        }
        return arguments[1] ? find_device(ctl, arguments[1], &set->index) : CTL_EXIT_OK;
}

/* Waits until there may be something to do. False: a signal has come. */
static bool wait_for_news(AttachSet *set, int interrupt, bool *must_look) {
        struct pollfd polls[] = {
                { .fd = interrupt, .events = POLLIN },
                { .fd = nbd_netlink_get_fd(set->netlink), .events = POLLIN },
                { .fd = sd_bus_get_fd(set->ctl->bus), .events = POLLIN },
        };
        int timeout_ms = -1;
        uint32_t index;

        if (attach_set_is_waiting(set))
                *must_look = true;
        if (set->attachments)
                timeout_ms = *must_look ? LOOK_MS : CHECK_MS;
        if (poll(polls, N_ELEMENTS(polls), timeout_ms) < 0 && errno != EINTR)
                return false;
        attach_set_check(set);
        while (nbd_netlink_read_dead(set->netlink, &index)) {
                attach_set_note_dead(set, index);
                *must_look = true;
        }
        return polls[0].revents == 0;
}

/* -errno: the bus is gone. */
static int read_bus(sd_bus *bus) {
        int r;

        do
                r = sd_bus_process(bus, NULL);
        while (r > 0);
        return r;
}

static CtlExit stay(AttachSet *set, int interrupt, bool *must_look) {
        bool is_one = set->export;
        int r;

        while (set->attachments || !is_one) {
                r = read_bus(set->ctl->bus);
                if (r < 0)
                        return ctl_call_failed(set->ctl, NULL, r);
                if (*must_look) {
                        *must_look = false;
                        (void) attach_set_look(set);
                        continue;
                }
                if (!wait_for_news(set, interrupt, must_look)) {
                        attach_set_leave(set);
                        return CTL_EXIT_OK;
                }
        }
        return set->has_failed ? CTL_EXIT_FAILURE : CTL_EXIT_OK;
}

CtlExit verb_attach(Ctl *ctl, char **arguments) {
        _cleanup_(attach_set_done) AttachSet set = {};
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        _cleanup_(fd_closep) int interrupt = ctl_interrupt_open();
        bool must_look = false;
        CtlExit e;

        e = ctl_objects_load(&objects, ctl);
        if (e == CTL_EXIT_OK)
                e = attach_set_init(&set, ctl);
        if (e == CTL_EXIT_OK)
                e = read_arguments(&set, &objects, arguments);
        if (e == CTL_EXIT_OK)
                e = watch_service(ctl, &must_look);
        if (e == CTL_EXIT_OK)
                e = attach_set_look(&set);
        if (e != CTL_EXIT_OK)
                return e;
        (void) sd_notify(/* unset_environment= */ false, "READY=1");
        return stay(&set, interrupt, &must_look);
}

/* By the device's path, or by the name of what is attached. */
static CtlExit find_attached(Ctl *ctl, const char *text, uint32_t *ret_index) {
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        Attachment *attachment;
        CtlTarget target;
        bool is_found;
        CtlExit e;

        if (attachment_parse_path(text, ret_index))
                return CTL_EXIT_OK;
        e = ctl_target_load(&target, ctl, &objects, text, CTL_TARGET_LUN);
        if (e != CTL_EXIT_OK)
                return e;
        if (attachment_new(&attachment, ctl_objects_string(target.lun_properties, "Export")) < 0)
                return CTL_EXIT_FAILURE;
        is_found = attachment_find(attachment->identifier, ret_index);
        attachment_free(attachment);
        if (!is_found)
                ctl_complain(ctl, "%s is not attached", text);
        return is_found ? CTL_EXIT_OK : CTL_EXIT_NOT_FOUND;
}

static CtlExit check_detach(Ctl *ctl, uint32_t index) {
        _cleanup_(freep) char *export = attachment_get_export(index),
                              *path = attachment_path(index);
        int r;

        if (!export) {
                ctl_complain(ctl, "%s is not attached, or not by us", path);
                return CTL_EXIT_NOT_FOUND;
        }
        r = attachment_is_in_use(index);
        if (r == 0 || ctl_options_has(&ctl->options, CTL_OPTION_FORCE))
                return CTL_EXIT_OK;
        ctl_complain(ctl, "%s: %s", path, r > 0 ? "it is in use; unmount it first" : strerror(-r));
        return ctl_exit_from_errno(r > 0 ? -EBUSY : r);
}

CtlExit verb_attach_detach(Ctl *ctl, char **arguments) {
        _cleanup_(nbd_netlink_freep) NbdNetlink *netlink = NULL;
        _cleanup_(freep) char *path = NULL;
        uint32_t index;
        CtlExit e;
        int r;

        e = find_attached(ctl, arguments[0], &index);
        if (e == CTL_EXIT_OK)
                e = check_detach(ctl, index);
        if (e != CTL_EXIT_OK)
                return e;
        path = attachment_path(index);
        r = nbd_netlink_new(&netlink);
        if (r == 0)
                r = attach_set_detach(netlink, index);
        if (r < 0) {
                ctl_complain(ctl, "%s can't be detached: %s", path, strerror(-r));
                return ctl_exit_from_errno(r);
        }
        if (!ctl_is_json(ctl))
                printf("%s is detached\n", path);
        return CTL_EXIT_OK;
}
