/* The data of older remains is overwritten by that of newer ones, as each is given in turn. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cache/cache_import.h"
#include "cache/cache_samples.h"
#include "storage/storage_remains.h"

#define LUNS_UNTOLD UINT32_MAX

typedef struct Remain {
        CacheRemains *data; /* owned */
        uint32_t id;
        uint32_t luns;
        uint32_t luns_told; /* LUNS_UNTOLD: nothing */
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

/* 1: the unit's medium is that of the remains, 0: it is another one, -errno. */
static int is_same(const Remain *remain, Task *task, const StorageUnit *unit) {
        const CacheIdentity *identity = cache_remains_get_identity(remain->data, unit->lun);

        if (!identity || !cache_identity_may_be_same(identity, &unit->identity))
                return 0;
        return cache_samples_compare(cache_remains_get_samples(remain->data, unit->lun),
                                     unit->lun_device, task);
}

static int give(Remain *remain, Task *task, StorageUnit *unit) {
        unsigned long long size = cache_remains_get_size(remain->data, unit->lun);
        int r;

        r = is_same(remain, task, unit);
        if (r < 0)
                return r;
        if (r == 0) {
                log_device_warning(unit->name,
                                   "%llu bytes that were written before are of another medium",
                                   size);
                return 0;
        }
        r = cache_import_remains(unit->volume, remain->data);
        if (r < 0) {
                log_device_error(unit->name,
                                 "%llu bytes that were written before can't be held: %s", size,
                                 strerror(-r));
                return 0;
        }
        log_device_notice(unit->name, "%llu bytes that were written before are there again", size);
        remain->luns &= ~(UINT32_C(1) << unit->lun);
        return 0;
}

int storage_remains_give(StorageRemains *remains, Task *task, StorageUnit *unit) {
        int r;

        if (!unit->volume)
                return 0;
        LIST_FOR_EACH (node, &remains->list) {
                Remain *remain = list_entry(node, Remain, node);

                if (!(remain->luns & UINT32_C(1) << unit->lun))
                        continue;
                r = give(remain, task, unit);
                if (r < 0)
                        return r;
        }
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
