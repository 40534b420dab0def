/* The data of older remains is overwritten by that of newer ones, as each is given in turn. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cache/cache_import.h"
#include "cache/cache_samples.h"
#include "storage/storage_remains.h"

#define LUNS_UNTOLD UINT32_MAX
/* How often in a row nothing can be written before there is no room. */
#define ROOM_TRIES_MAX 3U

typedef struct Remain {
        CacheRemains *data; /* owned */
        uint32_t id;
        uint32_t luns;
        uint32_t luns_told; /* LUNS_UNTOLD: nothing */
        bool is_wanted;     /* by the unit that is being given what is its */
        ListNode node;      /* StorageRemains::list */
} Remain;

static Remain *remain_free(Remain *remain) {
        if (!remain)
                return NULL;
        list_unlink(&remain->node);
        cache_remains_free(remain->data);
        free(remain);
        return NULL;
}

void storage_remains_init(StorageRemains *remains) {
        *remains = (StorageRemains){ .n = 0 };
        list_init(&remains->list);
}

void storage_remains_done(StorageRemains *remains) {
        LIST_FOR_EACH (node, &remains->list)
                remain_free(list_entry(node, Remain, node));
        remains->n = 0;
}

/* LUNs without data need not be waited for. */
static uint32_t luns_with_data(const CacheRemains *data, uint32_t luns) {
        for (unsigned lun = 0; lun < STORAGE_LUNS_MAX; lun++)
                if (cache_remains_get_size(data, lun) == 0)
                        luns &= ~(UINT32_C(1) << lun);
        return luns & ((UINT32_C(1) << STORAGE_LUNS_MAX) - 1);
}

int storage_remains_add(StorageRemains *remains, uint32_t id, unsigned luns, int fd) {
        _cleanup_(fd_closep) int owned_fd = fd;
        Remain *remain;
        char name[32];
        int r;

        if (remains->n >= STORAGE_REMAINS_MAX)
                return -ENOSPC;
        remain = calloc(1, sizeof(*remain));
        if (!remain)
                return -ENOMEM;
        list_init(&remain->node);
        snprintf(name, sizeof(name), "remains %u", id);
        r = cache_remains_new(&remain->data, owned_fd, name);
        if (r < 0) {
                remain_free(remain);
                return r;
        }
        remain->id = id;
        remain->luns = luns_with_data(remain->data, luns);
        remain->luns_told = LUNS_UNTOLD;
        list_append(&remains->list, &remain->node);
        remains->n++;
        return 0;
}

static bool has_lun(const Remain *remain, unsigned lun) {
        return remain->luns & UINT32_C(1) << lun;
}

bool storage_remains_has_lun(const StorageRemains *remains, unsigned lun) {
        LIST_FOR_EACH (node, &remains->list)
                if (has_lun(list_entry(node, Remain, node), lun))
                        return true;
        return false;
}

/* Recognising */

/* What a predecessor had begun to write, as it found no room for all, is another medium no longer
 * because of that. */
typedef struct Excuse {
        CacheSamplesExcuse excuse;
        const StorageRemains *remains; /* borrowed */
        unsigned lun;
} Excuse;

static bool was_written_by_us(const CacheSamplesExcuse *excuse, const CacheSample *sample,
                              const uint8_t *bytes) {
        const Excuse *us = container_of(excuse, Excuse, excuse);

        LIST_FOR_EACH (node, &us->remains->list) {
                const Remain *remain = list_entry(node, Remain, node);

                if (has_lun(remain, us->lun) &&
                    cache_remains_has_some_of(remain->data, us->lun, sample->offset, bytes,
                                              sample->size))
                        return true;
        }
        return false;
}

/* With others' data beside it, which keeps to half of the cache. */
static bool may_lack_room(const StorageRemains *remains, const StorageUnit *unit) {
        uint64_t n_lines = 0;

        LIST_FOR_EACH (node, &remains->list)
                n_lines += cache_remains_get_n_lines(list_entry(node, Remain, node)->data);
        return n_lines > cache_import_get_room(unit->volume) / 2;
}

