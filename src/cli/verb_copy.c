/*
 * copy
 *
 * One of both arguments is a unit, the other a file. A map file makes it resumable: it is saved now
 * and then, at the end, and when it is interrupted.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/ctl_call.h"
#include "cli/ctl_interrupt.h"
#include "cli/ctl_progress.h"
#include "cli/ctl_text.h"
#include "cli/image_copy.h"
#include "cli/verb_copy.h"

#define SAVE_NS (30 * NS_PER_S)
/* How often in a row a connection that ended is made anew, without anything having been copied
 * between, and after which pause. */
#define RECONNECTS_MAX 5
#define RECONNECT_PAUSE_MS 1000
/* A wait that is no longer than this needs no explanation. */
#define TELL_OF_WAIT_NS (1 * NS_PER_S)
#define BLOCK_SIZE_DEFAULT 512
#define BLOCK_SIZE_MAX 65536

typedef struct CopyVerb {
        Ctl *ctl;
        const char *path; /* the file's */
        ImageCopyParameters parameters;
        NbdHandle *nbd; /* owned, as what follows */
        RescueMap *map;
        int fd;
        int interrupt;
        CtlProgress progress;
        uint64_t start_ns;
        uint64_t saved_ns;
        uint64_t interrupted_ns; /* 0: it was not */
        bool has_told_of_wait;
        uint64_t done_before; /* by an earlier copy */
        int save_r;           /* why the map could not be saved; 0 */
} CopyVerb;

static void copy_verb_done(CopyVerb *copy) {
        nbd_client_free(copy->nbd);
        rescue_map_free(copy->map);
        fd_close(copy->fd);
        fd_close(copy->interrupt);
}

/* Which argument is what. A path with a '/' is a file, whatever devices are called. */
static CtlExit sort_arguments(CopyVerb *copy, const CtlObjects *objects, char **arguments,
                              CtlTarget *target) {
        CtlTarget found;
        size_t n_units = 0, unit = 0;

        for (size_t i = 0; i < 2; i++)
                if (!strchr(arguments[i], '/') &&
                    ctl_target_find(&found, objects, arguments[i], CTL_TARGET_ANY) !=
                                    CTL_TARGET_RESULT_NONE) {
                        unit = i;
                        n_units++;
                }
        if (n_units == 2) {
                ctl_complain(copy->ctl, "Both are disks: put ./ before the name of a file");
                return CTL_EXIT_USAGE;
        }
        if (n_units == 0) {
                ctl_complain(copy->ctl, "Neither '%s' nor '%s' is a disk", arguments[0],
                             arguments[1]);
                return CTL_EXIT_NOT_FOUND;
        }
        copy->path = arguments[1 - unit];
        copy->parameters.to_export = unit == 1;
        return ctl_target_get(target, copy->ctl, objects, arguments[unit], CTL_TARGET_LUN);
}

static CtlExit file_failed(const CopyVerb *copy, const char *path, int r) {
        ctl_complain(copy->ctl, "%s: %s", path, strerror(-r));
        return CTL_EXIT_FAILURE;
}

/* Reads the map file, if there is one. */
static CtlExit load_map(CopyVerb *copy, uint64_t size, bool *ret_resumes) {
        const char *path = copy->ctl->options.map_path;
        _cleanup_(fd_closep) int fd = -EBADF;
        _cleanup_(freep) char *text = NULL;
        unsigned line = 0;
        ssize_t n;
        int r;

        *ret_resumes = false;
        fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -EBADF;
        if (path && fd < 0 && errno != ENOENT)
                return file_failed(copy, path, -errno);
        if (fd < 0) {
                r = rescue_map_new(&copy->map, size);
                return r < 0 ? file_failed(copy, "map", r) : CTL_EXIT_OK;
        }
        text = malloc(RESCUE_MAP_FILE_SIZE_MAX + 1);
        if (!text)
                ctl_text_no_memory();
        n = fd_read_all(fd, text, RESCUE_MAP_FILE_SIZE_MAX + 1);
        if (n < 0)
                return file_failed(copy, path, (int) n);
        r = rescue_map_parse(&copy->map, text, (size_t) n, size, &line);
        if (r == -EINVAL)
                ctl_complain(copy->ctl, "%s:%u: this is no mapfile", path, line);
        else if (r == -ERANGE)
                ctl_complain(copy->ctl, "%s:%u: the map is of something larger", path, line);
        else if (r == -E2BIG)
                ctl_complain(copy->ctl, "%s is too large for a mapfile", path);
        else if (r < 0)
                return file_failed(copy, path, r);
        *ret_resumes = true;
        return r < 0 ? CTL_EXIT_FAILURE : CTL_EXIT_OK;
}

