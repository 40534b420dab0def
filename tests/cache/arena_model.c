#include <check.h>
#include <string.h>
#include <sys/mman.h>

#include "arena_model.h"
#include "cache/cache_arena_layout.h"

/* Which each LUN has, whatever their size is. */
#define N_LINES 8

static const uint32_t block_sizes[ARENA_MODEL_LUNS] = { 512, 1024, 4096 };

/* What remains tell of a slot's line. */
typedef struct Found {
        CacheBits kept;
        CacheBits lost;
        const uint8_t *data;
} Found;

const CacheIdentity *arena_model_get_identity(unsigned lun) {
        static const CacheIdentity identities[ARENA_MODEL_LUNS] = {
                { .block_size = 512, .n_blocks = 8 * 128, .usb_serial = "first" },
                { .block_size = 1024, .n_blocks = 8 * 64, .usb_serial = "second" },
                { .block_size = 4096, .n_blocks = 8 * 16, .usb_serial = "third" },
        };

        ck_assert_uint_lt(lun, ARENA_MODEL_LUNS);
        return &identities[lun];
}

int arena_model_new_fd(uint32_t line_size) {
        int fd = memfd_create("arena", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd,
                                   (off_t) cache_arena_layout(line_size, ARENA_MODEL_SLOTS).size),
                         0);
        return fd;
}

CacheArena *arena_model_new_arena(int fd, uint32_t line_size) {
        CacheArena *arena;

        ck_assert_int_eq(cache_arena_new(&arena, fd, line_size), 0);
        ck_assert_uint_eq(cache_arena_get_n_slots(arena), ARENA_MODEL_SLOTS);
        for (unsigned lun = 0; lun < ARENA_MODEL_LUNS; lun++)
                cache_arena_set_identity(arena, lun, arena_model_get_identity(lun));
        return arena;
}

void arena_model_init(ArenaModel *model, uint32_t line_size) {
        *model = (ArenaModel){ .line_size = line_size };
}

/* Operations. */

static bool is_taken(const ArenaModel *model, unsigned lun, uint64_t line) {
        for (unsigned i = 0; i < ARENA_MODEL_SLOTS; i++)
                if (model->slots[i].is_used && model->slots[i].lun == lun &&
                    model->slots[i].line == line)
                        return true;
        return false;
}

static ArenaOperation choose_for_free(const ArenaModel *model, uint32_t slot, Random *random) {
        ArenaOperation operation = { .kind = ARENA_OPERATION_KIND_DISCARD, .slot = slot };

        if (random_one_in(random, 4))
                return operation;
        operation.kind = ARENA_OPERATION_KIND_CLAIM;
        do {
                operation.lun = (unsigned) random_below(random, ARENA_MODEL_LUNS);
                operation.line = random_below(random, N_LINES);
        } while (is_taken(model, operation.lun, operation.line));
        return operation;
}

static void choose_range(ArenaOperation *operation, uint32_t line_size, uint32_t block_size,
                         Random *random) {
        uint32_t unit = random_one_in(random, 2) ? block_size : 1;
        uint32_t n = line_size / unit, first = (uint32_t) random_below(random, n);
        uint32_t n_max = random_one_in(random, 3) ? n - first : MIN(n - first, 9000 / unit);

        operation->offset = first * unit;
        operation->size = (1 + (uint32_t) random_below(random, MAX(n_max, 1U))) * unit;
        if (random_one_in(random, 12)) {
                operation->offset = 0;
                operation->size = line_size;
        }
}

static CacheBits get_blocks(uint32_t offset, uint32_t size, uint32_t block_size) {
        return cache_bits_range(offset / block_size, (offset + size - 1) / block_size + 1);
}

