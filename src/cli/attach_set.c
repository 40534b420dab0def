/*
 * An answer of the device comes within its deadline, so the kernel's timeout is longer: it must never
 * give up a connection that is well, or it would send what takes long again and again. What a
 * connection that died left unanswered is sent again when that time is over.
 */

#include "cli/attach_set.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/nbd_protocol.h"
#include "cli/ctl_call.h"
#include "cli/ctl_text.h"

#define USEC_PER_S 1000000
/* Beyond the device's own deadline. */
#define REQUEST_SLACK_S 5
/* Beyond the time for which an unplugged device is waited for: a restart of the service. */
#define DEAD_SLACK_S 60

/* What Lun.Attach gave, and what the unit tells beside it. */
typedef struct AttachSocket {
        int fd; /* owned */
        uint16_t flags;
        AttachmentFacts facts;
} AttachSocket;

static void attach_socket_done(AttachSocket *socket) { fd_close(socket->fd); }

static uint64_t now_ns(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * NS_PER_S + (uint64_t) now.tv_nsec;
}

/* Telling */

static void tell(const AttachSet *set, const Attachment *attachment, const char *event,
                 const char *words) {
        _cleanup_(freep) char *path = attachment_path(attachment->index);
        json_object *line;

        if (ctl_is_json(set->ctl)) {
                line = json_object_new_object();
                json_object_object_add(line, "event", json_object_new_string(event));
                json_object_object_add(line, "export", json_object_new_string(attachment->export));
                json_object_object_add(line, "device", json_object_new_string(path));
                (void) ctl_print_json(set->ctl, line);
        } else {
                printf("%s %s%s\n", path, words, attachment->export);
        }
        (void) fflush(stdout);
}

static CtlExit netlink_failed(const AttachSet *set, const char *export, int r) {
        if (r == -EPERM)
                ctl_complain(set->ctl, "Only root may attach devices to the kernel");
        else
                ctl_complain(set->ctl, "%s can't be attached: %s", export, strerror(-r));
        return r == -EPERM ? CTL_EXIT_DENIED : CTL_EXIT_FAILURE;
}

/* The service */

static bool is_service_there(const AttachSet *set) {
        return sd_bus_call_method(set->ctl->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                  "org.freedesktop.DBus", "GetNameOwner", NULL, NULL, "s",
                                  CTL_SERVICE) >= 0;
}

/* A unit, as it was looked at. */
typedef struct AttachUnit {
        const char *path; /* borrowed, as the others */
        json_object *lun;
        json_object *device;
} AttachUnit;

/* Nobody is told why not: it is asked again. */
static int open_socket(const AttachSet *set, const AttachUnit *unit, AttachSocket *ret,
                       sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int fd, r;

        r = sd_bus_call_method(set->ctl->bus, CTL_SERVICE, unit->path, CTL_LUN, "Attach", ret_error,
                               &reply, "a{sv}", 0);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "htuq", &fd, &ret->facts.size, &ret->facts.block_size,
                                &ret->flags);
        if (r < 0)
                return r;
        ret->facts.is_read_only = ret->flags & NBD_FLAG_READ_ONLY;
        ret->facts.export_number = ctl_objects_number(unit->lun, "ExportNumber");
        ret->facts.worker = ctl_objects_number(unit->device, "WorkerPid");
        /* The message's own is closed with it. */
        ret->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return ret->fd < 0 ? -errno : 0;
}

static CtlExit read_timeouts(AttachSet *set) {
        _cleanup_(json_object_putp) json_object *properties = NULL;
        CtlExit e;

        e = ctl_call_get_properties(set->ctl, CTL_PATH, CTL_MANAGER, &properties);
        if (e != CTL_EXIT_OK)
                return e;
        set->request_timeout_s = ctl_objects_number(properties, "DeviceTimeout") / USEC_PER_S +
                                 REQUEST_SLACK_S;
        set->dead_timeout_s =
                        ctl_objects_number(properties, "ParkTimeout") / USEC_PER_S + DEAD_SLACK_S;
        return CTL_EXIT_OK;
}

CtlExit attach_set_init(AttachSet *set, Ctl *ctl) {
        int r;

        *set = (AttachSet){ .ctl = ctl, .index = NBD_NETLINK_INDEX_ANY };
        r = nbd_netlink_new(&set->netlink);
        if (r == -ENOENT) {
                ctl_complain(ctl, "The kernel has no NBD driver: try 'modprobe nbd'");
                return CTL_EXIT_UNSUPPORTED;
        }
        if (r < 0) {
                ctl_complain(ctl, "The kernel's NBD driver can't be reached: %s", strerror(-r));
                return CTL_EXIT_FAILURE;
        }
        return read_timeouts(set);
}

