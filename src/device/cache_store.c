/*
 * A list in the order of age. One save runs at a time, so that the files of a device are numbered
 * in that order, too: what was written first must be given back first.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "device/cache_store.h"
#include "device/orphan_folder.h"

/* After a save that failed. */
#define RETRY_PAUSE_NS (60 * NS_PER_S)

struct CacheStore {
        EventLoop *loop; /* borrowed */
        CacheStoreOptions options;
        char *folder;        /* owned */
        char *arena_folder;  /* owned; NULL: arenas are memfds */
        ListNode arenas;     /* owned DeviceArena::node, the oldest first */
        DeviceArena *saving; /* borrowed from `arenas` */
        EventTimer timer;
        bool is_ending; /* each gets one more chance */
        uint64_t last_sequence;
        CacheStoreChanged changed;
        void *userdata;
};

static bool is_of(const DeviceArena *arena, const char *base_name) {
        return strcmp(arena->base_name, base_name) == 0;
}

/* One that could not be saved keeps those after it waiting that are of the same device. */
static bool store_may_save(const CacheStore *store, const DeviceArena *arena) {
        LIST_FOR_EACH (node, &store->arenas) {
                const DeviceArena *other = list_entry(node, DeviceArena, node);

                if (other == arena)
                        return true;
                if (is_of(other, arena->base_name))
                        return false;
        }
        assert_not_reached();
        return false;
}

static DeviceArena *store_find_next(const CacheStore *store) {
        DeviceArena *next = NULL;

        LIST_FOR_EACH (node, &store->arenas) {
                DeviceArena *arena = list_entry(node, DeviceArena, node);

                if (store_may_save(store, arena) && (!next || arena->save_ns < next->save_ns))
                        next = arena;
        }
        return next;
}

static void store_plan(CacheStore *store) {
        DeviceArena *next = store->saving ? NULL : store_find_next(store);

        if (next && next->save_ns != UINT64_MAX)
                event_timer_set(&store->timer, next->save_ns);
        else
                event_timer_clear(&store->timer);
}

static void store_postpone(CacheStore *store, DeviceArena *arena) {
        arena->save_ns = store->is_ending ? UINT64_MAX
                                          : event_loop_now_ns(store->loop) + RETRY_PAUSE_NS;
        LIST_FOR_EACH (node, &store->arenas) {
                DeviceArena *other = list_entry(node, DeviceArena, node);

                if (is_of(other, arena->base_name))
                        other->save_ns = MAX(other->save_ns, arena->save_ns);
        }
}

static void on_saved(OrphanSave *save, int result, void *userdata) {
        CacheStore *store = userdata;
        DeviceArena *arena = TAKE_PTR(store->saving);

        if (result == 0) {
                cache_store_set_saved(store, arena);
                device_arena_drop(arena);
        } else {
                arena->save = orphan_save_free(arena->save);
                store_postpone(store, arena);
        }
        store_plan(store);
        store->changed(store->userdata);
}

static void store_on_timer(EventTimer *timer) {
        CacheStore *store = container_of(timer, CacheStore, timer);
        DeviceArena *arena = store_find_next(store);
        int r;

        assert(arena && !store->saving);
        /* It is the last chance: no limit but that of what can be listed. */
        r = cache_store_save(store, arena, ORPHAN_FOLDER_FILES_MAX, on_saved, store);
        if (r < 0) {
                log_error("The cache of %s can't be saved: %s", arena->base_name, strerror(-r));
                store_postpone(store, arena);
                store_plan(store);
                store->changed(store->userdata);
                return;
        }
        store->saving = arena;
}

/* Neither systemd nor a folder gives back in an order of ours. */
static void store_insert(CacheStore *store, DeviceArena *arena) {
        LIST_FOR_EACH (node, &store->arenas) {
                if (list_entry(node, DeviceArena, node)->sequence > arena->sequence) {
                        list_insert_before(node, &arena->node);
                        store_plan(store);
                        return;
                }
        }
        list_append(&store->arenas, &arena->node);
        store_plan(store);
}