/* What the map calls bad may have become better. */
static CtlExit retry_bad(CopyVerb *copy) {
        RescueExtent extent;
        uint64_t start = 0;
        int r;

        if (!ctl_options_has(&copy->ctl->options, CTL_OPTION_RETRY))
                return CTL_EXIT_OK;
        while (rescue_map_find(copy->map, start, RESCUE_STATUS_BAD, &extent)) {
                r = rescue_map_set(copy->map, extent.start, extent.size, RESCUE_STATUS_UNSCRAPED);
                if (r < 0)
                        return file_failed(copy, "map", r);
                start = extent.start + extent.size;
        }
        return CTL_EXIT_OK;
}

static CtlExit check_kind(const CopyVerb *copy, const struct stat *st) {
        if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode))
                return CTL_EXIT_OK;
        ctl_complain(copy->ctl, "%s is neither a regular file nor a block device", copy->path);
        return CTL_EXIT_FAILURE;
}

static CtlExit file_size(const CopyVerb *copy, uint64_t *ret) {
        struct stat st;
        off_t end;
        CtlExit e;

        if (fstat(copy->fd, &st) < 0)
                return file_failed(copy, copy->path, -errno);
        e = check_kind(copy, &st);
        if (e != CTL_EXIT_OK)
                return e;
        end = lseek(copy->fd, 0, SEEK_END);
        if (end < 0)
                return file_failed(copy, copy->path, -errno);
        *ret = (uint64_t) end;
        return CTL_EXIT_OK;
}

/* Into the unit: all of the file, which must fit. */
static CtlExit prepare_in(CopyVerb *copy, const CtlTarget *target, uint64_t export_size) {
        _cleanup_(freep) char *name = ctl_target_name(target), *question = NULL;
        struct stat st;
        bool resumes;
        uint64_t size;
        CtlExit e;

        /* Before it is opened, as that would wait for who writes into a FIFO; without waiting, the kernel
         * would open an optical drive without a look at the disc. */
        if (stat(copy->path, &st) < 0)
                return file_failed(copy, copy->path, -errno);
        e = check_kind(copy, &st);
        if (e != CTL_EXIT_OK)
                return e;
        copy->fd = open(copy->path, O_RDONLY | O_CLOEXEC);
        if (copy->fd < 0)
                return file_failed(copy, copy->path, -errno);
        e = file_size(copy, &size);
        if (e != CTL_EXIT_OK)
                return e;
        if (size > export_size) {
                ctl_complain(copy->ctl, "%s is larger than %s: %" PRIu64 " and %" PRIu64 " bytes",
                             copy->path, name, size, export_size);
                return CTL_EXIT_FAILURE;
        }
        if (nbd_is_read_only(copy->nbd) > 0) {
                ctl_complain(copy->ctl, "%s is read-only", name);
                return CTL_EXIT_FAILURE;
        }
        e = load_map(copy, size, &resumes);
        if (e != CTL_EXIT_OK)
                return e;
        question = ctl_text_format("All that is on %s is lost then. Go on?", name);
        return ctl_confirm(copy->ctl, question);
}

/* Out of the unit: the file is made, or continued. */
static CtlExit prepare_out(CopyVerb *copy, uint64_t export_size) {
        _cleanup_(freep) char *question = NULL;
        struct stat st;
        uint64_t size;
        bool resumes;
        CtlExit e;

        e = load_map(copy, export_size, &resumes);
        if (e != CTL_EXIT_OK)
                return e;
        copy->fd = open(copy->path, O_RDWR | O_CLOEXEC | O_NOCTTY | (resumes ? 0 : O_CREAT), 0666);
        if (copy->fd < 0)
                return file_failed(copy, copy->path, -errno);
        e = file_size(copy, &size);
        if (e != CTL_EXIT_OK || fstat(copy->fd, &st) < 0)
                return e;
        if (!resumes && size > 0) {
                question = ctl_text_format("What is in %s is lost then. Go on?", copy->path);
                e = ctl_confirm(copy->ctl, question);
                if (e != CTL_EXIT_OK)
                        return e;
        }
        if (S_ISREG(st.st_mode) && ((!resumes && ftruncate(copy->fd, 0) < 0) ||
                                    ftruncate(copy->fd, (off_t) export_size) < 0))
                return file_failed(copy, copy->path, -errno);
        /* In a file that is continued, holes are where nothing was written yet. */
        copy->parameters.has_holes = S_ISREG(st.st_mode) && !resumes;
        if (!S_ISREG(st.st_mode) && size < export_size)
                return file_failed(copy, copy->path, -ENOSPC);
        return CTL_EXIT_OK;
}

static int save_map(CopyVerb *copy) {
        const char *path = copy->ctl->options.map_path, *where;
        int r;

        if (!path)
                return 0;
        /* The map must not be ahead of the data. */
        r = image_copy_sync(&copy->parameters, &where);
        return r < 0 ? r : rescue_map_save(copy->map, path);
}

