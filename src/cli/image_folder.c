/*
 * Compares what there is with what there should be, at first and whenever the service has told that
 * something changed. A unit whose worker is being replaced stays mounted: its users wait.
 */

#include "cli/image_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/bus_value.h"
#include "cli/ctl_call.h"
#include "cli/ctl_interrupt.h"
#include "cli/ctl_text.h"
#include "cli/fuse_mount.h"
#include "cli/image_mount.h"

#define IMAGES_MAX 1024
#define SUFFIX ".img"
/* Signals come in bursts: what follows so soon is looked at together. */
#define SETTLE_MS 100

typedef struct Image {
        char *file; /* owned */
        char *lun;  /* owned: the unit's path on the bus */
} Image;

typedef struct ImageFolder {
        Ctl *ctl;           /* borrowed */
        const char *folder; /* borrowed, absolute */
        bool is_following;
        bool is_running; /* the service is there */
        bool has_changed;
        Image images[IMAGES_MAX]; /* mounted by us */
        size_t n_images;
} ImageFolder;

static void folder_done(ImageFolder *folder) {
        for (size_t i = 0; i < folder->n_images; i++) {
                free(folder->images[i].file);
                free(folder->images[i].lun);
        }
}

/* One */

static void tell(const Ctl *ctl, const char *file, const char *export, bool is_mounted) {
        json_object *line;

        if (!ctl_is_json(ctl)) {
                printf("%s %s\n", file, is_mounted ? "is mounted" : "is gone");
        } else {
                line = json_object_new_object();
                json_object_object_add(line, "file", bus_value_string(file));
                if (export)
                        json_object_object_add(line, "export", bus_value_string(export));
                json_object_object_add(line, "mounted", json_object_new_boolean(is_mounted));
                (void) ctl_print_json(ctl, line);
        }
        (void) fflush(stdout);
}

/* A file that we make, or that an earlier run left: it is empty. */
static CtlExit make_file(const Ctl *ctl, const char *file) {
        _cleanup_(fd_closep) int fd = -EBADF;

        if (fuse_mount_look(file) != FUSE_MOUNT_STATE_NONE)
                return CTL_EXIT_OK; /* whether it lives is looked at later */
        fd = open(file, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0)
                return CTL_EXIT_OK;
        ctl_complain(ctl, "%s: %s", file, strerror(errno));
        return CTL_EXIT_FAILURE;
}

static void drop(ImageFolder *folder, size_t i) {
        Image *image = &folder->images[i];
        struct stat status;

        if (fuse_mount_look(image->file) == FUSE_MOUNT_STATE_OURS)
                (void) fuse_mount_end(folder->ctl, image->file, /* is_lazy= */ true);
        /* What somebody has put there is his. */
        if (lstat(image->file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0)
                (void) unlink(image->file);
        tell(folder->ctl, image->file, NULL, /* is_mounted= */ false);
        free(image->file);
        free(image->lun);
        folder->images[i] = folder->images[--folder->n_images];
}

static bool has_image(const ImageFolder *folder, const char *file) {
        for (size_t i = 0; i < folder->n_images; i++)
                if (strcmp(folder->images[i].file, file) == 0)
                        return true;
        return false;
}

static CtlExit add(ImageFolder *folder, const char *lun, json_object *unit) {
        const char *export = ctl_objects_string(unit, "Export");
        _cleanup_(freep) char *file = ctl_text_format("%s/%s" SUFFIX, folder->folder, export);
        CtlExit e;

        if (*export == '\0' || strchr(export, '/') || folder->n_images == IMAGES_MAX ||
            has_image(folder, file) || image_mount_is_served(unit, file))
                return CTL_EXIT_OK;
        e = make_file(folder->ctl, file);
        if (e == CTL_EXIT_OK)
                e = image_mount_begin(folder->ctl, lun, unit, file);
        if (e != CTL_EXIT_OK)
                return e;
        tell(folder->ctl, file, export, /* is_mounted= */ true);
        folder->images[folder->n_images++] =
                        (Image){ .file = TAKE_PTR(file), .lun = ctl_text_copy(lun) };
        return CTL_EXIT_OK;
}

/* All */

static void drop_all(ImageFolder *folder) {
        while (folder->n_images > 0)
                drop(folder, folder->n_images - 1);
}

static void drop_unserved(ImageFolder *folder, const CtlObjects *objects) {
        for (size_t i = folder->n_images; i-- > 0;) {
                const Image *image = &folder->images[i];

                if (!image_mount_is_served(ctl_objects_get(objects, image->lun, CTL_LUN),
                                           image->file))
                        drop(folder, i);
        }
}

/* The worst of what went wrong; the others are mounted. */
static CtlExit add_all(ImageFolder *folder, const CtlObjects *objects) {
        CtlExit worst = CTL_EXIT_OK;

        json_object_object_foreach(objects->tree, path, interfaces) {
                json_object *unit = json_object_object_get(interfaces, CTL_LUN);
                CtlExit e = unit ? add(folder, path, unit) : CTL_EXIT_OK;

                if (e != CTL_EXIT_OK)
                        worst = e;
        }
        return worst;
}

static CtlExit compare(ImageFolder *folder) {
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        CtlExit e;

        folder->has_changed = false;
        if (!folder->is_running) {
                drop_all(folder);
                return CTL_EXIT_OK;
        }
        e = ctl_objects_load(&objects, folder->ctl);
        if (e != CTL_EXIT_OK)
                return e;
        drop_unserved(folder, &objects);
        return add_all(folder, &objects);
}

/* Following */

static int on_change(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        ((ImageFolder *) userdata)->has_changed = true;
        return 0;
}

static int on_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        ImageFolder *folder = userdata;
        const char *name, *former, *owner;

        if (sd_bus_message_read(message, "sss", &name, &former, &owner) < 0)
                return 0;
        folder->has_changed = true;
        folder->is_running = *owner != '\0';
        if (!folder->is_running)
                drop_all(folder); /* the next one does not know them */
        return 0;
}

