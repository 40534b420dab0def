/* Read by the manager, as workers open nothing: a file of the system, as the configuration is. */

#include "daemon_drivedb.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"

/* What update-smart-drivedb(8) fetched, and what it was installed with. */
static const char *const default_paths[] = {
        "/var/lib/smartmontools/drivedb/drivedb.h",
        "/usr/share/smartmontools/drivedb.h",
};

/* A fifo would never end. */
static int open_file(const char *path) {
        _cleanup_(fd_closep) int fd = -EBADF;
        struct stat status;

        fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &status) < 0)
                return -errno;
        if (!S_ISREG(status.st_mode))
                return -EINVAL;
        return TAKE_FD(fd);
}

static int add_file(SmartDrivedb *db, const char *path) {
        _cleanup_(fd_closep) int fd = -EBADF;
        _cleanup_(freep) char *text = NULL;
        ssize_t size;

        fd = open_file(path);
        if (fd < 0)
                return fd;
        text = malloc(SMART_DRIVEDB_TEXT_SIZE_MAX + 1);
        if (!text)
                return -ENOMEM;
        size = fd_read_all(fd, (uint8_t *) text, SMART_DRIVEDB_TEXT_SIZE_MAX + 1);
        if (size < 0)
                return (int) size;
        return smart_drivedb_add(db, text, (size_t) size);
}

static void load_file(SmartDrivedb *db, const char *path, bool is_optional) {
        size_t n_before = db->n_entries;
        int r;

        r = add_file(db, path);
        if (r == -ENOENT && is_optional)
                return;
        if (r < 0)
                log_warning("%s: bridges are not looked up there, ignoring: %s", path,
                            strerror(-r));
        else if (db->n_entries == n_before)
                log_warning("%s has nothing about USB bridges, ignoring", path);
        else
                log_debug("%s tells of %zu models of USB bridges", path, db->n_entries - n_before);
}

void daemon_drivedb_load(SmartDrivedb *db, char *const *paths) {
        if (!paths || !paths[0]) {
                for (size_t i = 0; i < N_ELEMENTS(default_paths); i++)
                        load_file(db, default_paths[i], /* is_optional= */ true);
                return;
        }
        for (; *paths; paths++)
                load_file(db, *paths, /* is_optional= */ false);
}

static bool is_entry_equal(const SmartDrivedbEntry *a, const SmartDrivedbEntry *b) {
        return strcmp(a->ids, b->ids) == 0 && strcmp(a->bcd, b->bcd) == 0 &&
               a->bridge.kind == b->bridge.kind && a->bridge.is_sat_too == b->bridge.is_sat_too &&
               a->bridge.is_extended == b->bridge.is_extended &&
               a->bridge.is_prolific == b->bridge.is_prolific && a->bridge.port == b->bridge.port &&
               a->bridge.signature == b->bridge.signature;
}

bool daemon_drivedb_is_equal(const SmartDrivedb *a, const SmartDrivedb *b) {
        if (a->n_entries != b->n_entries)
                return false;
        for (size_t i = 0; i < a->n_entries; i++)
                if (!is_entry_equal(&a->entries[i], &b->entries[i]))
                        return false;
        return true;
}
