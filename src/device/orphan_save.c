/*
 * SEEK_DATA, sendfile, fdatasync, a few hundred times; then the names. Nobody looks at the bytes:
 * they go from one file to the other within the kernel.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/log.h"
#include "control/control_message.h"
#include "device/orphan_folder.h"
#include "device/orphan_save.h"
#include "device/state_folder.h"

/* Between two steps others have their turn. */
#define STEP_PAUSE_NS NS_PER_MS
/* Copies that are being made at once, and so have different names. */
#define TEMPORARY_NAMES_MAX 1000

typedef enum OrphanSaveState {
        ORPHAN_SAVE_STATE_OPENING,
        ORPHAN_SAVE_STATE_COPYING,
        ORPHAN_SAVE_STATE_NAMING,
        ORPHAN_SAVE_STATE_DONE,
        _ORPHAN_SAVE_STATE_MAX,
} OrphanSaveState;

struct OrphanSave {
        EventLoop *loop; /* borrowed */
        OrphanSaveState state;
        EventTimer timer;
        const char *folder; /* borrowed */
        char base_name[ORPHAN_BASE_NAME_SIZE_MAX];
        uint32_t luns;
        unsigned n_files_max;
        uint32_t numbers[CONTROL_LUNS_MAX];
        int fd; /* borrowed: the arena */
        off_t offset;
        int folder_fd;                             /* owned */
        int temporary_fd;                          /* owned */
        char temporary_name[ORPHAN_NAME_SIZE_MAX]; /* "" once it has another */
        OrphanSaveDone done;
        void *userdata;
};

static bool has_lun(uint32_t luns, unsigned lun) { return luns >> lun & 1; }

static OrphanName save_name(const OrphanSave *save, unsigned lun, uint32_t number) {
        OrphanName name = { .lun = lun, .number = number };

        memcpy(name.base_name, save->base_name, sizeof(name.base_name));
        return name;
}

/* Numbers go up, so that the order in which data was written is kept. */
static int save_choose_numbers(OrphanSave *save) {
        _cleanup_(freep) OrphanList *list = NULL;
        unsigned n_files[CONTROL_LUNS_MAX] = {};
        int r;

        list = malloc(sizeof(*list));
        if (!list)
                return -ENOMEM;
        r = orphan_folder_list(save->folder, save->base_name, list);
        if (r < 0)
                return r == -E2BIG ? -EDQUOT : r;

        memset(save->numbers, 0, sizeof(save->numbers));
        for (size_t i = 0; i < list->n_names; i++) {
                unsigned lun = list->names[i].lun;

                n_files[lun]++;
                save->numbers[lun] = MAX(save->numbers[lun], list->names[i].number);
        }
        for (unsigned lun = 0; lun < CONTROL_LUNS_MAX; lun++) {
                if (!has_lun(save->luns, lun))
                        continue;
                if (n_files[lun] >= save->n_files_max || save->numbers[lun] == UINT32_MAX)
                        return -EDQUOT;
                save->numbers[lun]++;
        }
        return 0;
}