ArenaOperation arena_model_choose(const ArenaModel *model, Random *random) {
        ArenaOperation operation = {
                .slot = (uint32_t) random_below(random, ARENA_MODEL_SLOTS),
                .seed = random_below(random, 20),
        };
        const ArenaModelSlot *slot = &model->slots[operation.slot];
        uint32_t block_size;

        if (!slot->is_used)
                return choose_for_free(model, operation.slot, random);
        block_size = block_sizes[slot->lun];
        choose_range(&operation, model->line_size, block_size, random);
        operation.blocks = get_blocks(operation.offset, operation.size, block_size);
        switch (random_below(random, 16)) {
        case 0:
                operation.kind = ARENA_OPERATION_KIND_RELEASE;
                break;
        case 1:
                operation.kind = ARENA_OPERATION_KIND_LOSE;
                break;
        case 2:
                operation.kind = ARENA_OPERATION_KIND_DROP;
                break;
        default:
                operation.kind = ARENA_OPERATION_KIND_STORE;
                operation.is_kept = cache_bits_intersect(slot->kept, operation.blocks) ||
                                    random_one_in(random, 2);
                operation.is_summed = random_one_in(random, 2);
        }
        return operation;
}

void arena_operation_make_bytes(const ArenaOperation *operation, uint8_t *to) {
        Random random;

        memset(to, 0, operation->size);
        if (operation->seed == 0)
                return;
        random_init(&random, operation->seed);
        random_fill(&random, to, operation->size);
}

static void apply_store(ArenaModelSlot *slot, const ArenaOperation *operation) {
        CacheBits blocks = get_blocks(operation->offset, operation->size, block_sizes[slot->lun]);

        arena_operation_make_bytes(operation, slot->bytes + operation->offset);
        if (!operation->is_kept)
                return;
        slot->kept = cache_bits_or(slot->kept, blocks);
        slot->lost = cache_bits_without(slot->lost, blocks);
}

void arena_model_apply(ArenaModel *model, const ArenaOperation *operation) {
        ArenaModelSlot *slot = &model->slots[operation->slot];

        switch (operation->kind) {
        case ARENA_OPERATION_KIND_CLAIM:
                slot->is_used = true;
                slot->lun = operation->lun;
                slot->line = operation->line;
                break;
        case ARENA_OPERATION_KIND_STORE:
                apply_store(slot, operation);
                break;
        case ARENA_OPERATION_KIND_LOSE:
                slot->kept = cache_bits_without(slot->kept, operation->blocks);
                slot->lost = cache_bits_or(slot->lost, operation->blocks);
                break;
        case ARENA_OPERATION_KIND_DROP:
                slot->kept = cache_bits_without(slot->kept, operation->blocks);
                slot->lost = cache_bits_without(slot->lost, operation->blocks);
                break;
        case ARENA_OPERATION_KIND_RELEASE:
                slot->is_used = false;
                slot->kept = (CacheBits){};
                slot->lost = (CacheBits){};
                break;
        case ARENA_OPERATION_KIND_DISCARD:
                memset(slot->bytes, 0, sizeof(slot->bytes));
                break;
        }
}

void arena_operation_apply(const ArenaOperation *operation, CacheArena *arena,
                           const uint8_t *bytes) {
        switch (operation->kind) {
        case ARENA_OPERATION_KIND_CLAIM:
                cache_arena_claim(arena, operation->slot, operation->lun, operation->line,
                                  block_sizes[operation->lun]);
                break;
        case ARENA_OPERATION_KIND_STORE:
                cache_arena_store(arena, operation->slot, operation->offset,
                                  operation->seed == 0 ? NULL : bytes, operation->size,
                                  operation->is_kept, operation->is_summed);
                break;
        case ARENA_OPERATION_KIND_LOSE:
                cache_arena_lose(arena, operation->slot, operation->blocks);
                break;
        case ARENA_OPERATION_KIND_DROP:
                cache_arena_drop(arena, operation->slot, operation->blocks);
                break;
        case ARENA_OPERATION_KIND_RELEASE:
                cache_arena_release(arena, operation->slot);
                break;
        case ARENA_OPERATION_KIND_DISCARD:
                cache_arena_discard(arena, operation->slot);
                break;
        }
}

/* The owner's view. */

static bool are_equal(CacheBits a, CacheBits b) {
        return cache_bits_contain(a, b) && cache_bits_contain(b, a);
}

void arena_model_check_arena(const ArenaModel *model, const CacheArena *arena) {
        for (uint32_t i = 0; i < ARENA_MODEL_SLOTS; i++) {
                const ArenaModelSlot *slot = &model->slots[i];

                ck_assert_mem_eq(cache_arena_get_data(arena, i), slot->bytes, model->line_size);
                if (!slot->is_used)
                        continue;
                ck_assert(are_equal(cache_arena_get_kept(arena, i), slot->kept));
                ck_assert(are_equal(cache_arena_get_lost(arena, i), slot->lost));
                for (unsigned j = 0; j < model->line_size / CACHE_CHUNK_SIZE; j++)
                        ck_assert(cache_arena_verify(arena, i, j));
        }
}