static int store_take(CacheStore *store, int fd, const char *name, const char *folder) {
        DeviceArena *arena;
        int r;

        r = device_arena_new_stored(&arena, fd, name, folder);
        if (r < 0)
                return r;
        if (device_arena_is_empty(arena)) {
                device_arena_drop(arena);
                return 0;
        }
        log_info("The cache of %s has outlived the service", arena->base_name);
        store->last_sequence = MAX(store->last_sequence, arena->sequence);
        arena->save_ns = event_loop_now_ns(store->loop) + store->options.patience_ns;
        store_insert(store, arena);
        return 0;
}

int cache_store_take_stored(CacheStore *store, int fd, const char *name) {
        return store_take(store, fd, name, /* folder= */ NULL);
}

static void closedirp(DIR **dir) {
        if (*dir)
                closedir(*dir);
}

/* In hidden files is nothing that is needed. */
static int store_take_file(CacheStore *store, int folder_fd, const char *name) {
        int fd, r;

        if (name[0] == '.') {
                (void) unlinkat(folder_fd, name, 0);
                return 0;
        }
        fd = openat(folder_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = device_arena_lock(fd, name);
        if (r < 0) {
                fd_close(fd);
                return r;
        }
        r = store_take(store, fd, name, store->arena_folder);
        if (r < 0)
                log_error("%s/%s can't be used, leaving it: %s", store->arena_folder, name,
                          strerror(-r));
        return 0;
}

static int store_take_arenas(CacheStore *store) {
        _cleanup_(closedirp) DIR *dir = opendir(store->arena_folder);
        struct dirent *entry;
        int r;

        if (!dir)
                return -errno;
        while ((errno = 0, entry = readdir(dir))) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                r = store_take_file(store, dirfd(dir), entry->d_name);
                if (r < 0) {
                        log_error("%s/%s: %s", store->arena_folder, entry->d_name, strerror(-r));
                        return r;
                }
        }
        return -errno;
}

static int store_open_arena_folder(CacheStore *store, const char *runtime_dir) {
        if (!runtime_dir)
                return 0;
        if (asprintf(&store->arena_folder, "%s/arenas", runtime_dir) < 0)
                return -ENOMEM;
        if (mkdir(store->arena_folder, 0700) < 0 && errno != EEXIST)
                return -errno;
        return store_take_arenas(store);
}

int cache_store_new(CacheStore **ret, EventLoop *loop, const CacheStoreOptions *options,
                    CacheStoreChanged changed, void *userdata) {
        _cleanup_(freep) CacheStore *store = NULL;
        _cleanup_(freep) char *folder = NULL;
        int r;

        store = calloc(1, sizeof(*store));
        if (!store || asprintf(&folder, "%s/" ORPHAN_FOLDER_NAME, options->state_dir) < 0)
                return -ENOMEM;
        r = event_timer_init(&store->timer, loop, store_on_timer);
        if (r < 0)
                return r;

        store->loop = loop;
        store->options = *options;
        store->options.state_dir = NULL; /* the folders' names are enough */
        store->options.runtime_dir = NULL;
        store->folder = TAKE_PTR(folder);
        list_init(&store->arenas);
        store->changed = changed;
        store->userdata = userdata;
        orphan_folder_clean(store->folder);
        r = store_open_arena_folder(store, options->runtime_dir);
        if (r < 0) {
                cache_store_free(TAKE_PTR(store));
                return r;
        }
        *ret = TAKE_PTR(store);
        return 0;
}

CacheStore *cache_store_free(CacheStore *store) {
        if (!store)
                return NULL;

        LIST_FOR_EACH (node, &store->arenas)
                device_arena_free(list_entry(node, DeviceArena, node));
        event_timer_done(&store->timer);
        free(store->folder);
        free(store->arena_folder);
        free(store);
        return NULL;
}

void cache_store_set_cache_size(CacheStore *store, uint64_t cache_size) {
        store->options.cache_size = cache_size;
}

int cache_store_make(CacheStore *store, const char *base_name, DeviceArena **ret) {
        return device_arena_new(ret, base_name, ++store->last_sequence, store->options.cache_size,
                                store->arena_folder);
}