static int save_make_temporary(OrphanSave *save) {
        for (unsigned i = 0; i < TEMPORARY_NAMES_MAX; i++) {
                snprintf(save->temporary_name, sizeof(save->temporary_name), ".%s.%u.tmp",
                         save->base_name, i);
                save->temporary_fd =
                                openat(save->folder_fd, save->temporary_name,
                                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
                if (save->temporary_fd >= 0)
                        return 0;
                if (errno != EEXIST)
                        break;
        }
        save->temporary_name[0] = '\0'; /* not ours */
        return -errno;
}

static int save_open(OrphanSave *save) {
        struct stat status;
        int r;

        save->folder_fd = state_folder_open(save->folder);
        if (save->folder_fd < 0)
                return save->folder_fd;
        r = save_choose_numbers(save);
        if (r < 0)
                return r;
        r = save_make_temporary(save);
        if (r < 0)
                return r;
        if (fstat(save->fd, &status) < 0 || ftruncate(save->temporary_fd, status.st_size) < 0)
                return -errno;
        return 0;
}

/* 1: there is more; 0; -errno. */
static int save_copy_step(OrphanSave *save) {
        off_t start, end;
        ssize_t n;

        start = lseek(save->fd, save->offset, SEEK_DATA);
        if (start < 0)
                return errno == ENXIO ? 0 : -errno;
        end = lseek(save->fd, start, SEEK_HOLE);
        if (end < 0 || lseek(save->temporary_fd, start, SEEK_SET) < 0)
                return -errno;
        save->offset = start;
        n = sendfile(save->temporary_fd, save->fd, &save->offset,
                     MIN((size_t) (end - start), (size_t) ORPHAN_SAVE_STEP_SIZE));
        if (n <= 0)
                return n < 0 ? -errno : -EIO;
        return fdatasync(save->temporary_fd) < 0 ? -errno : 1;
}

static void save_remove_names(OrphanSave *save, unsigned end_lun) {
        char text[ORPHAN_NAME_SIZE_MAX];

        for (unsigned lun = 0; lun < end_lun; lun++) {
                OrphanName name = save_name(save, lun, save->numbers[lun]);

                if (!has_lun(save->luns, lun))
                        continue;
                orphan_name_format(&name, text);
                unlinkat(save->folder_fd, text, 0);
        }
}

/* All but the last are further names of the one file. Never over a file that is there. */
static int save_give_name(OrphanSave *save, unsigned lun) {
        OrphanName name = save_name(save, lun, save->numbers[lun]);
        bool is_last = save->luns >> lun == 1;
        char text[ORPHAN_NAME_SIZE_MAX];
        int r;

        orphan_name_format(&name, text);
        if (is_last)
                r = renameat2(save->folder_fd, save->temporary_name, save->folder_fd, text,
                              RENAME_NOREPLACE);
        else
                r = linkat(save->folder_fd, save->temporary_name, save->folder_fd, text, 0);
        if (r < 0)
                return -errno;
        if (is_last)
                save->temporary_name[0] = '\0';
        return 0;
}

static int save_give_names(OrphanSave *save) {
        int r;

        /* Others may have been saved while this one was copied. */
        r = save_choose_numbers(save);
        if (r < 0)
                return r;
        if (fsync(save->temporary_fd) < 0)
                return -errno;
        for (unsigned lun = 0; lun < CONTROL_LUNS_MAX; lun++) {
                r = has_lun(save->luns, lun) ? save_give_name(save, lun) : 0;
                if (r < 0) {
                        save_remove_names(save, lun);
                        return r;
                }
        }
        if (fsync(save->folder_fd) < 0) {
                r = -errno;
                save_remove_names(save, CONTROL_LUNS_MAX);
                return r;
        }
        return 0;
}

static void save_tell_success(const OrphanSave *save) {
        char text[ORPHAN_NAME_SIZE_MAX];

        for (unsigned lun = 0; lun < CONTROL_LUNS_MAX; lun++) {
                OrphanName name = save_name(save, lun, save->numbers[lun]);

                if (!has_lun(save->luns, lun))
                        continue;
                orphan_name_format(&name, text);
                log_warning("What LUN %u of %s has not on its medium is kept in %s/%s: it goes "
                            "back when that returns, or by usb-storage-orphan export",
                            lun, save->base_name, save->folder, text);
        }
}

static void save_tell_failure(const OrphanSave *save, int error) {
        log_error("What LUNs 0x%x of %s have not on their medium can't be kept in %s: %s",
                  save->luns, save->base_name, save->folder,
                  error == -EDQUOT ? "there are too many orphan files of them already"
                                   : strerror(-error));
}

static void save_remove_temporary(OrphanSave *save) {
        if (save->temporary_name[0] != '\0')
                unlinkat(save->folder_fd, save->temporary_name, 0);
        save->temporary_name[0] = '\0';
}

static void save_enter(OrphanSave *save, OrphanSaveState state, int result) {
        save->state = state;
        switch (state) {
        case ORPHAN_SAVE_STATE_OPENING:
        case ORPHAN_SAVE_STATE_COPYING:
        case ORPHAN_SAVE_STATE_NAMING:
                event_timer_set(&save->timer, event_loop_now_ns(save->loop) + STEP_PAUSE_NS);
                return;
        case ORPHAN_SAVE_STATE_DONE:
                save_remove_temporary(save);
                if (result < 0)
                        save_tell_failure(save, result);
                else
                        save_tell_success(save);
                save->done(save, result, save->userdata);
                return;
        case _ORPHAN_SAVE_STATE_MAX:
                break;
        }
        assert_not_reached();
}

static int save_step(OrphanSave *save, OrphanSaveState *ret_next) {
        int r;

        switch (save->state) {
        case ORPHAN_SAVE_STATE_OPENING:
                *ret_next = ORPHAN_SAVE_STATE_COPYING;
                return save_open(save);
        case ORPHAN_SAVE_STATE_COPYING:
                r = save_copy_step(save);
                *ret_next = r > 0 ? ORPHAN_SAVE_STATE_COPYING : ORPHAN_SAVE_STATE_NAMING;
                return r;
        case ORPHAN_SAVE_STATE_NAMING:
                *ret_next = ORPHAN_SAVE_STATE_DONE;
                return save_give_names(save);
        case ORPHAN_SAVE_STATE_DONE:
        case _ORPHAN_SAVE_STATE_MAX:
                break;
        }
        assert_not_reached();
        return 0;
}

static void save_on_timer(EventTimer *timer) {
        OrphanSave *save = container_of(timer, OrphanSave, timer);
        OrphanSaveState next;
        int r;

        r = save_step(save, &next);
        save_enter(save, r < 0 ? ORPHAN_SAVE_STATE_DONE : next, MIN(r, 0));
}

int orphan_save_new(OrphanSave **ret, EventLoop *loop, const char *folder,
                    const OrphanSaveSource *source, OrphanSaveDone done, void *userdata) {
        _cleanup_(freep) OrphanSave *save = NULL;
        int r;

        assert(source->luns != 0 && (source->luns & ~CONTROL_LUNS_ALL) == 0);
        save = calloc(1, sizeof(*save));
        if (!save)
                return -ENOMEM;
        r = event_timer_init(&save->timer, loop, save_on_timer);
        if (r < 0)
                return r;

        save->loop = loop;
        save->folder = folder;
        snprintf(save->base_name, sizeof(save->base_name), "%s", source->base_name);
        save->luns = source->luns;
        save->fd = source->fd;
        save->n_files_max = source->n_files_max;
        save->folder_fd = save->temporary_fd = -EBADF;
        save->done = done;
        save->userdata = userdata;
        save_enter(save, ORPHAN_SAVE_STATE_OPENING, 0);
        *ret = TAKE_PTR(save);
        return 0;
}

OrphanSave *orphan_save_free(OrphanSave *save) {
        if (!save)
                return NULL;

        save_remove_temporary(save);
        event_timer_done(&save->timer);
        fd_close(save->temporary_fd);
        fd_close(save->folder_fd);
        free(save);
        return NULL;
}

uint32_t orphan_save_get_luns(const OrphanSave *save) { return save->luns; }

uint32_t orphan_save_get_number(const OrphanSave *save, unsigned lun) {
        assert(has_lun(save->luns, lun));
        return save->numbers[lun];
}