static CtlExit map_failed(const CopyVerb *copy, int r) {
        ctl_complain(copy->ctl, "The map can't be saved: %s", strerror(-r));
        return CTL_EXIT_FAILURE;
}

static bool should_stop(void *userdata) {
        CopyVerb *copy = userdata;

        if (ctl_interrupt_wait(copy->interrupt, 0)) {
                ctl_interrupt_let_next(copy->interrupt);
                copy->interrupted_ns = ctl_progress_now();
        }
        return copy->save_r < 0 || copy->interrupted_ns > 0;
}

/* A disk that hangs is waited for as long as its requests may take. */
static void tell_of_wait(CopyVerb *copy, uint64_t now_ns) {
        if (copy->interrupted_ns == 0 || copy->has_told_of_wait ||
            now_ns - copy->interrupted_ns < TELL_OF_WAIT_NS)
                return;
        copy->has_told_of_wait = true;
        ctl_progress_clear(&copy->progress);
        ctl_complain(copy->ctl, "Interrupted: waiting for what the disk still does; "
                                "once more ends this at once");
}

static void draw(CopyVerb *copy, uint64_t now_ns) {
        uint64_t bad = rescue_map_sum(copy->map, RESCUE_STATUS_BAD) +
                       rescue_map_sum(copy->map, RESCUE_STATUS_UNTRIMMED) +
                       rescue_map_sum(copy->map, RESCUE_STATUS_UNSCRAPED);
        _cleanup_(freep) char *size = ctl_text_size(bad, false), *note = NULL;

        note = bad > 0 ? ctl_text_format("%s bad", size) : ctl_text_copy("");
        ctl_progress_update(&copy->progress, now_ns, rescue_map_sum(copy->map, RESCUE_STATUS_DONE),
                            rescue_map_size(copy->map), note);
}

static void on_progress(void *userdata) {
        CopyVerb *copy = userdata;
        uint64_t now_ns = ctl_progress_now();

        tell_of_wait(copy, now_ns);
        if (ctl_progress_is_due(&copy->progress, now_ns))
                draw(copy, now_ns);
        if (now_ns - copy->saved_ns >= SAVE_NS) {
                copy->saved_ns = now_ns;
                copy->save_r = save_map(copy);
        }
}

static void tell(const CopyVerb *copy) {
        uint64_t seconds = (ctl_progress_now() - copy->start_ns) / NS_PER_S;
        uint64_t done = rescue_map_sum(copy->map, RESCUE_STATUS_DONE);
        uint64_t bad = rescue_map_sum(copy->map, RESCUE_STATUS_BAD);
        size_t n_bad = rescue_map_count(copy->map, RESCUE_STATUS_BAD);
        bool in_bytes = ctl_options_has(&copy->ctl->options, CTL_OPTION_BYTES);
        _cleanup_(freep) char *done_text = ctl_text_size(done, in_bytes);
        _cleanup_(freep) char *before = ctl_text_size(copy->done_before, in_bytes);
        _cleanup_(freep) char *bad_text = ctl_text_size(bad, in_bytes);
        _cleanup_(freep) char *time = ctl_text_seconds(seconds);
        json_object *answer;

        if (ctl_is_json(copy->ctl)) {
                answer = json_object_new_object();
                json_object_object_add(answer, "size",
                                       json_object_new_uint64(rescue_map_size(copy->map)));
                json_object_object_add(answer, "copied", json_object_new_uint64(done));
                json_object_object_add(answer, "copied_before",
                                       json_object_new_uint64(copy->done_before));
                json_object_object_add(answer, "bad", json_object_new_uint64(bad));
                json_object_object_add(answer, "bad_areas", json_object_new_uint64(n_bad));
                json_object_object_add(answer, "seconds", json_object_new_uint64(seconds));
                (void) ctl_print_json(copy->ctl, answer);
                return;
        }
        printf("%s copied in %s", done_text, time);
        if (copy->done_before > 0)
                printf(", %s of it before", before);
        if (n_bad > 0)
                printf("; %s in %zu area%s could not be %s", bad_text, n_bad, n_bad == 1 ? "" : "s",
                       copy->parameters.to_export ? "written" : "read");
        printf(".\n");
}

static CtlExit finish(CopyVerb *copy, int r, const char *where) {
        int map_r;

        ctl_progress_clear(&copy->progress);
        map_r = copy->save_r < 0 ? copy->save_r : save_map(copy);
        if (r == 0)
                r = image_copy_sync(&copy->parameters, &where);
        tell(copy);
        if (map_r < 0)
                (void) map_failed(copy, map_r);
        if (r == -EINTR && map_r == 0)
                ctl_complain(copy->ctl, "%s",
                             copy->ctl->options.map_path
                                             ? "Interrupted: the same command goes on"
                                             : "Interrupted: only with --map can it be resumed");
        else if (r < 0 && r != -EINTR)
                ctl_complain(copy->ctl, "It failed while %s: %s", where, strerror(-r));
        if (r < 0 || map_r < 0)
                return CTL_EXIT_FAILURE;
        return rescue_map_sum(copy->map, RESCUE_STATUS_DONE) == rescue_map_size(copy->map)
                               ? CTL_EXIT_OK
                               : CTL_EXIT_FAILURE;
}