static CtlExit listen_to(ImageFolder *folder) {
        static const struct {
                const char *rule;
                sd_bus_message_handler_t handler;
        } matches[] = {
                { "type='signal',sender='" CTL_SERVICE "',"
                  "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
                  "arg0='" CTL_LUN "'",
                  on_change },
                { "type='signal',sender='" CTL_SERVICE "',"
                  "interface='org.freedesktop.DBus.ObjectManager'",
                  on_change },
                { "type='signal',sender='org.freedesktop.DBus',"
                  "member='NameOwnerChanged',arg0='" CTL_SERVICE "'",
                  on_owner_changed },
        };

        for (size_t i = 0; i < N_ELEMENTS(matches); i++) {
                int r = sd_bus_add_match(folder->ctl->bus, NULL, matches[i].rule,
                                         matches[i].handler, folder);

                if (r < 0)
                        return ctl_call_failed(folder->ctl, NULL, r);
        }
        return CTL_EXIT_OK;
}

/* All that has come. -errno. */
static int process(ImageFolder *folder) {
        int r;

        do
                r = sd_bus_process(folder->ctl->bus, NULL);
        while (r > 0);
        return r;
}

static bool has_owner(Ctl *ctl) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int has = 0;

        if (sd_bus_call_method(ctl->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus", "NameHasOwner", NULL, &reply, "s",
                               CTL_SERVICE) < 0)
                return false;
        return sd_bus_message_read(reply, "b", &has) >= 0 && has;
}

static CtlExit follow(ImageFolder *folder, int interrupt) {
        struct pollfd pollfds[] = {
                { .fd = interrupt, .events = POLLIN },
                { .fd = sd_bus_get_fd(folder->ctl->bus), .events = POLLIN },
        };
        int r;

        for (;;) {
                r = process(folder);
                if (r < 0)
                        return ctl_call_failed(folder->ctl, NULL, r);
                if (folder->has_changed) {
                        if (ctl_interrupt_wait(interrupt, SETTLE_MS))
                                return CTL_EXIT_OK;
                        (void) process(folder);
                        (void) compare(folder); /* what went wrong was told; it is tried again */
                        continue;
                }
                if (poll(pollfds, N_ELEMENTS(pollfds), -1) < 0 && errno != EINTR)
                        return ctl_call_failed(folder->ctl, NULL, -errno);
                if (pollfds[0].revents != 0)
                        return CTL_EXIT_OK;
        }
}

static CtlExit run_following(ImageFolder *folder) {
        _cleanup_(fd_closep) int interrupt = ctl_interrupt_open();
        CtlExit e;

        if (interrupt < 0) {
                ctl_complain(folder->ctl, "signalfd: %s", strerror(-interrupt));
                return CTL_EXIT_FAILURE;
        }
        e = ctl_call_connect(folder->ctl);
        if (e == CTL_EXIT_OK)
                e = listen_to(folder);
        if (e != CTL_EXIT_OK)
                return e;
        folder->is_running = has_owner(folder->ctl);
        folder->has_changed = true;
        e = follow(folder, interrupt);
        drop_all(folder);
        return e;
}

CtlExit image_folder_run(Ctl *ctl, const char *folder_path) {
        _cleanup_(freep) char *path = realpath(folder_path, NULL);
        _cleanup_(folder_done) ImageFolder folder = { .ctl = ctl, .folder = path };
        struct stat status;

        if (!path || stat(path, &status) < 0 || !S_ISDIR(status.st_mode)) {
                ctl_complain(ctl, "%s: %s", folder_path,
                             path ? "it is no folder" : strerror(errno));
                return CTL_EXIT_FAILURE;
        }
        if (ctl_options_has(&ctl->options, CTL_OPTION_FOLLOW))
                return run_following(&folder);
        folder.is_running = true;
        return compare(&folder);
}
