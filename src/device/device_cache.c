/*
 * What lies where, and in which order it is saved. Files are numbered in the order in which their
 * data was written, so whatever is saved, all that is older is saved before it.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "device/device_cache.h"
#include "device/orphan_folder.h"

static void cache_pump(DeviceCache *cache);

static uint32_t lun_bit(unsigned lun) { return UINT32_C(1) << lun; }

static CacheMode get_configured_mode(const DeviceCacheOptions *options) {
        if (!options->is_enabled)
                return CACHE_MODE_OFF;
        return options->is_write_back ? CACHE_MODE_WRITE_BACK : CACHE_MODE_WRITE_THROUGH;
}

void device_cache_init(DeviceCache *cache, CacheStore *store, const DeviceCacheOptions *options,
                       const char *base_name) {
        cache->store = store;
        cache->options = options;
        cache->base_name = base_name;
        cache->mode = cache->configured_mode = get_configured_mode(options);
        cache->may_keep = options->is_enabled;
        list_init(&cache->remains);
}

static void cache_tell_remains(DeviceCache *cache, DeviceArena *arena) {
        ControlMessage message;

        arena->id = ++cache->last_id;
        control_message_init(&message, CONTROL_TYPE_REMAINS);
        message.body.remains.id = arena->id;
        message.body.remains.luns = arena->luns;
        child_process_send(cache->worker, &message, &arena->fd, 1);
}

/* Saving */

static void cache_answer(DeviceCache *cache, uint32_t luns, int result) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_SAVED);
        message.body.save.luns = luns;
        message.body.save.error = result;
        child_process_send(cache->worker, &message, NULL, 0);
}

static void cache_remove_question(DeviceCache *cache) {
        orphan_save_free(cache->questions[0].save);
        cache->n_questions--;
        memmove(&cache->questions[0], &cache->questions[1],
                cache->n_questions * sizeof(cache->questions[0]));
}

static void cache_give_up_saving(DeviceCache *cache, int error) {
        LIST_FOR_EACH (node, &cache->remains)
                list_entry(node, DeviceArena, node)->must_save = false;
        while (cache->n_questions > 0) {
                cache->unsaved_luns |= cache->questions[0].luns;
                cache_answer(cache, cache->questions[0].luns, error);
                cache_remove_question(cache);
        }
}

static void on_remains_saved(OrphanSave *save, int result, void *userdata) {
        DeviceCache *cache = userdata;
        DeviceArena *arena = TAKE_PTR(cache->saving);

        if (result < 0) {
                arena->save = orphan_save_free(arena->save);
                cache_give_up_saving(cache, result);
                return;
        }
        cache_store_set_saved(cache->store, arena);
        arena->must_save = false;
        cache_pump(cache);
}

/* What is in the files is older than what the worker's arena will have from now on. It gives them
 * back itself if their medium returns. */
static void cache_add_saved(DeviceCache *cache, const OrphanSave *save, uint32_t luns) {
        for (unsigned lun = 0; lun < CONTROL_LUNS_MAX; lun++) {
                OrphanName name = { .lun = lun };
                DeviceArena *file;
                int r;

                if (!(luns & lun_bit(lun)))
                        continue;
                snprintf(name.base_name, sizeof(name.base_name), "%s", cache->base_name);
                name.number = orphan_save_get_number(save, lun);
                r = cache_store_open_file(cache->store, &name, &file);
                if (r < 0)
                        log_error("What was saved of LUN %u of %s can't be opened, leaving it: %s",
                                  lun, cache->base_name, strerror(-r));
                else {
                        list_append(&cache->remains, &file->node);
                        cache_tell_remains(cache, file);
                }
        }
}

static void on_question_saved(OrphanSave *save, int result, void *userdata) {
        DeviceCache *cache = userdata;
        uint32_t luns = cache->questions[0].luns;

        if (result < 0)
                cache->unsaved_luns |= luns;
        else {
                cache->unsaved_luns &= ~luns;
                cache_add_saved(cache, save, luns);
                /* The worker drops it: there is no need to save it once more. */
                device_arena_set_luns(cache->arena,
                                      cache->arena->luns & ~(luns & ~cache->exported_luns));
        }
        cache_answer(cache, luns, result);
        cache_remove_question(cache);
        cache_pump(cache);
}