int cache_store_open_file(CacheStore *store, const OrphanName *name, DeviceArena **ret) {
        int fd;

        fd = orphan_folder_open_file(store->folder, name);
        return fd < 0 ? fd : device_arena_new_orphan(ret, fd, name);
}

static void store_claim_file(CacheStore *store, const OrphanName *name, ListNode *list) {
        char text[ORPHAN_NAME_SIZE_MAX];
        DeviceArena *arena;
        int r;

        r = cache_store_open_file(store, name, &arena);
        if (r < 0) {
                orphan_name_format(name, text);
                log_error("%s/%s can't be given back, leaving it: %s", store->folder, text,
                          strerror(-r));
                return;
        }
        list_append(list, &arena->node);
}

static void store_claim_files(CacheStore *store, const char *base_name, ListNode *list) {
        _cleanup_(freep) OrphanList *orphans = NULL;
        int r;

        orphans = malloc(sizeof(*orphans));
        r = orphans ? orphan_folder_list(store->folder, base_name, orphans) : -ENOMEM;
        if (r < 0) {
                log_error("%s: what is there of %s can't be given back, leaving it: %s",
                          store->folder, base_name, strerror(-r));
                return;
        }
        for (size_t i = 0; i < orphans->n_names; i++)
                store_claim_file(store, &orphans->names[i], list);
}

void cache_store_claim(CacheStore *store, const char *base_name, ListNode *list) {
        store_claim_files(store, base_name, list);
        LIST_FOR_EACH (node, &store->arenas) {
                DeviceArena *arena = list_entry(node, DeviceArena, node);

                if (!is_of(arena, base_name))
                        continue;
                if (store->saving == arena)
                        store->saving = NULL;
                arena->save = orphan_save_free(arena->save);
                list_unlink(&arena->node);
                list_append(list, &arena->node);
        }
        store_plan(store);
}

void cache_store_keep(CacheStore *store, DeviceArena *arena) {
        assert(!arena->save);

        if (arena->is_file || device_arena_get_unsaved(arena) == 0) {
                device_arena_drop(arena);
                return;
        }
        list_unlink(&arena->node);
        arena->save_ns = event_loop_now_ns(store->loop);
        store_insert(store, arena);
}

void cache_store_save_all(CacheStore *store) {
        store->is_ending = true;
        LIST_FOR_EACH (node, &store->arenas)
                list_entry(node, DeviceArena, node)->save_ns = event_loop_now_ns(store->loop);
        store_plan(store);
}

bool cache_store_is_idle(const CacheStore *store) {
        const DeviceArena *next = store_find_next(store);

        return !store->saving && (!next || next->save_ns == UINT64_MAX);
}

bool cache_store_is_saving(const CacheStore *store) { return store->saving != NULL; }

const char *cache_store_get_folder(const CacheStore *store) { return store->folder; }

int cache_store_save_luns(CacheStore *store, OrphanSave **ret, const OrphanSaveSource *source,
                          OrphanSaveDone done, void *userdata) {
        return orphan_save_new(ret, store->loop, store->folder, source, done, userdata);
}

int cache_store_save(CacheStore *store, DeviceArena *arena, unsigned n_files_max,
                     OrphanSaveDone done, void *userdata) {
        const OrphanSaveSource source = {
                .base_name = arena->base_name,
                .luns = device_arena_get_unsaved(arena),
                .fd = arena->fd,
                .n_files_max = n_files_max,
        };

        assert(!arena->save);
        return cache_store_save_luns(store, &arena->save, &source, done, userdata);
}

void cache_store_set_saved(CacheStore *store, DeviceArena *arena) {
        uint32_t saved = orphan_save_get_luns(arena->save);

        for (unsigned lun = 0; lun < CONTROL_LUNS_MAX; lun++)
                if (saved >> lun & 1)
                        arena->numbers[lun] = orphan_save_get_number(arena->save, lun);
        arena->save = orphan_save_free(arena->save);
        device_arena_release(arena, saved & ~arena->luns, store->folder);
}