/* 1: the unit's medium is that of the remains, 0: it is another one, -errno. */
static int is_same(const StorageRemains *remains, const Remain *remain, Task *task,
                   const StorageUnit *unit) {
        const CacheIdentity *identity = cache_remains_get_identity(remain->data, unit->lun);
        const Excuse excuse = {
                .excuse = { .is_excused = was_written_by_us },
                .remains = remains,
                .lun = unit->lun,
        };

        if (!identity || !cache_identity_may_be_same(identity, &unit->identity))
                return 0;
        return cache_samples_compare(cache_remains_get_samples(remain->data, unit->lun),
                                     unit->lun_device, task,
                                     may_lack_room(remains, unit) ? &excuse.excuse : NULL);
}

/* Before anything is taken in: what is may be written at any time, and then samples differ. */
static int recognise(StorageRemains *remains, Task *task, const StorageUnit *unit) {
        LIST_FOR_EACH (node, &remains->list) {
                Remain *remain = list_entry(node, Remain, node);
                int r;

                remain->is_wanted = false;
                if (!has_lun(remain, unit->lun))
                        continue;
                r = is_same(remains, remain, task, unit);
                if (r < 0)
                        return r;
                remain->is_wanted = r > 0;
                if (r == 0)
                        log_device_warning(
                                        unit->name,
                                        "%llu bytes that were written before are of another medium",
                                        (unsigned long long) cache_remains_get_size(remain->data,
                                                                                    unit->lun));
        }
        return 0;
}

/* Giving */

/* -ENOSPC: nothing could be written to make room. */
static int make_room(Task *task, StorageUnit *unit, CacheManager *cache) {
        uint64_t kept_size = storage_unit_get_kept_size(unit);
        int r;

        r = storage_unit_flush(unit, task,
                               event_loop_now_ns(unit->block->loop) +
                                               cache_manager_get_flush_time_ns(cache));
        if (r == -ESHUTDOWN)
                return r;
        return storage_unit_get_kept_size(unit) < kept_size ? 0 : -ENOSPC;
}

static int give(Remain *remain, Task *task, StorageUnit *unit, CacheManager *cache) {
        uint32_t cursor = 0, before;
        unsigned n_tries = 0;
        int r;

        for (;;) {
                before = cursor;
                r = cache_import_remains(unit->volume, remain->data, &cursor);
                if (r != -ENOSPC)
                        return r;
                if (cursor > before)
                        n_tries = 0;
                do
                        r = n_tries++ < ROOM_TRIES_MAX ? make_room(task, unit, cache) : -EXFULL;
                while (r == -ENOSPC);
                if (r < 0)
                        return r;
        }
}

static void note_given(StorageRemains *remains, const StorageUnit *unit) {
        LIST_FOR_EACH (node, &remains->list) {
                Remain *remain = list_entry(node, Remain, node);

                if (!remain->is_wanted)
                        continue;
                log_device_notice(unit->name, "%llu bytes that were written before are there again",
                                  (unsigned long long) cache_remains_get_size(remain->data,
                                                                              unit->lun));
                remain->luns &= ~(UINT32_C(1) << unit->lun);
        }
}

int storage_remains_give(StorageRemains *remains, Task *task, StorageUnit *unit,
                         CacheManager *cache) {
        int r;

        if (!unit->volume)
                return 0;
        r = recognise(remains, task, unit);
        if (r < 0)
                return r;
        LIST_FOR_EACH (node, &remains->list) {
                Remain *remain = list_entry(node, Remain, node);

                r = remain->is_wanted ? give(remain, task, unit, cache) : 0;
                if (r < 0)
                        return r;
        }
        note_given(remains, unit);
        return 0;
}

void storage_remains_tell(StorageRemains *remains, StorageRemainsLeft left, void *userdata) {
        LIST_FOR_EACH (node, &remains->list) {
                Remain *remain = list_entry(node, Remain, node);

                if (remain->luns == remain->luns_told)
                        continue;
                remain->luns_told = remain->luns;
                left(remain->id, remain->luns, userdata);
                if (remain->luns != 0)
                        continue;
                remain_free(remain);
                remains->n--;
        }
}