/* The oldest that is in no file, if it must be, or what is newer. */
static DeviceArena *cache_find_unsaved(const DeviceCache *cache) {
        bool must_save = cache->n_questions > 0;
        DeviceArena *oldest = NULL;

        LIST_FOR_EACH (node, &cache->remains) {
                DeviceArena *arena = list_entry(node, DeviceArena, node);

                if (device_arena_get_unsaved(arena) == 0)
                        continue;
                if (!oldest)
                        oldest = arena;
                must_save |= arena->must_save;
        }
        return must_save ? oldest : NULL;
}

static int cache_start_question(DeviceCache *cache) {
        const OrphanSaveSource source = {
                .base_name = cache->base_name,
                .luns = cache->questions[0].luns,
                .fd = cache->arena->fd,
                .n_files_max = ORPHAN_FOLDER_FILES_PER_LUN_MAX,
        };

        return cache_store_save_luns(cache->store, &cache->questions[0].save, &source,
                                     on_question_saved, cache);
}

static void cache_pump(DeviceCache *cache) {
        DeviceArena *arena;
        int r = 0;

        if (cache->saving || (cache->n_questions > 0 && cache->questions[0].save))
                return;
        arena = cache_find_unsaved(cache);
        if (arena) {
                r = cache_store_save(cache->store, arena, ORPHAN_FOLDER_FILES_PER_LUN_MAX,
                                     on_remains_saved, cache);
                cache->saving = r < 0 ? NULL : arena;
        } else if (cache->n_questions > 0)
                r = cache_start_question(cache);
        if (r < 0)
                cache_give_up_saving(cache, r);
}

int device_cache_on_save(DeviceCache *cache, const ControlSave *message) {
        if (cache->n_questions >= N_ELEMENTS(cache->questions))
                return -EXFULL;
        cache->questions[cache->n_questions++] = (DeviceCacheQuestion){ .luns = message->luns };
        cache_pump(cache);
        return 0;
}

bool device_cache_is_saving(const DeviceCache *cache) {
        return cache->saving || cache->n_questions > 0;
}

/* Remains */

static DeviceArena *cache_drop_remains(DeviceCache *cache, DeviceArena *arena) {
        if (cache->saving == arena)
                cache->saving = NULL;
        return device_arena_drop(arena);
}

static DeviceArena *cache_find_remains(const DeviceCache *cache, uint32_t id) {
        LIST_FOR_EACH (node, &cache->remains) {
                DeviceArena *arena = list_entry(node, DeviceArena, node);

                if (arena->id == id)
                        return arena;
        }
        return NULL;
}

int device_cache_on_remains_left(DeviceCache *cache, const ControlRemains *message) {
        DeviceArena *arena;
        uint32_t taken_luns;

        arena = message->id > 0 ? cache_find_remains(cache, message->id) : NULL;
        if (!arena)
                return -EBADMSG;

        /* It is in the worker's arena now. */
        taken_luns = arena->luns & ~message->luns;
        device_arena_set_luns(cache->arena, cache->arena->luns | taken_luns);
        device_arena_release(arena, taken_luns, cache_store_get_folder(cache->store));
        if (arena->luns == 0)
                cache_drop_remains(cache, arena);
        else
                arena->must_save = true;
        cache_pump(cache);
        return 0;
}

/* Memory is worth more than files. */
static void cache_replace_by_files(DeviceCache *cache, DeviceArena *arena) {
        ListNode files = LIST_INIT(files);

        for (unsigned lun = 0; lun < CONTROL_LUNS_MAX; lun++) {
                OrphanName name = device_arena_get_orphan_name(arena, lun);
                DeviceArena *file;

                if (name.number == 0)
                        continue;
                if (cache_store_open_file(cache->store, &name, &file) < 0) {
                        LIST_FOR_EACH (node, &files)
                                device_arena_free(list_entry(node, DeviceArena, node));
                        return;
                }
                list_append(&files, &file->node);
        }
        LIST_FOR_EACH (node, &files) {
                list_unlink(node);
                list_insert_before(&arena->node, node);
        }
        device_arena_drop(arena);
}

/* Starts to save the oldest, if there are too many. */
static bool cache_is_within_limit(DeviceCache *cache) {
        DeviceArena *oldest = NULL;
        unsigned n_unsaved = 0;

        LIST_FOR_EACH (node, &cache->remains) {
                DeviceArena *arena = list_entry(node, DeviceArena, node);

                if (device_arena_get_unsaved(arena) == 0)
                        continue;
                oldest = oldest ? oldest : arena;
                n_unsaved++;
        }
        if (n_unsaved <= DEVICE_CACHE_PREDECESSORS_MAX)
                return true;
        oldest->must_save = true;
        cache_pump(cache);
        return false;
}

static size_t cache_count_remains(const DeviceCache *cache) {
        size_t n = 0;

        LIST_FOR_EACH (node, &cache->remains)
                n++;
        return n;
}