/* The successor's view. */

static bool is_block_as_in(const ArenaModelSlot *slot, const Found *found, unsigned block,
                           uint32_t block_size) {
        bool is_kept = slot->is_used && cache_bits_has(slot->kept, block);
        bool is_lost = slot->is_used && cache_bits_has(slot->lost, block);

        if (cache_bits_has(found->kept, block) != is_kept ||
            cache_bits_has(found->lost, block) != is_lost)
                return false;
        return (!is_kept && !is_lost) || memcmp(found->data + block * block_size,
                                                slot->bytes + block * block_size, block_size) == 0;
}

static bool is_line_as_in(const ArenaModelSlot *slot, const Found *found, unsigned n_blocks,
                          uint32_t block_size) {
        for (unsigned i = 0; i < n_blocks; i++)
                if (!is_block_as_in(slot, found, i, block_size))
                        return false;
        return true;
}

/* Stores and releases happen as a whole, all else does so for each block. */
static bool is_line_fine(const ArenaModelSlot *before, const ArenaModelSlot *after,
                         const Found *found, bool is_whole, uint32_t line_size) {
        uint32_t block_size = block_sizes[before->is_used ? before->lun : after->lun];
        unsigned n_blocks = line_size / block_size;

        if (is_line_as_in(before, found, n_blocks, block_size) ||
            is_line_as_in(after, found, n_blocks, block_size))
                return true;
        for (unsigned i = 0; i < n_blocks; i++)
                if (is_whole || (!is_block_as_in(before, found, i, block_size) &&
                                 !is_block_as_in(after, found, i, block_size)))
                        return false;
        return true;
}

static bool has_line(const ArenaModelSlot *slot, unsigned lun, uint64_t line) {
        return slot->is_used && slot->lun == lun && slot->line == line;
}

/* False: nobody had that line. */
static bool note(const ArenaModel *before, const ArenaModel *after, unsigned lun,
                 const CacheRemnant *remnant, Found *found) {
        uint64_t line = remnant->offset / before->line_size;

        for (unsigned i = 0; i < ARENA_MODEL_SLOTS; i++) {
                if (!has_line(&before->slots[i], lun, line) &&
                    !has_line(&after->slots[i], lun, line))
                        continue;
                found[i] = (Found){ remnant->kept, remnant->lost, remnant->data };
                return true;
        }
        return false;
}

static const char *compare(const ArenaModel *before, const ArenaModel *after,
                           const ArenaOperation *operation, const CacheRemains *remains) {
        Found found[ARENA_MODEL_SLOTS] = {};
        bool is_whole = !operation || (operation->kind != ARENA_OPERATION_KIND_LOSE &&
                                       operation->kind != ARENA_OPERATION_KIND_DROP);

        for (unsigned lun = 0; lun < ARENA_MODEL_LUNS; lun++) {
                uint32_t cursor = 0;
                CacheRemnant remnant;

                if (!cache_remains_get_identity(remains, lun))
                        return "a LUN has no identity";
                while (cache_remains_next(remains, lun, &cursor, &remnant))
                        if (!note(before, after, lun, &remnant, found))
                                return "a line is there that nobody had";
        }
        for (unsigned i = 0; i < ARENA_MODEL_SLOTS; i++)
                if (!is_line_fine(&before->slots[i], &after->slots[i], &found[i], is_whole,
                                  before->line_size))
                        return operation && operation->slot == i
                                               ? "the changed line is as it was never meant to be"
                                               : "another line is not as it was";
        return NULL;
}

const char *arena_model_check_remains(const ArenaModel *before, const ArenaModel *after,
                                      const ArenaOperation *operation, int fd) {
        _cleanup_(cache_remains_freep) CacheRemains *remains = NULL;

        if (cache_remains_new(&remains, fd, "arena") < 0)
                return "it can't be read";
        if (cache_remains_get_n_senseless(remains) > 0)
                return "something in it makes no sense";
        return compare(before, after, operation, remains);
}