void attach_set_done(AttachSet *set) {
        while (set->attachments) {
                Attachment *next = set->attachments->next;

                attachment_free(set->attachments);
                set->attachments = next;
        }
        set->netlink = nbd_netlink_free(set->netlink);
}

static Attachment *find(const AttachSet *set, const char *export) {
        for (Attachment *attachment = set->attachments; attachment; attachment = attachment->next)
                if (strcmp(attachment->export, export) == 0)
                        return attachment;
        return NULL;
}

static void drop(AttachSet *set, Attachment *attachment) {
        Attachment **link = &set->attachments;

        while (*link != attachment)
                link = &(*link)->next;
        *link = attachment->next;
        attachment_free(attachment);
}

/* Giving the kernel sockets */

static int connect_device(const AttachSet *set, Attachment *attachment,
                          const AttachSocket *socket) {
        NbdNetlinkDevice device = {
                .index = set->index,
                .identifier = attachment->identifier,
                .size = socket->facts.size,
                .block_size = socket->facts.block_size,
                .flags = socket->flags,
                .request_timeout_s = set->request_timeout_s,
                .dead_timeout_s = set->dead_timeout_s,
        };

        return nbd_netlink_connect(set->netlink, &device, socket->fd, &attachment->index);
}

static void enter_dead(Attachment *attachment) {
        if (!attachment->is_dead)
                attachment->dead_since_ns = now_ns();
        attachment->is_dead = true;
}

/* A new one, or one that an earlier run has left. */
static CtlExit attach_or_adopt(const AttachSet *set, Attachment *attachment,
                               const AttachUnit *unit) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(attach_socket_done) AttachSocket socket = { .fd = -EBADF };
        int r;

        if (attachment_find(attachment->identifier, &attachment->index)) {
                enter_dead(attachment); /* or not, as the kernel will say */
                r = attachment_read_facts(attachment->index, &attachment->facts);
                return r < 0 ? netlink_failed(set, attachment->export, r) : CTL_EXIT_OK;
        }
        r = open_socket(set, unit, &socket, &error);
        if (r < 0)
                return ctl_call_failed(set->ctl, &error, r);
        r = connect_device(set, attachment, &socket);
        if (r < 0)
                return netlink_failed(set, attachment->export, r);
        attachment->facts = socket.facts;
        attachment_announce(attachment->index);
        return CTL_EXIT_OK;
}

/* What can't be attached is told of once. */
static CtlExit attach(AttachSet *set, const AttachUnit *unit, const char *export) {
        Attachment *attachment;
        CtlExit e;
        int r;

        r = attachment_new(&attachment, export);
        if (r < 0)
                return netlink_failed(set, export, r);
        e = attach_or_adopt(set, attachment, unit);
        attachment->is_exported = true;
        attachment->is_left = e != CTL_EXIT_OK;
        attachment->next = set->attachments;
        set->attachments = attachment;
        if (e == CTL_EXIT_OK)
                tell(set, attachment, "attached", "is ");
        return e;
}

static void give_up(AttachSet *set, Attachment *attachment, const char *why) {
        ctl_complain(set->ctl, "%s %s: /dev/nbd%" PRIu32 " is detached", attachment->export, why,
                     attachment->index);
        (void) nbd_netlink_disconnect(set->netlink, attachment->index);
        set->has_failed = true;
        drop(set, attachment);
}

/* May free it. */
static void reconnect(AttachSet *set, Attachment *attachment, const AttachUnit *unit) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(attach_socket_done) AttachSocket socket = { .fd = -EBADF };
        int r;

        if (open_socket(set, unit, &socket, &error) < 0)
                return;
        if (!attachment_is_same(&attachment->facts, &socket.facts)) {
                give_up(set, attachment, "has become another one");
                return;
        }
        r = nbd_netlink_reconnect(set->netlink, attachment->index, attachment->identifier,
                                  socket.fd);
        if (r < 0 && r != -ENOSPC) /* ENOSPC: the former connection lives */
                return;
        attachment->facts = socket.facts;
        attachment->is_dead = false;
        if (r == 0)
                tell(set, attachment, "attached-again", "is again ");
}