int device_cache_prepare(DeviceCache *cache) {
        if (!cache->has_claimed)
                cache_store_claim(cache->store, cache->base_name, &cache->remains);
        cache->has_claimed = true;
        if (!cache_is_within_limit(cache))
                return -EAGAIN;

        LIST_FOR_EACH (node, &cache->remains) {
                DeviceArena *arena = list_entry(node, DeviceArena, node);

                if (device_arena_get_unsaved(arena) == 0 && !arena->is_file)
                        cache_replace_by_files(cache, arena);
        }
        return cache_count_remains(cache) > CONTROL_REMAINS_MAX ? -E2BIG : 0;
}

/* A worker's life */

/* CACHE or CACHE_OPTIONS. */
static void cache_send(DeviceCache *cache, ControlType type, uint64_t size_max) {
        const DeviceCacheOptions *options = cache->options;
        bool has_arena = type == CONTROL_TYPE_CACHE;
        ControlMessage message;
        ControlCache *body = &message.body.cache;

        control_message_init(&message, type);
        body->size_max = size_max;
        body->mode = cache->mode;
        body->policy = options->policy;
        body->park_timeout_ms = options->park_timeout_ms;
        body->has_read_ahead = options->has_read_ahead;
        body->verifies_hits = options->verifies_hits;
        child_process_send(cache->worker, &message, has_arena ? &cache->arena->fd : NULL,
                           has_arena ? 1 : 0);
}

int device_cache_start(DeviceCache *cache, ChildProcess *worker, uint64_t size_max) {
        int r;

        assert(!cache->arena);
        r = cache_store_make(cache->store, cache->base_name, &cache->arena);
        if (r < 0)
                return r;
        cache->worker = worker;
        cache->unsaved_luns = 0;
        cache->exported_luns = 0;
        cache_send(cache, CONTROL_TYPE_CACHE, size_max);
        LIST_FOR_EACH (node, &cache->remains)
                cache_tell_remains(cache, list_entry(node, DeviceArena, node));
        return 0;
}

/* What clients write may be in the arena alone. */
static void cache_note_writes(DeviceCache *cache, uint32_t luns) {
        if (cache->may_keep && cache->arena)
                device_arena_set_luns(cache->arena, cache->arena->luns | luns);
}

void device_cache_on_export(DeviceCache *cache, unsigned lun) {
        cache->exported_luns |= lun_bit(lun);
        cache_note_writes(cache, lun_bit(lun));
}

void device_cache_prepare_mode(DeviceCache *cache, CacheMode mode) {
        if (mode == CACHE_MODE_OFF)
                return;
        cache->may_keep = true;
        cache_note_writes(cache, cache->exported_luns);
}

void device_cache_set_mode(DeviceCache *cache, CacheMode mode) { cache->mode = mode; }

void device_cache_update(DeviceCache *cache, uint64_t size_max) {
        CacheMode mode = get_configured_mode(cache->options);

        if (mode != cache->configured_mode && !cache->is_mode_given) {
                device_cache_prepare_mode(cache, mode);
                device_cache_set_mode(cache, mode);
        }
        cache->configured_mode = mode;
        if (cache->worker)
                cache_send(cache, CONTROL_TYPE_CACHE_OPTIONS, size_max);
}

void device_cache_on_export_closed(DeviceCache *cache, unsigned lun) {
        cache->exported_luns &= ~lun_bit(lun);
}

void device_cache_on_worker_ended(DeviceCache *cache, bool is_clean) {
        DeviceArena *arena = TAKE_PTR(cache->arena);

        while (cache->n_questions > 0)
                cache_remove_question(cache);
        cache->worker = NULL;
        if (!arena)
                return;
        if (is_clean)
                device_arena_set_luns(arena, arena->luns & cache->unsaved_luns);
        if (arena->luns == 0 || device_arena_is_empty(arena)) {
                device_arena_drop(arena);
                return;
        }
        list_append(&cache->remains, &arena->node);
        cache_is_within_limit(cache); /* there is time now, before the next one starts */
}

void device_cache_done(DeviceCache *cache) {
        if (!cache->store)
                return;

        device_cache_on_worker_ended(cache, /* is_clean= */ false);
        LIST_FOR_EACH (node, &cache->remains) {
                DeviceArena *arena = list_entry(node, DeviceArena, node);

                arena->save = orphan_save_free(arena->save);
                cache_store_keep(cache->store, arena);
        }
        cache->saving = NULL;
        cache->store = NULL;
}