/* A worker that dies ends its connections, and another one takes over: what is left is copied by
 * that. True: there is a connection again. */
static bool reconnect(CopyVerb *copy, const CtlTarget *target) {
        NbdHandle *nbd;

        if (nbd_aio_is_dead(copy->nbd) <= 0 && nbd_aio_is_closed(copy->nbd) <= 0)
                return false;
        ctl_progress_clear(&copy->progress);
        ctl_complain(copy->ctl, "The connection has ended, trying again");
        if (ctl_interrupt_wait(copy->interrupt, RECONNECT_PAUSE_MS))
                return false;
        if (nbd_client_open(&nbd, copy->ctl, target) != CTL_EXIT_OK)
                return false;
        nbd_client_free(copy->nbd);
        copy->parameters.nbd = copy->nbd = nbd;
        return true;
}

static int copy_persistently(CopyVerb *copy, const CtlTarget *target, const char **ret_where) {
        uint64_t done = copy->done_before;
        unsigned n_reconnects = 0;
        int r;

        for (;;) {
                r = image_copy_run(&copy->parameters, ret_where);
                if (r == 0 || r == -EINTR)
                        return r;
                if (rescue_map_sum(copy->map, RESCUE_STATUS_DONE) > done)
                        n_reconnects = 0;
                done = rescue_map_sum(copy->map, RESCUE_STATUS_DONE);
                if (n_reconnects++ >= RECONNECTS_MAX || !reconnect(copy, target))
                        return r;
        }
}

static CtlExit run(CopyVerb *copy, const CtlTarget *target) {
        static const ImageCopyOps ops = { .should_stop = should_stop, .on_progress = on_progress };
        uint64_t block_size = ctl_objects_number(target->lun_properties, "BlockSize");
        uint64_t depth = copy->ctl->options.depth;
        const char *where = NULL;
        int r;

        copy->start_ns = copy->saved_ns = ctl_progress_now();
        copy->done_before = rescue_map_sum(copy->map, RESCUE_STATUS_DONE);
        ctl_progress_init(&copy->progress, copy->ctl, "copying", copy->start_ns, copy->done_before);
        copy->parameters.nbd = copy->nbd;
        copy->parameters.map = copy->map;
        copy->parameters.fd = copy->fd;
        copy->parameters.block_size = is_power_of_two(block_size) && block_size <= BLOCK_SIZE_MAX
                                                      ? (uint32_t) block_size
                                                      : BLOCK_SIZE_DEFAULT;
        copy->parameters.depth = depth > 0 ? (unsigned) depth : IMAGE_COPY_DEPTH_DEFAULT;
        copy->parameters.ops = &ops;
        copy->parameters.userdata = copy;
        /* Better told now than after hours. */
        r = save_map(copy);
        if (r < 0)
                return map_failed(copy, r);
        r = copy_persistently(copy, target, &where);
        return finish(copy, r, where);
}

CtlExit verb_copy(Ctl *ctl, char **arguments) {
        _cleanup_(copy_verb_done) CopyVerb copy = {
                .ctl = ctl,
                .fd = -EBADF,
                .interrupt = -EBADF,
        };
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        CtlTarget target;
        int64_t size;
        CtlExit e;

        if (ctl_options_has(&ctl->options, CTL_OPTION_RETRY) && !ctl->options.map_path) {
                ctl_complain(ctl, "--retry is of what a map calls bad: it needs --map");
                return CTL_EXIT_USAGE;
        }
        e = ctl_objects_load(&objects, ctl);
        if (e == CTL_EXIT_OK)
                e = sort_arguments(&copy, &objects, arguments, &target);
        if (e == CTL_EXIT_OK)
                e = nbd_client_open(&copy.nbd, ctl, &target);
        if (e != CTL_EXIT_OK)
                return e;
        size = nbd_get_size(copy.nbd);
        if (size < 0)
                return nbd_client_failed(ctl, "The export's size is not told");
        e = copy.parameters.to_export ? prepare_in(&copy, &target, (uint64_t) size)
                                      : prepare_out(&copy, (uint64_t) size);
        if (e == CTL_EXIT_OK)
                e = retry_bad(&copy);
        if (e != CTL_EXIT_OK)
                return e;
        copy.interrupt = ctl_interrupt_open();
        if (copy.interrupt < 0)
                return file_failed(&copy, "signalfd", copy.interrupt);
        return run(&copy, &target);
}
