/* memfds, seals, files and names: see device_arena.h. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "device/device_arena.h"
#include "device/fd_store.h"
#include "device/orphan_folder.h"

/* Linux 6.3; older C libraries have no name for it. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
/* The arena's tables, beside its lines. */
#define TABLES_FRACTION 32
#define TABLES_SIZE_MIN MIB
#define PAGE_SIZE (4 * KIB)
#define STORE_PREFIX "cache-"
/* A worker whose manager has died flushes, which takes as long as at any stop. */
#define LOCK_TRIES_MAX 2000
#define LOCK_PAUSE_US 100000
#define PATH_SIZE_MAX 4096

static int arena_allocate(DeviceArena **ret, const char *base_name, int fd) {
        DeviceArena *arena;

        arena = calloc(1, sizeof(*arena));
        if (!arena) {
                fd_close(fd);
                return -ENOMEM;
        }
        arena->fd = fd;
        snprintf(arena->base_name, sizeof(arena->base_name), "%s", base_name);
        list_init(&arena->node);
        *ret = arena;
        return 0;
}

static int memfd_new(void) {
        int fd;

        fd = memfd_create("usb-storage cache", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
        if (fd < 0 && errno == EINVAL)
                fd = memfd_create("usb-storage cache", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        return fd < 0 ? -errno : fd;
}

static void arena_format_store_name(const DeviceArena *arena, char *ret) {
        snprintf(ret, FD_STORE_NAME_SIZE_MAX, STORE_PREFIX "%s.%04" PRIx32 ".%" PRIu64,
                 arena->base_name, arena->luns, arena->sequence);
}

/* Where nothing is in it that is needed, it has a name that nobody looks for. */
static void arena_format_path(const DeviceArena *arena, char *ret) {
        char name[FD_STORE_NAME_SIZE_MAX];

        arena_format_store_name(arena, name);
        snprintf(ret, PATH_SIZE_MAX, "%s/%s%s", arena->folder, arena->luns == 0 ? "." : "", name);
}

static int file_new(const DeviceArena *arena) {
        _cleanup_(fd_closep) int fd = -EBADF;
        char path[PATH_SIZE_MAX];

        arena_format_path(arena, path);
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int device_arena_lock(int fd, const char *name) {
        for (unsigned i = 0; i < LOCK_TRIES_MAX; i++) {
                if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                        return 0;
                if (errno != EWOULDBLOCK)
                        return -errno;
                if (i == 0)
                        log_notice("%s: a worker of the former service still writes, waiting",
                                   name);
                usleep(LOCK_PAUSE_US);
        }
        return -EBUSY;
}

int device_arena_new(DeviceArena **ret, const char *base_name, uint64_t sequence,
                     uint64_t cache_size, const char *folder) {
        uint64_t size = cache_size + cache_size / TABLES_FRACTION + TABLES_SIZE_MIN;
        _cleanup_(device_arena_freep) DeviceArena *arena = NULL;
        int r;

        r = arena_allocate(&arena, base_name, -EBADF);
        if (r < 0)
                return r;
        arena->sequence = sequence;
        arena->folder = folder;
        arena->fd = folder ? file_new(arena) : memfd_new();
        if (arena->fd < 0)
                return arena->fd;
        if (ftruncate(arena->fd, (off_t) ALIGN_UP(size, PAGE_SIZE)) < 0 ||
            (!folder && fcntl(arena->fd, F_ADD_SEALS, SEALS) < 0))
                return -errno;
        *ret = TAKE_PTR(arena);
        return 0;
}

bool device_arena_is_stored_name(const char *name) {
        return strncmp(name, STORE_PREFIX, strlen(STORE_PREFIX)) == 0;
}

/* Base names have dots too. */
static int arena_parse_store_name(DeviceArena *arena, const char *name) {
        char again[FD_STORE_NAME_SIZE_MAX];
        const char *mark = NULL, *previous = NULL;
        size_t size;

        if (!device_arena_is_stored_name(name))
                return -EBADMSG;
        name += strlen(STORE_PREFIX);
        for (const char *p = strchr(name, '.'); p; p = strchr(p + 1, '.')) {
                previous = mark;
                mark = p;
        }
        size = previous ? (size_t) (previous - name) : 0;
        if (size == 0 || size >= sizeof(arena->base_name))
                return -EBADMSG;
        memcpy(arena->base_name, name, size);
        if (sscanf(previous, ".%" SCNx32 ".%" SCNu64, &arena->luns, &arena->sequence) != 2)
                return -EBADMSG;

        arena_format_store_name(arena, again);
        if (strcmp(again + strlen(STORE_PREFIX), name) != 0 || arena->luns == 0 ||
            (arena->luns & ~CONTROL_LUNS_ALL) != 0)
                return -EBADMSG;
        return 0;
}

static bool is_sealed(int fd) {
        int seals = fcntl(fd, F_GET_SEALS);

        return seals >= 0 && (seals & SEALS) == SEALS;
}

int device_arena_new_stored(DeviceArena **ret, int fd, const char *name, const char *folder) {
        _cleanup_(device_arena_freep) DeviceArena *arena = NULL;
        int r;

        r = arena_allocate(&arena, "", fd);
        if (r < 0)
                return r;
        r = arena_parse_store_name(arena, name);
        if (r < 0)
                return r;
        /* It is mapped by workers, and so must not shrink. Of a file that is locked nobody is left
         * who could. */
        if ((!folder && !is_sealed(fd)) || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
                return -EBADMSG;
        arena->folder = folder;
        *ret = TAKE_PTR(arena);
        return 0;
}

int device_arena_new_orphan(DeviceArena **ret, int fd, const OrphanName *name) {
        DeviceArena *arena;
        int r;

        r = arena_allocate(&arena, name->base_name, fd);
        if (r < 0)
                return r;
        arena->is_file = true;
        arena->luns = UINT32_C(1) << name->lun;
        arena->numbers[name->lun] = name->number;
        *ret = arena;
        return 0;
}

static void arena_remove_file(const DeviceArena *arena) {
        char path[PATH_SIZE_MAX];

        if (!arena->folder || arena->luns != 0)
                return;
        arena_format_path(arena, path);
        if (unlink(path) < 0)
                log_warning("%s can't be removed, ignoring: %s", path, strerror(errno));
}

DeviceArena *device_arena_free(DeviceArena *arena) {
        if (!arena)
                return NULL;

        arena_remove_file(arena);
        list_unlink(&arena->node);
        orphan_save_free(arena->save);
        fd_close(arena->fd);
        free(arena);
        return NULL;
}

DeviceArena *device_arena_drop(DeviceArena *arena) {
        if (arena)
                device_arena_set_luns(arena, 0);
        return device_arena_free(arena);
}

static void arena_rename(DeviceArena *arena, uint32_t luns) {
        char from[PATH_SIZE_MAX], to[PATH_SIZE_MAX];

        arena_format_path(arena, from);
        arena->luns = luns;
        arena_format_path(arena, to);
        if (rename(from, to) < 0)
                log_error("%s can't be renamed, a crash of the service may lose what it holds: %s",
                          from, strerror(errno));
}

/*
 * systemd knows the LUNs by the name, which it can't change. Between the two messages it does not
 * have the arena; we have it.
 */
void device_arena_set_luns(DeviceArena *arena, uint32_t luns) {
        char name[FD_STORE_NAME_SIZE_MAX];

        if (luns == arena->luns)
                return;
        if (arena->folder) {
                arena_rename(arena, luns);
                return;
        }
        if (arena->luns != 0 && !arena->is_file) {
                arena_format_store_name(arena, name);
                fd_store_remove(name);
        }
        arena->luns = luns;
        if (luns != 0 && !arena->is_file) {
                arena_format_store_name(arena, name);
                fd_store_put(name, arena->fd);
        }
}

bool device_arena_is_empty(const DeviceArena *arena) {
        return lseek(arena->fd, 0, SEEK_DATA) < 0 && errno == ENXIO;
}

uint32_t device_arena_get_unsaved(const DeviceArena *arena) {
        uint32_t luns = arena->luns;

        for (unsigned lun = 0; lun < CONTROL_LUNS_MAX; lun++)
                if (arena->numbers[lun] != 0)
                        luns &= ~(UINT32_C(1) << lun);
        return luns;
}

OrphanName device_arena_get_orphan_name(const DeviceArena *arena, unsigned lun) {
        OrphanName name = { .lun = lun, .number = arena->numbers[lun] };

        snprintf(name.base_name, sizeof(name.base_name), "%s", arena->base_name);
        return name;
}

static void arena_delete_file(DeviceArena *arena, unsigned lun, const char *folder) {
        OrphanName name = device_arena_get_orphan_name(arena, lun);
        char text[ORPHAN_NAME_SIZE_MAX];
        int r;

        arena->numbers[lun] = 0;
        orphan_name_format(&name, text);
        r = orphan_folder_delete(folder, &name);
        if (r < 0)
                log_error("%s/%s was given back and must be deleted, but can't be: %s", folder,
                          text, strerror(-r));
        else
                log_notice("%s/%s was given back", folder, text);
}

void device_arena_release(DeviceArena *arena, uint32_t luns, const char *folder) {
        for (unsigned lun = 0; lun < CONTROL_LUNS_MAX; lun++)
                if ((luns >> lun & 1) && arena->numbers[lun] != 0)
                        arena_delete_file(arena, lun, folder);
        device_arena_set_luns(arena, arena->luns & ~luns);
}