/* Looking */

static void drop_left(AttachSet *set) {
        for (Attachment *attachment = set->attachments, *next; attachment; attachment = next) {
                next = attachment->next;
                if (attachment->is_left && (set->export || !attachment->is_exported))
                        drop(set, attachment);
        }
}

void attach_set_check(AttachSet *set) {
        for (Attachment *attachment = set->attachments; attachment; attachment = attachment->next) {
                uint32_t index;

                if (attachment->is_left ||
                    (attachment_find(attachment->identifier, &index) && index == attachment->index))
                        continue;
                tell(set, attachment, "detached", "is no longer ");
                attachment->is_left = true;
                attachment->is_dead = false;
        }
        if (set->export)
                drop_left(set);
}

/* The kernel has failed what waited for it. */
static void drop_given_up(AttachSet *set) {
        uint64_t limit_ns = set->dead_timeout_s * NS_PER_S;

        for (Attachment *attachment = set->attachments, *next; attachment; attachment = next) {
                next = attachment->next;
                if (attachment->is_dead && now_ns() - attachment->dead_since_ns > limit_ns)
                        give_up(set, attachment, "did not come back");
        }
}

static CtlExit look_at(AttachSet *set, const AttachUnit *unit) {
        const char *export = ctl_objects_string(unit->lun, "Export");
        Attachment *attachment;

        if (*export == '\0' || (set->export && strcmp(export, set->export) != 0))
                return CTL_EXIT_OK;
        attachment = find(set, export);
        if (!attachment)
                return attach(set, unit, export);
        attachment->is_exported = true;
        if (attachment->is_dead)
                reconnect(set, attachment, unit);
        return CTL_EXIT_OK;
}

static CtlExit look_at_all(AttachSet *set, const CtlObjects *objects) {
        CtlExit e = CTL_EXIT_OK;

        json_object_object_foreach(objects->tree, path, interfaces) {
                AttachUnit unit = { .path = path,
                                    .lun = json_object_object_get(interfaces, CTL_LUN) };
                CtlExit of_one;

                if (!unit.lun)
                        continue;
                unit.device = ctl_objects_get(objects, ctl_objects_string(unit.lun, "Device"),
                                              CTL_DEVICE);
                of_one = look_at(set, &unit);
                if (of_one != CTL_EXIT_OK)
                        e = of_one;
        }
        return e;
}

CtlExit attach_set_look(AttachSet *set) {
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        CtlExit e = CTL_EXIT_OK;

        attach_set_check(set);
        drop_given_up(set);
        for (Attachment *attachment = set->attachments; attachment; attachment = attachment->next)
                attachment->is_exported = false;
        if (is_service_there(set) && ctl_objects_load(&objects, set->ctl) == CTL_EXIT_OK)
                e = look_at_all(set, &objects);
        drop_left(set);
        return e;
}

void attach_set_note_dead(AttachSet *set, uint32_t index) {
        for (Attachment *attachment = set->attachments; attachment; attachment = attachment->next)
                if (!attachment->is_left &&
                    (attachment->index == index || index == NBD_NETLINK_INDEX_ANY))
                        enter_dead(attachment);
}

bool attach_set_is_waiting(const AttachSet *set) {
        for (const Attachment *attachment = set->attachments; attachment;
             attachment = attachment->next)
                if (attachment->is_dead)
                        return true;
        return false;
}

int attach_set_detach(NbdNetlink *netlink, uint32_t index) {
        int r;

        r = attachment_sync(index);
        if (r < 0)
                return r;
        return nbd_netlink_disconnect(netlink, index);
}

/* One whose connection is dead is not even opened: that would wait for a new one. */
static int leave(const AttachSet *set, const Attachment *attachment) {
        int r;

        if (attachment->is_dead)
                return -EHOSTDOWN;
        r = attachment_is_in_use(attachment->index);
        if (r != 0)
                return r > 0 ? -EBUSY : r;
        return attach_set_detach(set->netlink, attachment->index);
}

void attach_set_leave(AttachSet *set) {
        for (Attachment *attachment = set->attachments; attachment; attachment = attachment->next) {
                int r;

                if (attachment->is_left)
                        continue;
                r = leave(set, attachment);
                if (r == 0)
                        tell(set, attachment, "detached", "is no longer ");
                else
                        ctl_complain(set->ctl, "/dev/nbd%" PRIu32 " stays: %s", attachment->index,
                                     strerror(-r));
        }
}
